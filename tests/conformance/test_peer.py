"""One agent's connection, against an endpoint that does what a script says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from conformance.client.peer import Peer
from conformance.faults import CannotTell, OutOfTime, Violation
from conformance.fixtures.lab import Lab
from specs.message import Message

TOPIC = "task:1"
SAID = {"percent": 1, "message": "said"}

Joined = Callable[..., Peer]


@pytest.fixture
def joined(scripted: Any, lab_at: Any) -> Joined:
    """Connect an agent to an endpoint with a script, and join the topic."""

    def build(timeouts: dict[str, float] | None = None, **script: Any) -> Peer:
        lab: Lab = lab_at(scripted(**script), **(timeouts or {}))
        peer = lab.connect(lab.agent("client"))
        assert peer.join(TOPIC).kind == "ok"
        return peer

    return build


@pytest.mark.parametrize(
    ("answer", "kind", "is_joined"),
    [
        ("ok", "ok", True),
        ("error", "error", True),
        ("silence", "silence", True),
        ("crash", "crash", False),
        ("close", "disconnected", True),
    ],
)
def test_an_answer_says_what_came_of_a_push(
    joined: Joined, react: Any, answer: str, kind: str, is_joined: bool
) -> None:
    """Reply, crash of the channel, end of the connection and silence are told apart."""
    peer = joined(progress=[react(answer)])
    assert peer.request(TOPIC, "progress", SAID).kind == kind
    assert (TOPIC in peer.topics) is is_joined


def test_a_close_is_told_with_its_code(joined: Joined, react: Any) -> None:
    """The answer of an ended connection carries the close code."""
    answer = joined(progress=[react("close")]).request(TOPIC, "progress", SAID)
    assert answer.closed is not None
    assert answer.closed.code == 1011


def test_an_earlier_push_that_is_answered_again_is_a_wrong_ref(joined: Joined, react: Any) -> None:
    """A reply with the ref of the push before, and none with the own, is no silence."""
    peer = joined(progress=[react(), react("wrong-ref")])
    assert peer.request(TOPIC, "progress", SAID).kind == "ok"
    with pytest.raises(Violation) as caught:
        peer.request(TOPIC, "progress", SAID)
    assert caught.value.breach.requirement == "frames/reply-echoes-ref"


def test_an_extra_answer_to_an_earlier_push_hides_no_right_one(joined: Joined, react: Any) -> None:
    """The right reply behind a repeated one is still the answer."""
    peer = joined(progress=[react(), react()], cancel=[react()])
    first = peer.push(TOPIC, "progress", SAID)
    assert peer.answer(first).kind == "ok"
    again = json.dumps(
        [first.join_ref, first.ref, TOPIC, "phx_reply", {"status": "ok", "response": {"again": True}}]
    )
    other = joined(progress=[react(), react(frames=(again,))])
    assert other.request(TOPIC, "progress", SAID).kind == "ok"
    answer = other.request(TOPIC, "progress", SAID)
    assert (answer.kind, answer.response) == ("ok", {})


def test_answers_do_not_cross_topics(joined: Joined, react: Any) -> None:
    """A crash on one topic answers no push on another."""
    peer = joined(progress=[react("silence")], cancel=[react("crash")])
    peer.join("task:2")
    # Without a join_ref only the topic tells whose end it is.
    waiting = peer.send(Message(None, "77", "task:2", "progress", SAID))
    assert peer.request(TOPIC, "cancel", {"reason": ""}).kind == "crash"
    assert peer.answer(waiting).kind == "silence"


def test_an_event_is_waited_for_and_matched(joined: Joined, react: Any) -> None:
    """Only what came after the mark and matches counts."""
    told = (("progress", {"percent": 1, "message": "one"}), ("progress", {"percent": 2, "message": "two"}))
    peer = joined(cancel=[react(events=told), react()])
    peer.push(TOPIC, "cancel", {"reason": ""})
    found = peer.wait_event(TOPIC, "progress", matches=lambda got: got["percent"] == 2)
    assert found is not None
    assert found.payload["message"] == "two"
    assert peer.wait_event(TOPIC, "progress", since=peer.mark()) is None
    assert len(peer.seen(TOPIC, "progress")) == 2


def test_a_barrier_brings_all_that_was_on_its_way(joined: Joined, react: Any) -> None:
    """After a barrier every earlier event is in the inbox, without any wait for it."""
    peer = joined(cancel=[react("silence", events=(("progress", SAID),) * 3)])
    peer.push(TOPIC, "cancel", {"reason": ""})
    peer.barrier(TOPIC)
    assert len(peer.seen(TOPIC, "progress")) == 3


def test_a_barrier_on_a_dead_connection_cannot_tell(joined: Joined, react: Any) -> None:
    """Where nothing answers, the absence of a message shows nothing."""
    peer = joined(cancel=[react("close")])
    peer.push(TOPIC, "cancel", {"reason": ""})
    with pytest.raises(CannotTell):
        peer.barrier(TOPIC)


def test_the_end_of_a_case_is_nobodys_silence(joined: Joined, react: Any) -> None:
    """What has not come when the time of the case is up accuses nobody."""
    peer = joined({"case_s": 1.0, "reply_s": 60.0}, cancel=[react("silence")])
    with pytest.raises(OutOfTime):
        peer.request(TOPIC, "cancel", {"reason": ""})
    with pytest.raises(OutOfTime):
        peer.wait_pong(b"never asked for")


def test_a_malformed_frame_is_a_violation_wherever_it_comes(joined: Joined, react: Any) -> None:
    """The monitor sees every frame, also one that nobody waits for."""
    peer = joined(cancel=[react(frames=("not JSON",))])
    with pytest.raises(Violation) as caught:
        peer.request(TOPIC, "cancel", {"reason": ""})
    assert caught.value.breach.requirement == "frames/v2-five-elements"


def test_an_effect_that_stays_out_is_waited_for_less_and_less(joined: Joined, react: Any) -> None:
    """Once it has stayed out several times the wait is cut; once it comes the full wait is back."""
    peer = joined(cancel=[react("silence", events=(("progress", SAID),))])
    doubts = peer._doubts
    for _ in range(4):
        assert doubts.patience_s("task", "progress", 9.0) == 9.0
        assert peer.wait_event(TOPIC, "progress") is None
    assert doubts.patience_s("task", "progress", 9.0) < 9.0
    peer.push(TOPIC, "cancel", {"reason": ""})
    peer.barrier(TOPIC)
    assert peer.wait_event(TOPIC, "progress") is not None
    assert doubts.patience_s("task", "progress", 9.0) == 9.0


def test_an_event_that_does_not_match_has_not_stayed_out(joined: Joined, react: Any) -> None:
    """It shows that the endpoint sends such events: one that matches may come late."""
    peer = joined(cancel=[react("silence", events=(("progress", SAID),))])
    peer.push(TOPIC, "cancel", {"reason": ""})
    peer.barrier(TOPIC)
    for _ in range(5):
        assert peer.wait_event(TOPIC, "progress", matches=lambda _payload: False) is None
    assert peer._doubts.patience_s("task", "progress", 9.0) == 9.0


def test_a_shortened_wait_is_known_as_such(joined: Joined, react: Any) -> None:
    """The attempt is hasty whatever else has come, and the wait that was made is told."""
    peer = joined(cancel=[react("silence", events=(("progress", SAID),))])
    for _ in range(4):
        peer.wait_event(TOPIC, "progress")
    assert (peer.waited_s, peer._doubts.hasty) == (peer.reply_s, set())
    peer.wait_event(TOPIC, "progress")
    assert peer.waited_s < peer.reply_s
    assert peer._doubts.hasty == {("task", "progress")}
    peer._doubts.begin(is_patient=False)
    peer.push(TOPIC, "cancel", {"reason": ""})
    peer.barrier(TOPIC)
    peer.wait_event(TOPIC, "progress", matches=lambda _payload: False)
    assert peer._doubts.hasty == {("task", "progress")}
    peer._doubts.begin(is_patient=True)
    peer.wait_event(TOPIC, "progress", since=peer.mark())
    assert (peer.waited_s, peer._doubts.hasty) == (peer.reply_s, set())
