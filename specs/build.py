"""Builds the values of `model` from documents that have passed their schemas and `lint`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from specs.model import (
    Api,
    Event,
    Fixture,
    Join,
    Limit,
    Nonce,
    Protocol,
    Relay,
    Requirement,
    Role,
    Signature,
    Socket,
    State,
    Step,
    Topic,
)

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}


def of_kind(documents: Mapping[str, Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    """Return the documents of one kind, in file order."""
    return [document for document in documents.values() if document["kind"] == kind]


def build_api(documents: Mapping[str, Mapping[str, Any]]) -> Api:
    """Build the protocol from its documents, by file name."""
    api = of_kind(documents, "api")[0]
    topics = {document["name"]: document for document in of_kind(documents, "topic")}
    ordered = sorted(topics.values(), key=lambda document: (document["order"], document["name"]))
    return Api(
        name=api["name"],
        version=api["version"],
        summary=api["summary"],
        source=api["source"],
        protocol=_protocol(of_kind(documents, "protocol")[0]),
        sockets={socket["name"]: _socket(socket) for socket in of_kind(documents, "socket")},
        topics={document["name"]: _topic(document, topics) for document in ordered},
        requirements={
            row["id"]: _requirement(row)
            for document in of_kind(documents, "requirements")
            for row in document["requirements"]
        },
        limits={row.name: row for document in of_kind(documents, "limits") for row in build_limits(document)},
    )


def build_limits(document: Mapping[str, Any]) -> tuple[Limit, ...]:
    """Build the limits of one document, in its order."""
    return tuple(Limit(**row) for row in document["limits"])


def _protocol(document: Mapping[str, Any]) -> Protocol:
    return Protocol(
        name=document["name"],
        summary=document["summary"],
        source=document["source"],
        serializers=document["serializers"],
        events={
            row["event"]: Event(**{"reply": ANY_OBJECT, "rules": {}, **row}) for row in document["events"]
        },
    )


def _requirement(row: Mapping[str, Any]) -> Requirement:
    return Requirement(**{**row, "checks": tuple(row.get("checks", ()))})


def _socket(document: Mapping[str, Any]) -> Socket:
    return Socket(
        name=document["name"],
        summary=document["summary"],
        paths=tuple(document["paths"]),
        credentials=tuple(frozenset(names) for names in document["credentials"]),
        identity=document["identity"],
        socket_id=document.get("socket_id"),
        source=document["source"],
        rules=document.get("rules", {}),
    )


def _topic(document: Mapping[str, Any], topics: Mapping[str, Mapping[str, Any]]) -> Topic:
    rules = document.get("rules", {})
    rows = document.get("events") or topics[document["events_of"]]["events"]
    return Topic(
        name=document["name"],
        pattern=document["pattern"],
        socket=document["socket"],
        order=document["order"],
        summary=document["summary"],
        source=document["source"],
        roles={name: Role(name, role["from"], role["summary"]) for name, role in document["roles"].items()},
        states={name: _state(name, state) for name, state in document["states"].items()},
        initial_state=document["initial_state"],
        fixture=_fixture(document["fixture"]),
        join=_join(document["join"], rules),
        presence=document.get("presence", False),
        events={row["event"]: _event(row, rules, document) for row in rows},
        rules=rules,
    )


def _state(name: str, state: Mapping[str, Any]) -> State:
    return State(
        name=name,
        summary=state["summary"],
        terminal=state.get("terminal", False),
        reason=state.get("reason", f"not_in_state_{name}"),
        reach=_steps(state.get("reach", ())),
        rule=state.get("rule"),
    )


def _fixture(fixture: Mapping[str, Any]) -> Fixture:
    return Fixture(
        create=fixture["create"],
        params=fixture.get("params", ANY_OBJECT),
        values=fixture.get("values", {}),
        variable=fixture.get("variable"),
        cast=fixture["cast"],
        agents=fixture.get("agents", {}),
    )


def _join(join: Mapping[str, Any], rules: Mapping[str, str]) -> Join:
    return Join(
        roles=tuple(join["roles"]),
        payload=join.get("payload", ANY_OBJECT),
        reply=join["reply"],
        errors=tuple(join.get("errors", ())),
        rules={**rules, **join.get("rules", {})},
    )


def _event(row: Mapping[str, Any], rules: Mapping[str, str], document: Mapping[str, Any]) -> Event:
    relay, nonce = row.get("relay"), row.get("nonce")
    own_roles = [role for role in row.get("roles", ()) if role in document["roles"]]
    return Event(
        event=row["event"],
        direction=row["direction"],
        summary=row["summary"],
        source=row["source"],
        payload=row["payload"],
        reply=row.get("reply", ANY_OBJECT),
        roles=tuple(own_roles or document["join"]["roles"]) if row["direction"] != "out" else (),
        states=tuple(row.get("states", ())),
        errors=tuple(row.get("errors", ())),
        relay=Relay(relay["to"], relay.get("add", {})) if relay else None,
        broadcasts=tuple(row.get("broadcasts", ())),
        sender_may_miss_broadcast=row.get("sender_may_miss_broadcast", False),
        next_state=row.get("next_state"),
        consumes=row.get("consumes", False),
        is_query=row.get("query", False),
        signatures=tuple(Signature(**signature) for signature in row.get("signatures", ())),
        nonce=Nonce(**nonce) if nonce else None,
        setup=_steps(row.get("setup", ())),
        impossible_in=tuple(row.get("impossible_in", ())),
        samples=row.get("samples", {}),
        pushed_on_join=row.get("pushed_on_join", False),
        rules={**rules, **row.get("rules", {})},
    )


def _steps(rows: Iterable[Mapping[str, Any]]) -> tuple[Step, ...]:
    return tuple(Step(**row) for row in rows)
