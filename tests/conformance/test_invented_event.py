"""An event, or a whole topic family, that is added to a copy of the documents is served, listed and checked without code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from specs.loader import DOCUMENTS

ROOT = Path(__file__).parents[2]

ANNOTATE: dict[str, Any] = {
    "event": "annotate",
    "direction": "in_out",
    "summary": "A remark on a part of the task, relayed to the other participant.",
    "source": "invented",
    "roles": ["client", "provider"],
    "states": ["open"],
    "payload": {
        "type": "object",
        "properties": {
            "label": {"type": "string", "pattern": "^[a-z]{2,8}$", "examples": ["typo", "question"]},
            "kind": {"enum": ["remark", "warning"]},
            "weight": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "examples": [0.5]},
            "lines": {
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
                "minItems": 1,
                "maxItems": 3,
                "examples": [[1, 2]],
            },
        },
        "required": ["label", "kind"],
        "additionalProperties": False,
    },
    "reply": {"type": "object", "maxProperties": 0},
    "errors": ["invalid_payload", "task_closed"],
    "relay": {"to": "others"},
    "rules": {
        "accepted": "task/annotation-accepted",
        "payload": "task/annotation-checked",
        "relay": "task/annotation-relayed",
    },
}

REVIEW: dict[str, Any] = {
    "kind": "topic",
    "name": "review",
    "pattern": "review:{review_id}",
    "socket": "agent",
    "order": 70,
    "summary": "An author's text is looked at by a reader, until the reader is done.",
    "source": "invented",
    "roles": {
        "author": {"from": "resource", "summary": "Who wrote the text."},
        "reader": {"from": "resource", "summary": "Who reads it."},
    },
    "states": {
        "open": {"summary": "Being read.", "reason": "review_open"},
        "done": {
            "summary": "Read.",
            "terminal": True,
            "reason": "review_done",
            "reach": [{"by": "bob", "event": "finish", "payload": {"mark": 1}}],
        },
    },
    "initial_state": "open",
    "fixture": {
        "create": "resource",
        "params": {"type": "object", "properties": {}, "additionalProperties": False},
        "values": {},
        "cast": {"ann": "author", "bob": "reader"},
    },
    "join": {"roles": ["author", "reader"], "reply": {"type": "object"}, "errors": ["unauthorized"]},
    "rules": {
        "join": "review/join",
        "outsider": "review/outsider",
        "accepted": "review/accepted",
        "payload": "review/payload",
        "reply": "review/answered",
        "role": "review/role",
        "state": "review/final",
        "relay": "review/relayed",
        "broadcast": "review/told",
        "next_state": "review/final",
    },
    "events": [
        {
            "event": "note",
            "direction": "in_out",
            "summary": "A note.",
            "source": "invented",
            "roles": ["author", "reader"],
            "states": ["open"],
            "payload": {
                "type": "object",
                "properties": {"text": {"type": "string", "minLength": 1}},
                "required": ["text"],
            },
            "reply": {"type": "object"},
            "errors": ["invalid_payload", "review_done"],
            "relay": {"to": "others"},
        },
        {
            "event": "finish",
            "direction": "in",
            "summary": "The reader is done.",
            "source": "invented",
            "roles": ["reader"],
            "states": ["open"],
            "next_state": "done",
            "payload": {
                "type": "object",
                "properties": {"mark": {"type": "integer", "minimum": 1, "maximum": 6}},
                "required": ["mark"],
            },
            "reply": {"type": "object"},
            "errors": ["invalid_payload", "forbidden", "review_done"],
            "broadcasts": ["finished"],
        },
        {
            "event": "finished",
            "direction": "out",
            "summary": "The reader is done.",
            "source": "invented",
            "payload": {
                "type": "object",
                "properties": {"mark": {"type": "integer"}},
                "required": ["mark"],
            },
        },
    ],
}

Copy = Callable[..., Path]


def rows_of(*names: str) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "level": "MUST",
            "basis": "stated",
            "text": f"The invention keeps {name}.",
            "source": "invented",
            "checks": ["*"],
        }
        for name in names
    ]


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def with_event(tmp_path: Path) -> Path:
    """The documents with one event more."""
    spec = tmp_path / "documents"
    shutil.copytree(DOCUMENTS, spec)
    edit(spec / "topics" / "task.json", lambda document: document["events"].append(ANNOTATE))
    rows = rows_of("task/annotation-accepted", "task/annotation-checked", "task/annotation-relayed")
    edit(spec / "requirements" / "task.json", lambda document: document["requirements"].extend(rows))
    return spec


@pytest.fixture
def with_family(tmp_path: Path) -> Path:
    """The documents with one topic family more."""
    spec = tmp_path / "documents"
    shutil.copytree(DOCUMENTS, spec)
    rows = rows_of(*sorted(set(REVIEW["rules"].values())))
    area = {"kind": "requirements", "area": "review", "summary": "Invented.", "requirements": rows}
    (spec / "topics" / "review.json").write_text(json.dumps(REVIEW), encoding="utf-8")
    (spec / "requirements" / "review.json").write_text(json.dumps(area), encoding="utf-8")
    return spec


def cases_of(listing: dict[str, Any], prefix: str) -> set[str]:
    return {case["id"].removeprefix(prefix) for case in listing["cases"] if case["id"].startswith(prefix)}


def test_the_cases_of_an_invented_event_are_listed(wireproof: Any, with_event: Path) -> None:
    """Positive cases, one negative case for every keyword of the payload, and wrong states; and its requirements."""
    listing = json.loads(wireproof("list", "--spec", str(with_event), "--json").stdout)
    ids = cases_of(listing, "task/annotate/")
    assert {"accepts/minimal", "accepts/full", "accepts/from-client", "accepts/from-provider"} <= ids
    assert {"refuses/state/completed", "refuses/state/failed", "refuses/state/cancelled"} <= ids
    keywords = {name.split("/")[2].split("@")[0] for name in ids if name.startswith("refuses/payload/")}
    assert keywords >= {
        *("type", "required", "additionalProperties", "pattern", "enum", "exclusiveMinimum", "maximum"),
        *("minimum", "minItems", "maxItems"),
    }
    rows = {row["id"]: row for row in listing["requirements"]}
    for name in ("accepted", "checked", "relayed"):
        assert rows[f"task/annotation-{name}"]["cases"]
    plain = json.loads(wireproof("list", "--json").stdout)
    assert len(listing["cases"]) == len(plain["cases"]) + len(ids)
    assert not cases_of(plain, "task/annotate/")


def test_an_invented_event_is_served_and_passes(wireproof: Any, with_event: Path) -> None:
    """A server with the same documents refuses each bad payload, relays good ones, and passes every case."""
    done = wireproof("check", "--spec", str(with_event), "--include", "task/annotate/*", "--json")
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["findings"], summary["advisories"]) == (0, [], [])
    assert summary["counts"]["pass"] == summary["cases"] > 15


def test_a_server_that_does_not_know_the_event_fails(
    wireproof: Any, with_event: Path, reference_server: Any
) -> None:
    """Against the shipped documents the positive cases fail, and no refusal passes for want of a control."""
    done = wireproof(
        *("check", reference_server.url, "--spec", str(with_event), "--include", "task/annotate/*", "--json"),
        WIREPROOF_CONTROL_TOKEN=reference_server.token,
    )
    summary = json.loads(done.stdout)
    assert done.returncode == 1
    failed = {f["case"] for f in summary["findings"] if f["verdict"] == "fail"}
    assert {f"task/annotate/accepts/{which}" for which in ("minimal", "full", "from-client")} <= failed
    assert {f["requirement"] for f in summary["findings"] if f["verdict"] == "fail"} == {
        "task/annotation-accepted"
    }
    assert summary["counts"]["pass"] == 0


def test_a_server_that_does_not_validate_the_event_fails(
    wireproof: Any, start_server: Any, with_event: Path, tmp_path: Path
) -> None:
    """A server whose documents take any payload is found out by every negative payload case."""
    lax = tmp_path / "lax"
    shutil.copytree(with_event, lax)

    def loosen(document: dict[str, Any]) -> None:
        document["events"][-1]["payload"] = {"type": "object"}
        document["events"][-1]["samples"] = {"minimal": {}, "full": {}}

    edit(lax / "topics" / "task.json", loosen)
    server = start_server("--spec", str(lax))
    done = wireproof(
        *("check", server.url, "--spec", str(with_event), "--include", "task/annotate/*", "--json"),
        WIREPROOF_CONTROL_TOKEN=server.token,
    )
    summary = json.loads(done.stdout)
    assert done.returncode == 1
    assert {f["requirement"] for f in summary["findings"]} == {"task/annotation-checked"}
    negative = summary["counts"]["fail"]
    assert negative > 10
    assert summary["counts"]["pass"] == summary["cases"] - negative > 0


def test_an_invented_family_is_served_and_checked(wireproof: Any, with_family: Path) -> None:
    """Joins, roles, states, relay, broadcast and payloads of a new topic pass, with no line of code."""
    listing = json.loads(wireproof("list", "--spec", str(with_family), "--json").stdout)
    ids = cases_of(listing, "review/")
    assert {"join/accepts/ann", "join/accepts/bob", "join/refuses/outsider", "join/refuses/unknown"} <= ids
    assert {"finish/refuses/role/ann", "finish/moves-to/done", "note/refuses/state/done"} <= ids
    done = wireproof("check", "--spec", str(with_family), "--include", "review", "--json")
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["findings"], summary["advisories"]) == (0, [], [])
    assert summary["counts"]["pass"] == summary["cases"] == len(ids)


@pytest.mark.parametrize(
    ("documents", "names", "least"), [("with_event", "task/annotate/*", 30), ("with_family", "review/*", 35)]
)
def test_the_deviations_of_an_invention_are_derived_and_killed(
    request: Any, wireproof: Any, documents: str, names: str, least: int
) -> None:
    """Whatever a server may do wrong about a new event or topic, the cases derived for it notice."""
    spec = request.getfixturevalue(documents)
    done = wireproof("selfcheck", "--spec", str(spec), names, "--json", "-j", "4")
    found = json.loads(done.stdout)
    assert [row for row in found["deviations"] if row["fate"] != "killed"] == []
    assert found["counts"]["killed"] >= least
