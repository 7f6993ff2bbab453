"""A channel that stops in order behind a refusal, and what is pushed before its client knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from conformance.client.peer import Peer
from conformance.fixtures.lab import Lab
from specs.message import Message

TOPIC = "task:1"
SAID = {"percent": 1, "message": "said"}
UNMATCHED = {"status": "error", "response": {"reason": "unmatched topic"}}

Joined = Callable[..., Peer]


def frame(join_ref: str | None, ref: str, event: str, payload: Any) -> str:
    return json.dumps([join_ref, ref, TOPIC, event, payload])


def closing(join_ref: str) -> str:
    return frame(join_ref, join_ref, "phx_close", {})


@pytest.fixture
def joined(scripted: Any, lab_at: Any) -> Joined:
    """Connect an agent to an endpoint that reacts to a progress as told in turn, and join the topic with ref 1."""

    def build(*reactions: Any) -> Peer:
        lab: Lab = lab_at(scripted(progress=list(reactions)))
        peer = lab.connect(lab.agent("client"))
        assert peer.join(TOPIC).kind == "ok"
        return peer

    return build


def pushed(peer: Peer) -> list[tuple[Any, Any]]:
    """Return join_ref and ref of what has been pushed."""
    return [(s.message.join_ref, s.message.ref) for s in peer.monitor.sent if s.message.event == "progress"]


@pytest.mark.parametrize(
    "frames",
    [(closing("1"),), (closing("1"), frame(None, "3", "phx_reply", UNMATCHED))],
    ids=["in silence", "unmatched"],
)
def test_a_push_that_a_stopped_channel_has_lost_is_made_again(
    joined: Joined, react: Any, frames: tuple[str, ...]
) -> None:
    """The answer is that of the new channel, also when it is asked for again."""
    peer = joined(react("error"), react("silence", frames=frames), react())
    assert peer.request(TOPIC, "progress", SAID).kind == "error"
    second = peer.push(TOPIC, "progress", SAID)
    assert [peer.answer(second).kind, peer.answer(second, 0).kind] == ["ok", "ok"]
    assert pushed(peer) == [("1", "2"), ("1", "3"), ("4", "5")]
    assert TOPIC in peer.topics


def test_a_topic_that_is_known_to_have_stopped_is_joined_before_a_push(joined: Joined, react: Any) -> None:
    """Nothing is pushed in vain once phx_close has been read."""
    refusal = frame("1", "2", "phx_reply", {"status": "error", "response": {}})
    peer = joined(react("silence", frames=(refusal, closing("1"))), react())
    assert peer.request(TOPIC, "progress", SAID).kind == "error"
    peer.sync()
    assert peer.request(TOPIC, "progress", SAID).kind == "ok"
    assert pushed(peer) == [("1", "2"), ("4", "5")]


def test_a_close_behind_an_accepted_push_is_the_answer_to_the_next(joined: Joined, react: Any) -> None:
    """Only a refusal is a reason to stop that has nothing to do with what is pushed next."""
    peer = joined(react(), react("silence", frames=(closing("1"),)), react())
    assert peer.request(TOPIC, "progress", SAID).kind == "ok"
    assert peer.request(TOPIC, "progress", SAID).kind == "closed-channel"
    assert len(pushed(peer)) == 2


def test_a_push_on_its_way_when_the_refusal_came_is_not_made_again(joined: Joined, react: Any) -> None:
    """The close may be its own refusal."""
    peer = joined(react("error"), react("silence", frames=(closing("1"),)), react())
    first, second = (peer.push(TOPIC, "progress", SAID) for _ in range(2))
    assert [peer.answer(first).kind, peer.answer(second).kind] == ["error", "closed-channel"]
    assert len(pushed(peer)) == 2


def test_a_push_that_ends_the_new_channel_as_well_is_refused(joined: Joined, react: Any) -> None:
    """It is made again once, and then it is judged."""
    ends = [react("silence", frames=(closing(ref),)) for ref in ("1", "4")]
    peer = joined(react("error"), *ends, react())
    assert peer.request(TOPIC, "progress", SAID).kind == "error"
    assert peer.request(TOPIC, "progress", SAID).kind == "closed-channel"
    assert pushed(peer) == [("1", "2"), ("1", "3"), ("4", "5")]


def test_a_crash_behind_a_refusal_is_no_stop(joined: Joined, react: Any) -> None:
    """phx_error says that something has gone wrong: with the push, as nothing else has been sent."""
    peer = joined(react("error"), react("crash"), react())
    assert peer.request(TOPIC, "progress", SAID).kind == "error"
    assert peer.request(TOPIC, "progress", SAID).kind == "crash"
    assert len(pushed(peer)) == 2


def test_a_refusal_of_what_has_an_odd_ref_is_no_refusal_of_a_push(joined: Joined, react: Any) -> None:
    """A ref may be any JSON value, and an answer with it stands among the others."""
    peer = joined(react("error"), react("silence", frames=(closing("1"),)), react())
    assert peer.answer(peer.send(Message("1", ["2"], TOPIC, "progress", SAID))).kind == "error"
    assert peer.answer(peer.send(Message("1", {"3": 3}, TOPIC, "progress", SAID))).kind == "closed-channel"
    assert len(pushed(peer)) == 2
