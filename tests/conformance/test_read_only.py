"""A read-only run sends nothing that changes anything, in whatever form."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

import pytest

from conformance.client.raw_frames import BINARY, CONTINUATION, TEXT, raw_frame
from conformance.client.read_only import READ_ONLY, RawMessages, ReadOnly
from conformance.client.restraint import Restraint
from conformance.faults import CannotProvision
from conformance.fixtures.lab import Lab
from conformance.fixtures.restrained import restrained
from specs.binary_frames import pack_client_push
from specs.model import Api

PUSHED = re.compile(r'wireproof_pushes_total\{event="([^"]+)",family="([^"]+)"')


def text(topic: str, event: str, payload: Any = None) -> bytes:
    return json.dumps(["1", "2", topic, event, payload or {}]).encode()


HARMLESS = [
    text("task:t1", "phx_join"),
    text("task:t1", "phx_leave"),
    text("phoenix", "heartbeat"),
    text("agents:discovery", "discover", {"capability": "close", "filters": {}}),
    text("analytics:agent:a1", "request_metrics", {"period": "24h"}),
    text("analytics:global", "request_heatmap"),
    b'{"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"}',
    b"{",
    b"[1, 2",
    b'"text"',
    b'["1", "2", "task:t1"]',
    b"\xff\xfe",
    b"",
]
CHANGING = [
    text("task:t1", "complete", {"result": {}}),
    text("payment:p1", "close"),
    text("agents:discovery", "announce"),
    text("agents:discovery", "update_metadata"),
    text("analytics:agent:a1", "subscribe_alerts"),
    text("messages:a1", "acknowledge"),
    # Nobody knows what an event does that is not documented, or not on this topic.
    text("task:t1", "no_such_event"),
    text("task:t1", "discover"),
    text("rooms:1", "shout"),
    b'{"topic": "task:t1", "event": "complete", "payload": {}, "ref": "1"}',
    # The first reading is harmless, the second one is not.
    b'{"topic": "phoenix", "event": "heartbeat", "event": "complete", "payload": {}, "ref": "1"}',
    b'["1","2","task:t1","\\u0063omplete",{}]',
    b'["1","2","task:t1","complete",{}] ]',
    b'["1","2","task:t1","complete",{}, null]',
    b'["1","2","task:t1","complete"',
]


@pytest.fixture
def read_only(api: Api) -> ReadOnly:
    """What the shipped documents allow."""
    return ReadOnly(api)


@pytest.mark.parametrize("data", HARMLESS)
def test_what_changes_nothing_may_be_sent(read_only: ReadOnly, data: bytes) -> None:
    """Joins, leaves, heartbeats, queries, and what is no message at all."""
    assert read_only.allows(data, is_text=True)


@pytest.mark.parametrize("data", CHANGING)
def test_what_may_change_something_may_not(read_only: ReadOnly, data: bytes) -> None:
    """Also where a server might read it so, though others would not."""
    assert not read_only.allows(data, is_text=True)


def test_every_event_is_either_a_query_or_denied(api: Api, read_only: ReadOnly) -> None:
    """What the documents do not call a query is no query."""
    for family in api.topics.values():
        for event in family.inbound():
            topic = family.topic_of("x")
            expected = event.is_query and family.socket != "control"
            assert read_only.allows(text(topic, event.event), is_text=True) == expected, event.event


@pytest.mark.parametrize(
    ("event", "is_allowed"), [("heartbeat", True), ("complete", False), ("nothing", False)]
)
def test_binary_pushes_are_read(read_only: ReadOnly, event: str, is_allowed: bool) -> None:
    """Their event is in their header."""
    data = pack_client_push("1", "2", "task:t1", event, b"complete" if event == "complete" else b"")
    assert read_only.allows(data, is_text=False) == is_allowed


def raw(*frames: bytes) -> list[bytes]:
    """Cut frames into writes of three bytes."""
    data = b"".join(frames)
    return [data[at : at + 3] for at in range(0, len(data), 3)]


MESSAGE = text("task:t1", "complete")
JOIN = text("task:t1", "phx_join")


@pytest.mark.parametrize(
    "writes",
    [
        [raw_frame(TEXT, MESSAGE)],
        [raw_frame(TEXT, MESSAGE, mask=False)],
        [raw_frame(BINARY, MESSAGE)],
        [raw_frame(TEXT, JOIN) + raw_frame(TEXT, MESSAGE)],
        [raw_frame(0x9, b"ping") + raw_frame(TEXT, MESSAGE)],
        [raw_frame(TEXT, MESSAGE[:25], fin=False), raw_frame(CONTINUATION, MESSAGE[25:])],
        [
            raw_frame(TEXT, MESSAGE[:20], fin=False),
            raw_frame(0x9, b""),
            raw_frame(CONTINUATION, MESSAGE[20:]),
        ],
        [raw_frame(TEXT, MESSAGE, length=len(MESSAGE) + 500)],
        [raw_frame(TEXT, MESSAGE, length=len(MESSAGE) - 1)],
        [raw_frame(TEXT, MESSAGE, rsv=4)],
        [raw_frame(0x3, MESSAGE)],
        [raw_frame(TEXT, MESSAGE + b" " * 200)],
        [raw_frame(TEXT, MESSAGE + b" " * 70_000)],
        raw(raw_frame(TEXT, JOIN), raw_frame(TEXT, MESSAGE)),
        raw(raw_frame(TEXT, MESSAGE[:25], fin=False), raw_frame(CONTINUATION, MESSAGE[25:])),
    ],
)
def test_raw_bytes_that_hold_a_change_are_denied(api: Api, writes: list[bytes]) -> None:
    """Masked or not, in fragments or in pieces, with lying lengths or behind something harmless."""
    restraint, messages = Restraint(read_only=ReadOnly(api)), RawMessages()

    def write_all() -> None:
        for data in writes:
            restraint.check_raw(messages, data)

    with pytest.raises(CannotProvision, match=READ_ONLY):
        write_all()


@pytest.mark.parametrize(
    "writes",
    [
        [raw_frame(TEXT, JOIN) * 3],
        [raw_frame(0x8, b"\x03\xe8")],
        raw(raw_frame(TEXT, JOIN[:5], fin=False), raw_frame(0x9, b"x"), raw_frame(CONTINUATION, JOIN[5:])),
        [raw_frame(TEXT, b"{" * 300)],
        [b"\x81"],
        [b"\x00" * 40],
    ],
)
def test_raw_bytes_that_hold_none_may_go(api: Api, writes: list[bytes]) -> None:
    """What went before on the connection is no reason to deny what follows."""
    restraint, messages = Restraint(read_only=ReadOnly(api)), RawMessages()
    for data in writes:
        restraint.check_raw(messages, data)


@pytest.mark.parametrize("form", ["message", "text", "bytes", "fragments"])
def test_a_connection_denies_it_before_anything_leaves(
    scripted: Any, bench_at: Any, api: Api, form: str
) -> None:
    """Whichever way a case sends: the endpoint is told nothing, and the case did not run."""
    endpoint = scripted()
    bench = bench_at(endpoint.url)
    bench.restraint.read_only = ReadOnly(api)
    lab = Lab(bench, "test/case", 1)
    peer = lab.connect(lab.agent("alice"))
    assert peer.join("task:t1").kind == "ok"
    ways = {
        "message": lambda: peer.push("task:t1", "complete", {"result": {}}),
        "text": lambda: peer.send_text(MESSAGE.decode()),
        "bytes": lambda: peer.wire.send_bytes(raw_frame(TEXT, MESSAGE), "raw frame"),
        "fragments": lambda: peer.wire.send_fragments([MESSAGE[:25], MESSAGE[25:]]),
    }
    with pytest.raises(CannotProvision, match=READ_ONLY):
        ways[form]()
    assert not any("complete" in entry.text for entry in lab.transcript.entries)
    assert peer.sync().kind == "ok"
    lab.close()


def test_the_operator_is_asked_for_agents_and_resources_only(bench_at: Any, api: Api) -> None:
    """What else can be caused is not."""
    plain = bench_at().provisioner
    held = restrained(plain, Restraint(read_only=ReadOnly(api)))
    assert restrained(plain, Restraint()) is plain
    assert held.create_resource("task", {}, {}).startswith("task:")
    with pytest.raises(CannotProvision, match=READ_ONLY):
        held.request("send_message", {})
    held.close()


def test_a_read_only_run_pushes_queries_alone(
    wireproof: Any, reference_server: Any, api: Api, tmp_path: Any
) -> None:
    """By the server's own count; and the run says what it has left out, and calls nothing conformant."""
    done = wireproof(
        *("check", reference_server.url, "--read-only", "--workers", "3", "--run-dir", str(tmp_path / "run")),
        *("--include", "discovery", "--include", "analytics_user", "--include", "malformed/*"),
        *("--include", "payment/close*"),
        WIREPROOF_CONTROL_TOKEN=reference_server.token,
    )
    with urllib.request.urlopen(reference_server.url.replace("ws:", "http:") + "/metrics") as answer:  # noqa: S310 - our own server
        pushed = set(PUSHED.findall(answer.read().decode()))
    control = {event for event, family in pushed if family == "control"}
    assert control <= {"create_agent", "create_resource"}
    others = {(family, event) for event, family in pushed if family != "control"}
    assert ("discovery", "discover") in others
    assert [pair for pair in others if not api.topics[pair[0]].events[pair[1]].is_query] == []
    assert done.returncode == 0, done
    assert "no finding in the part that was run" in done.stdout
    assert READ_ONLY in done.stdout
