"""Checks that span documents, after each has passed its own schema.

Everything that one document says of another must hold: names of roles, states, events and requirements exist, samples
are valid, every rule that applies to an event names a requirement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from specs.validation import SchemaInvalid, Validator

Documents = Mapping[str, Mapping[str, Any]]
FaultTuple = tuple[str, str, str]
"""File, JSON pointer, message."""


def faults(documents: Documents) -> list[FaultTuple]:
    """Return every cross-document fault."""
    return [
        *_singletons(documents),
        *_limits(documents),
        *_duplicates(documents),
        *_references(documents),
        *_rules(documents),
        *_payload_schemas(documents),
    ]


def _of_kind(documents: Documents, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((file, document) for file, document in documents.items() if document["kind"] == kind)


def _singletons(documents: Documents) -> Iterator[FaultTuple]:
    apis = list(_of_kind(documents, "api"))
    if len(apis) != 1:
        yield ("api.json", "", f"exactly one document of kind api is needed, found {len(apis)}")
        return
    protocols = list(_of_kind(documents, "protocol"))
    if len(protocols) != 1:
        yield (
            protocols[-1][0],
            "",
            f"only one document of kind protocol is possible, found {len(protocols)}",
        )
    file, api = apis[0]
    sockets = {document["name"] for _, document in _of_kind(documents, "socket")}
    for index, name in enumerate(api["sockets"]):
        if name not in sockets:
            yield (file, f"/sockets/{index}", f"no socket document is named {name!r}")


def _limits(documents: Documents) -> Iterator[FaultTuple]:
    files = list(_of_kind(documents, "limits"))
    for file, _ in files[1:]:
        yield (file, "", f"only one document of kind limits is possible, found {len(files)}")
    for file, document in files:
        names = [row["name"] for row in document["limits"]]
        for index, row in enumerate(document["limits"]):
            if row["name"] in names[:index]:
                yield (file, f"/limits/{index}/name", f"limit {row['name']!r} is given twice")
            if row["value"] > row.get("maximum", row["value"]):
                yield (file, f"/limits/{index}/value", f"above its own maximum of {row['maximum']}")


def _duplicates(documents: Documents) -> Iterator[FaultTuple]:
    seen: dict[tuple[str, str], str] = {}
    for kind, member in (("socket", "name"), ("topic", "name"), ("topic", "pattern")):
        for file, document in _of_kind(documents, kind):
            key = (f"{kind} {member}", document[member])
            if key in seen:
                yield (file, f"/{member}", f"{document[member]!r} is also the {member} of {seen[key]}")
            seen.setdefault(key, file)
    for file, document in _of_kind(documents, "requirements"):
        for index, row in enumerate(document["requirements"]):
            key = ("requirement", row["id"])
            if key in seen:
                yield (file, f"/requirements/{index}/id", f"{row['id']!r} is also in {seen[key]}")
            seen.setdefault(key, file)
    for file, document in _of_kind(documents, "topic"):
        names = [row["event"] for row in document.get("events", ())]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield (file, f"/events/{index}/event", f"event {name!r} is given twice")


def _references(documents: Documents) -> Iterator[FaultTuple]:
    sockets = {document["name"] for _, document in _of_kind(documents, "socket")}
    topics = {document["name"]: document for _, document in _of_kind(documents, "topic")}
    for file, document in topics_with_files(documents):
        if document["socket"] not in sockets:
            yield (file, "/socket", f"no socket document is named {document['socket']!r}")
        shared = document.get("events_of")
        if ("events" in document) == (shared is not None):
            yield (file, "/events", "exactly one of events and events_of is needed")
        elif shared is not None and "events" not in topics.get(shared, {}):
            yield (file, "/events_of", f"no topic document with events of its own is named {shared!r}")
        yield from _names_in_topic(file, document)


def topics_with_files(documents: Documents) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the topic documents with their file names."""
    return _of_kind(documents, "topic")


def _names_in_topic(file: str, document: Mapping[str, Any]) -> Iterator[FaultTuple]:
    roles, states = document["roles"], document["states"]
    if document["initial_state"] not in states:
        yield (file, "/initial_state", f"no state is named {document['initial_state']!r}")
    for index, role in enumerate(document["join"]["roles"]):
        if role not in roles:
            yield (file, f"/join/roles/{index}", f"no role is named {role!r}")
    for name, role in document["fixture"]["cast"].items():
        if role not in roles:
            yield (file, f"/fixture/cast/{name}", f"no role is named {role!r}")
    events = {row["event"] for row in document.get("events", ())}
    if document.get("presence"):
        for name in sorted({"presence_state", "presence_diff"} - events):
            yield (file, "/presence", f"presence is on, but no event is named {name!r}")
    for name, state in states.items():
        yield from _steps(file, f"/states/{name}/reach", state.get("reach", ()), document, events)
    for index, row in enumerate(document.get("events", ())):
        yield from _names_in_event(file, f"/events/{index}", row, document, events)


def _names_in_event(
    file: str, at: str, row: Mapping[str, Any], document: Mapping[str, Any], events: set[str]
) -> Iterator[FaultTuple]:
    for member, known, noun in (
        ("roles", document["roles"], "role"),
        ("states", document["states"], "state"),
        ("impossible_in", document["states"], "state"),
        ("broadcasts", events, "event"),
    ):
        for index, name in enumerate(row.get(member, ())):
            if name not in known:
                yield (file, f"{at}/{member}/{index}", f"no {noun} is named {name!r}")
    if row.get("next_state", document["initial_state"]) not in document["states"]:
        yield (file, f"{at}/next_state", f"no state is named {row['next_state']!r}")
    for member in ("relay", "broadcasts", "next_state", "consumes", "signatures", "nonce"):
        if row.get("query") and row.get(member):
            yield (file, f"{at}/{member}", "an event that is a query has no effect")
    for index, signature in enumerate(row.get("signatures", ())):
        if signature["signer"] not in {"sender", *document["roles"]}:
            yield (file, f"{at}/signatures/{index}/signer", f"no role is named {signature['signer']!r}")
    yield from _steps(file, f"{at}/setup", row.get("setup", ()), document, events)


def _steps(
    file: str, at: str, steps: Any, document: Mapping[str, Any], events: set[str]
) -> Iterator[FaultTuple]:
    for index, step in enumerate(steps):
        if "by" in step and step["by"] not in document["fixture"]["cast"]:
            yield (file, f"{at}/{index}/by", f"nobody in the cast is named {step['by']!r}")
        if "event" in step and step["event"] not in events:
            yield (file, f"{at}/{index}/event", f"no event is named {step['event']!r}")


def _rules(documents: Documents) -> Iterator[FaultTuple]:
    catalogue = {
        row["id"] for _, document in _of_kind(documents, "requirements") for row in document["requirements"]
    }
    for file, document in documents.items():
        named = [(f"{at}/{kind}", name) for at, rules in _rule_maps(document) for kind, name in rules.items()]
        for at, requirement in (*named, *_annotated(document, "")):
            if requirement not in catalogue:
                yield (file, at, f"requirement {requirement!r} is not in the catalogue")
    for file, document in _of_kind(documents, "topic"):
        if document["socket"] != "control":
            yield from _missing_rules(file, document)


def _missing_rules(file: str, document: Mapping[str, Any]) -> Iterator[FaultTuple]:
    join, roles = document["join"], document["roles"]
    is_open = any(roles.get(role, {}).get("from") == "any" for role in join["roles"])
    named = {**document.get("rules", {}), **join.get("rules", {})}
    for kind in sorted({"join", "reply", *(() if is_open else ("outsider",))} - set(named)):
        yield (file, "/join/rules", f"no requirement is named for {kind!r}")
    for index, row in enumerate(document.get("events", ())):
        rules = {**document.get("rules", {}), **row.get("rules", {})}
        for kind in sorted(_rule_kinds(row) - set(rules)):
            yield (file, f"/events/{index}/rules", f"no requirement is named for {kind!r}")


def _annotated(node: Any, at: str) -> Iterator[tuple[str, str]]:
    """Return the pointers and values of the requirements that a schema names."""
    if isinstance(node, Mapping):
        for name, member in node.items():
            if name in {"x-requirement", "x-required"}:
                yield f"{at}/{name}", str(member)
            else:
                yield from _annotated(member, f"{at}/{name}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _annotated(item, f"{at}/{index}")


def _rule_maps(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "/rules", document.get("rules", {})
    yield "/join/rules", document.get("join", {}).get("rules", {})
    for name, state in document.get("states", {}).items():
        yield f"/states/{name}", {"rule": state["rule"]} if "rule" in state else {}
    for index, row in enumerate(document.get("events", ())):
        yield f"/events/{index}/rules", row.get("rules", {})


def _rule_kinds(row: Mapping[str, Any]) -> set[str]:
    if row["direction"] == "out":
        return {"payload"}
    kinds = {"accepted", "payload", "reply", "role", "state"}
    members = ("relay", "next_state", "nonce")
    kinds |= {member for member in members if member in row}
    kinds |= {"broadcast"} if "broadcasts" in row else set()
    return kinds | ({"signature"} if "signatures" in row else set())


def _payload_schemas(documents: Documents) -> Iterator[FaultTuple]:
    for file, document in _of_kind(documents, "topic"):
        places = [("/join/reply", document["join"]["reply"])]
        for index, row in enumerate(document.get("events", ())):
            places.append((f"/events/{index}/payload", row["payload"]))
            places.append((f"/events/{index}/reply", row.get("reply", {})))
        for at, schema in places:
            try:
                Validator(schema)
            except SchemaInvalid as exc:
                yield (file, at, f"not a JSON Schema: {exc}")
