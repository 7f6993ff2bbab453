"""Each rule about messages, with a history that breaks it and the nearest ones that do not."""

from __future__ import annotations

from typing import Any

import pytest

from specs.history.facts import Invoked
from tests.specs.history.story import Story

INBOX = "messages:amy"


@pytest.fixture
def story() -> Story:
    """An operator, and amy with a connection that has joined."""
    story = Story()
    story.record.opened("op", "operator")
    return story.enter(INBOX, {}, m="amy")


def sending(story: Story, n: int) -> Invoked:
    """Begin to send a message."""
    return story.push("op", INBOX, "send_message", to="amy", type="t", payload={"n": n}, from_agent_id="x")


def send(story: Story, n: int, *to: str) -> None:
    """Send a message and let it arrive."""
    story.ok(sending(story, n), message_id=f"m{n}")
    arrive(story, n, *to)


def arrive(story: Story, n: int, *to: str, **other: Any) -> None:
    """Let a message arrive."""
    told = {"id": f"m{n}", "type": "t", "payload": {"n": n}, "from_agent_id": "x", **other}
    for connection in to:
        story.told(connection, INBOX, "new_message", **told)


def settle(story: Story, n: int, event: str = "acknowledge", by: str = "m") -> Invoked:
    """Acknowledge or reject."""
    return story.done(by, INBOX, event, message_id=f"m{n}", reason="r")


def test_messages_that_are_delivered_until_they_are_settled_have_no_finding(story: Story) -> None:
    """Delivered, delivered again on joins, acknowledged, and then no more."""
    send(story, 1, "m")
    send(story, 2, "m")
    settle(story, 1)
    story.join("m", INBOX)
    arrive(story, 2, "m")
    settle(story, 2, "reject")
    story.refused("m", INBOX, "acknowledge", message_id="m2")
    story.join("m", INBOX)
    assert story.settled(INBOX) == []


def test_a_message_that_does_not_arrive_is_found(story: Story) -> None:
    """messages/delivered."""
    send(story, 1)
    assert story.found == []
    assert story.settled(INBOX) == ["messages/delivered"]


def test_a_message_that_does_not_arrive_again_is_found(story: Story) -> None:
    """messages/pending-redelivered; one that may have been acknowledged need not arrive."""
    send(story, 1, "m")
    send(story, 2, "m")
    story.lost(story.push("m", INBOX, "acknowledge", message_id="m2"))
    story.join("m", INBOX)
    assert story.settled(INBOX) == ["messages/pending-redelivered"]


def test_a_message_that_came_while_away_is_owed(story: Story) -> None:
    """messages/offline-delivered-on-join; not one that was sent beside the join."""
    story.record.ended("m")
    send(story, 1)
    late = sending(story, 2)
    story.enter(INBOX, {}, n="amy")
    story.ok(late, message_id="m2")
    assert story.settled(INBOX) == ["messages/offline-delivered-on-join"]


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        ("acknowledge", "messages/acknowledged-not-redelivered"),
        ("reject", "messages/rejected-not-redelivered"),
    ],
)
def test_a_settled_message_does_not_arrive_again(story: Story, event: str, rule: str) -> None:
    """It does not on a later join, nor ever once all is quiet."""
    send(story, 1, "m")
    settle(story, 1, event)
    story.join("m", INBOX)
    arrive(story, 1, "m")
    assert story.found == [rule]
    other = Story()
    other.record.opened("op", "operator")
    other.enter(INBOX, {}, m="amy", n="amy")
    send(other, 1, "m")
    settle(other, 1, event)
    # On its way to the other connection it may still be.
    arrive(other, 1, "n")
    assert other.settled(INBOX) == []
    arrive(other, 1, "n")
    assert other.found == [rule]


def test_a_message_is_settled_once(story: Story) -> None:
    """messages/unknown-id-refused, also at once on two connections."""
    story.enter(INBOX, {}, n="amy")
    send(story, 1, "m", "n")
    calls = [story.push(by, INBOX, "acknowledge", message_id="m1") for by in ("m", "n")]
    for call in calls:
        story.ok(call)
    assert story.found == ["messages/unknown-id-refused"]


def test_a_message_that_is_altered_is_found(story: Story) -> None:
    """messages/content-unchanged, and messages/redelivery-same-message where nobody saw it sent."""
    story.ok(sending(story, 1), message_id="m1")
    arrive(story, 1, "m", payload={"n": 2})
    assert story.found == ["messages/content-unchanged"]
    other = Story().enter(INBOX, {}, m="amy", n="amy")
    arrive(other, 1, "m")
    arrive(other, 1, "n", type="u")
    assert other.found == ["messages/redelivery-same-message"]


def test_a_message_of_somebody_else_is_found(story: Story) -> None:
    """messages/delivered-to-addressee-only."""
    story.enter(INBOX, {}, z="zoe")
    send(story, 1, "m", "z")
    assert story.found == ["messages/delivered-to-addressee-only"]


def test_two_messages_of_one_id_are_found(story: Story) -> None:
    """messages/ids-unique."""
    send(story, 1, "m")
    story.ok(sending(story, 2), message_id="m1")
    assert "messages/ids-unique" in story.found


def test_messages_out_of_order_are_found(story: Story) -> None:
    """messages/order-kept; those that were sent at once come in any order."""
    send(story, 1)
    send(story, 2)
    arrive(story, 2, "m")
    arrive(story, 1, "m")
    assert story.found == ["messages/order-kept"]
    other = Story()
    other.record.opened("op", "operator")
    other.enter(INBOX, {}, m="amy")
    for n, call in enumerate([sending(other, n) for n in (0, 1)]):
        other.ok(call, message_id=f"m{n}")
    arrive(other, 1, "m")
    arrive(other, 0, "m")
    assert other.settled(INBOX) == []


def test_pending_messages_come_oldest_first(story: Story) -> None:
    """messages/redelivery-oldest-first; one that arrives beside the join comes anywhere."""
    send(story, 1, "m")
    send(story, 2, "m")
    call = sending(story, 3)
    join = story.record.invoked("m", INBOX, "phx_join", {})
    story.ok(call, message_id="m3")
    arrive(story, 3, "m")
    story.ok(join)
    arrive(story, 2, "m")
    arrive(story, 1, "m")
    assert story.found == ["messages/redelivery-oldest-first"]


def test_what_arrives_before_a_join_is_answered_is_of_the_join_before(story: Story) -> None:
    """Neither its order nor that it was settled meanwhile is held against the new join, which still has to deliver it."""
    send(story, 1, "m")
    send(story, 2)
    join = story.record.invoked("m", INBOX, "phx_join", {})
    arrive(story, 2, "m")
    story.ok(join)
    arrive(story, 1, "m")
    assert story.found == []
    assert story.settled(INBOX) == ["messages/pending-redelivered"]
    other = Story()
    other.record.opened("op", "operator")
    other.enter(INBOX, {}, m="amy", n="amy")
    send(other, 1, "m", "n")
    other.join("n", INBOX)
    settle(other, 1)
    join = other.record.invoked("n", INBOX, "phx_join", {})
    arrive(other, 1, "n")
    other.ok(join)
    assert other.settled(INBOX) == []
