"""Every rule that the monitor holds a server's frames to: a breach is named, every allowed form passes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from conformance.client.monitor import Monitor
from conformance.faults import Violation
from specs.message import Frame, Message
from specs.model import Api
from specs.serializer import V1, V2

TASK, DISCOVERY = "task:1", "agents:discovery"
OK: dict[str, Any] = {"status": "ok", "response": {}}
UNMATCHED = {"status": "error", "response": {"reason": "unmatched topic"}}
DONE = {"task": {"id": "1", "status": "completed", "result": None}}


@dataclass
class Listening:
    """A monitor, and what it has advised."""

    monitor: Monitor
    advised: list[str] = field(default_factory=list)

    def hear(self, *fields: Any) -> Message:
        """Let a frame of serializer 2.0.0 come in."""
        return self.monitor.read(text(fields))


def text(value: Any) -> Frame:
    return Frame(json.dumps(value).encode(), is_text=True)


@pytest.fixture
def listening(api: Api) -> Listening:
    """A connection that has joined discovery as 0 and a task as 1, pushed as 2, and sent a heartbeat as 3."""
    return listening_with(api, V2())


def listening_with(api: Api, serializer: V1 | V2) -> Listening:
    advised: list[str] = []
    monitor = Monitor(api, "agent", serializer, lambda rule, *_: advised.append(rule), {})
    monitor.note_sent(Message("1", "1", TASK, "phx_join", {}))
    monitor.note_sent(Message("0", "0", DISCOVERY, "phx_join", {}))
    monitor.note_sent(Message("1", "2", TASK, "progress", {"percent": 1, "message": ""}))
    monitor.note_sent(Message(None, "3", "phoenix", "heartbeat", {}))
    return Listening(monitor, advised)


@pytest.mark.parametrize(
    ("fields", "requirement"),
    [
        (["1", "2", TASK, "phx_reply"], "frames/v2-five-elements"),
        (["1", "2", TASK, "phx_reply", OK, {}], "frames/v2-five-elements"),
        (["1", "2", TASK, "phx_reply", {"status": "ok"}], "frames/reply-shape"),
        (["1", "2", TASK, "phx_reply", {**OK, "more": 1}], "frames/reply-shape"),
        (["1", "2", TASK, "phx_reply", {**OK, "status": 200}], "frames/reply-shape"),
        (["1", "9", TASK, "phx_reply", OK], "frames/reply-echoes-ref"),
        (["1", 2, TASK, "phx_reply", OK], "frames/reply-echoes-ref"),
        (["1", None, TASK, "phx_reply", OK], "frames/reply-echoes-ref"),
        (["1", "2", "task:2", "phx_reply", OK], "frames/reply-echoes-ref"),
        (["9", "2", TASK, "phx_reply", OK], "frames/reply-echoes-join-ref"),
        ([None, "1", TASK, "phx_reply", OK], "frames/reply-echoes-join-ref"),
        (["1", "3", "phoenix", "phx_reply", OK], "frames/reply-echoes-join-ref"),
        (["1", "2", TASK, "phx_reply", UNMATCHED], "frames/reply-echoes-join-ref"),
        (["1", "9", TASK, "phx_error", {}], "leaving/end-carries-join-ref"),
        (["1", None, TASK, "phx_close", {}], "leaving/end-carries-join-ref"),
        (["1", "1", "task:2", "phx_close", {}], "leaving/end-carries-join-ref"),
        ([None, "2", TASK, "progress", {}], "frames/push-has-null-ref"),
        ([None, None, "task:2", "progress", {}], "broadcast/joined-only"),
        ([None, None, "phoenix", "heartbeat", {}], "broadcast/joined-only"),
        (["9", None, TASK, "progress", {}], "frames/push-carries-join-ref"),
        ([None, None, DISCOVERY, "presence_state", {"a": {}}], "presence/state-shape"),
        ([None, None, DISCOVERY, "presence_diff", {"joins": {}}], "presence/diff-shape"),
    ],
)
def test_a_breach_of_the_wire_is_named(listening: Listening, fields: list[Any], requirement: str) -> None:
    """Each wrong frame breaks the one rule that it is about."""
    with pytest.raises(Violation) as caught:
        listening.hear(*fields)
    assert caught.value.breach.requirement == requirement


@pytest.mark.parametrize(
    "fields",
    [
        ["1", "1", TASK, "phx_reply", OK],
        ["1", "2", TASK, "phx_reply", OK],
        ["1", "2", TASK, "phx_reply", {"status": "error", "response": "any JSON"}],
        [None, "2", TASK, "phx_reply", UNMATCHED],
        [None, "3", "phoenix", "phx_reply", OK],
        ["1", "1", TASK, "phx_error", {}],
        ["1", "1", TASK, "phx_close", {}],
        ["1", None, TASK, "progress", {"percent": 1, "message": ""}],
        [None, None, TASK, "progress", {"percent": 1, "message": "", "from": "somebody"}],
        [None, None, TASK, "task_completed", DONE],
    ],
)
def test_what_phoenix_shows_passes(listening: Listening, fields: list[Any]) -> None:
    """Replies, ends, pushes and broadcasts in every form of Phoenix are neither accused nor advised."""
    assert listening.hear(*fields).event == fields[3]
    assert not listening.advised


def test_a_stale_push_may_be_answered_under_either_join_ref(listening: Listening) -> None:
    """Phoenix 1.7 answers a push with a stale join_ref under the channel's own."""
    listening.monitor.note_sent(Message("0", "4", TASK, "progress", {}))
    for join_ref in ("0", "1"):
        listening.hear(join_ref, "4", TASK, "phx_reply", OK)


def test_a_join_without_join_ref_takes_its_ref_for_it(listening: Listening) -> None:
    """Pushes then carry the join's ref, and ends carry null or that ref."""
    listening.monitor.note_sent(Message(None, "7", "task:7", "phx_join", {}))
    listening.hear(None, "7", "task:7", "phx_reply", OK)
    listening.hear("7", None, "task:7", "progress", {"percent": 1, "message": ""})
    listening.hear(None, None, "task:7", "phx_close", {})


def test_a_second_answer_is_counted(listening: Listening) -> None:
    """A push that is answered twice may be one whose neighbour got no answer of its own."""
    for count in (0, 1):
        listening.hear("1", "2", TASK, "phx_reply", OK)
        assert listening.monitor.repeated_answers == count


def test_an_undocumented_event_is_advised(listening: Listening) -> None:
    """A server may have events of its own."""
    listening.hear(None, None, TASK, "invented", {})
    assert listening.advised == ["frames/known-event"]


def test_content_that_one_reading_alone_demands_is_advised(listening: Listening, api: Api) -> None:
    """A task_completed whose task is told otherwise than we read it is advised only."""
    listening.hear(None, None, TASK, "task_completed", {"task": {"id": 7}})
    assert listening.advised
    assert not any(api.requirements[rule].is_binding for rule in listening.advised)


@pytest.mark.parametrize(
    "members", [{}, {"join_ref": "1"}, {"topic": None}], ids=["whole", "with join_ref", "without topic"]
)
def test_serializer_1_has_exactly_four_members(api: Api, members: dict[str, Any]) -> None:
    """A frame of serializer 1.0.0 with a join_ref, or with one member less, is malformed."""
    frame = {"topic": TASK, "event": "phx_reply", "payload": OK, "ref": "2", **members}
    if members == {"topic": None}:
        del frame["topic"]
    listening = listening_with(api, V1())
    if not members:
        assert listening.monitor.read(text(frame)).ref == "2"
        return
    with pytest.raises(Violation) as caught:
        listening.monitor.read(text(frame))
    assert caught.value.breach.requirement == "frames/v1-object-keys"


def test_a_binary_reply_carries_refs_as_text(listening: Listening) -> None:
    """A binary frame has no numbers, so a numeric ref comes back as text there and only there."""
    listening.monitor.note_sent(Message("1", 5, TASK, "progress", {}))
    binary = b"\x01\x01\x01\x06\x02" + b"1" + b"5" + TASK.encode() + b"ok" + b"\x00\xff"
    listening.monitor.read(Frame(binary, is_text=False))
    listening.monitor.note_sent(Message("1", 6, TASK, "progress", {}))
    with pytest.raises(Violation):
        listening.hear("1", "6", TASK, "phx_reply", OK)


def test_a_topic_that_is_no_string_can_be_left(listening: Listening) -> None:
    """The reply to a leave of what can be no topic carries the refs that were sent."""
    listening.monitor.note_sent(Message("1", "2", ["task:1"], "phx_leave", {}))
    listening.hear("1", "2", ["task:1"], "phx_reply", OK)
    with pytest.raises(Violation) as caught:
        listening.hear("3", "2", ["task:1"], "phx_reply", OK)
    assert caught.value.breach.requirement == "frames/reply-echoes-join-ref"
