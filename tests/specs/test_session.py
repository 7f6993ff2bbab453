"""Tests of the client session."""

from __future__ import annotations

import pytest

from specs.message import Message, reply
from specs.serializer import SERIALIZERS
from specs.session import ChannelState, Kind, Session

TOPIC = "room:a"


@pytest.fixture
def session():
    return Session(SERIALIZERS["2.0.0"])


def answered(request, status="ok", response=None):
    return reply(request.join_ref, request.ref, request.topic, status, response or {})


def joined(session, topic=TOPIC):
    join = session.join(topic, {"u": 1})
    session.receive(answered(join))
    return join


def test_refs_are_decimal_strings_and_never_repeat(session):
    """One counter over all messages, reconnects included (C-3)."""
    messages = [session.join(TOPIC), session.push(TOPIC, "e", {}), session.heartbeat(), session.leave(TOPIC)]
    session.disconnected()
    messages.append(session.rejoin(TOPIC))
    assert [int(message.ref) for message in messages] == sorted({int(message.ref) for message in messages})


def test_a_join_carries_its_own_ref_and_later_messages_carry_it(session):
    """The join_ref of a channel is that of its join (C-4)."""
    join = joined(session)
    assert join == Message(join.ref, join.ref, TOPIC, "phx_join", {"u": 1})
    assert session.push(TOPIC, "e", {}).join_ref == join.ref
    assert session.leave(TOPIC).join_ref == join.ref
    assert session.heartbeat().join_ref is None


def test_a_push_on_a_topic_never_joined_has_no_join_ref(session):
    """It can be made all the same, and its reply with a null join_ref is its own (M-10)."""
    push = session.push(TOPIC, "e", {})
    received = session.receive(reply(None, push.ref, TOPIC, "error", {"reason": "unmatched topic"}))
    assert (received.kind, received.request, received.status) == (Kind.REPLY, push, "error")
    assert received.response == {"reason": "unmatched topic"}
    assert push.join_ref is None


@pytest.mark.parametrize(("status", "state"), [("ok", ChannelState.JOINED), ("error", ChannelState.ERRORED)])
def test_a_channel_is_joined_by_an_ok_reply_alone(session, status, state):
    """Until then it is joining; any other status makes it errored (C-11)."""
    join = session.join(TOPIC)
    assert session.state(TOPIC) is ChannelState.JOINING
    session.receive(answered(join, status))
    assert session.state(TOPIC) is state


def test_the_first_reply_to_a_ref_counts(session):
    """A second one, and one to a ref never sent, are unknown (C-14)."""
    join = session.join(TOPIC)
    assert session.receive(answered(join)).kind is Kind.REPLY
    assert session.receive(answered(join)).kind is Kind.UNKNOWN_REPLY
    for ref in ("99", 1, None, ["1"], {"a": 1}):
        assert session.receive(reply(None, ref, TOPIC, "ok", {})).kind is Kind.UNKNOWN_REPLY


def test_a_reply_on_another_topic_is_unknown(session):
    """The ref of one topic does not answer on another, and stays pending."""
    push = session.push(TOPIC, "e", {})
    assert session.receive(reply(None, push.ref, "room:b", "ok", {})).kind is Kind.UNKNOWN_REPLY
    assert session.pending == (push,)


def test_a_numeric_ref_is_no_reply(session):
    """Refs are compared by strict type (F-6)."""
    join = session.join(TOPIC)
    assert session.receive(reply(join.ref, int(join.ref), TOPIC, "ok", {})).kind is Kind.UNKNOWN_REPLY


def test_pushes_and_broadcasts_are_told_by_their_join_ref(session):
    """The channel's own join_ref makes a push, none a broadcast (F-5)."""
    join = joined(session)
    assert session.receive(Message(join.ref, None, TOPIC, "e", {})).kind is Kind.PUSH
    assert session.receive(Message(None, None, TOPIC, "e", {})).kind is Kind.BROADCAST


def test_frames_of_a_former_join_are_stale(session):
    """Pushes, replies and the late phx_close of the replaced channel touch the new one in nothing (C-13, I-2)."""
    first = session.join(TOPIC)
    second = joined(session)
    assert session.receive(Message(first.ref, None, TOPIC, "e", {})).kind is Kind.STALE
    assert session.receive(Message(first.ref, first.ref, TOPIC, "phx_close", {})).kind is Kind.STALE
    assert session.receive(Message(int(second.ref), None, TOPIC, "e", {})).kind is Kind.STALE
    late = session.receive(answered(first, "error"))
    assert (late.kind, late.request) == (Kind.STALE, first)
    assert session.state(TOPIC) is ChannelState.JOINED


def test_frames_with_a_join_ref_on_an_unknown_topic_are_stale(session):
    """There is no channel that they could belong to, whatever type the topic has."""
    for topic in ("room:x", None, ["room"]):
        assert session.receive(Message("1", None, topic, "e", {})).kind is Kind.STALE
        assert session.receive(Message("1", "1", topic, "phx_error", {})).kind is Kind.STALE


@pytest.mark.parametrize(
    ("event", "kind", "state"),
    [("phx_close", Kind.CLOSED, ChannelState.CLOSED), ("phx_error", Kind.ERRORED, ChannelState.ERRORED)],
)
def test_the_end_of_a_channel_abandons_its_requests(session, event, kind, state):
    """phx_close closes and phx_error asks for a rejoin; pending pushes of that channel get no reply (C-12, L-7)."""
    join = joined(session)
    push, other = session.push(TOPIC, "e", {}), session.push("room:b", "e", {})
    received = session.receive(Message(join.ref, join.ref, TOPIC, event, {}))
    assert (received.kind, received.abandoned) == (kind, (push,))
    assert session.state(TOPIC) is state
    assert session.pending == (other,)
    assert session.topics_to_rejoin() == ([TOPIC] if event == "phx_error" else [])


def test_a_left_channel_is_closed_by_the_reply_and_again_by_phx_close(session):
    """Leaving, then closed; the phx_close after the reply is not stale (L-1)."""
    join = joined(session)
    leave = session.leave(TOPIC)
    assert session.state(TOPIC) is ChannelState.LEAVING
    assert session.receive(answered(leave)).kind is Kind.REPLY
    assert session.state(TOPIC) is ChannelState.CLOSED
    assert session.receive(Message(join.ref, join.ref, TOPIC, "phx_close", {})).kind is Kind.CLOSED
    assert session.push(TOPIC, "e", {}).join_ref is None


def test_the_reply_of_an_old_leave_does_not_close_the_new_channel(session):
    """Leave and join back to back: the leave's reply belongs to the old join (I-4)."""
    joined(session)
    leave = session.leave(TOPIC)
    joined(session)
    assert session.receive(answered(leave)).kind is Kind.STALE
    assert session.state(TOPIC) is ChannelState.JOINED


def test_1_0_0_tells_stale_ends_by_their_ref():
    """There the join_ref of phx_close is visible as its ref alone (F-5, I-2)."""
    session = Session(SERIALIZERS["1.0.0"])
    first = session.join(TOPIC)
    second = session.join(TOPIC)
    session.receive(reply(None, second.ref, TOPIC, "ok", {}))
    assert session.state(TOPIC) is ChannelState.JOINED
    assert session.receive(Message(None, first.ref, TOPIC, "phx_close", {})).kind is Kind.STALE
    assert session.receive(Message(None, None, TOPIC, "e", {})).kind is Kind.PUSH
    assert session.receive(Message(None, second.ref, TOPIC, "phx_close", {})).kind is Kind.CLOSED


def test_heartbeats_are_due_by_the_interval_and_end_in_a_reply():
    """Time comes in from outside; the reply with its ref is the proof of life (C-5, I-8)."""
    session = Session(SERIALIZERS["2.0.0"], heartbeat_interval_s=30)
    session.connected(100)
    assert not session.heartbeat_due(129)
    assert session.heartbeat_due(130)
    beat = session.heartbeat(130)
    assert (beat.join_ref, beat.topic, beat.event, beat.payload) == (None, "phoenix", "heartbeat", {})
    assert not session.heartbeat_due(131)
    assert session.is_unanswered(160)
    assert session.receive(reply(None, "999", "phoenix", "ok", {})).kind is Kind.UNKNOWN_REPLY
    assert session.is_unanswered(160)
    assert session.receive(reply(None, beat.ref, "phoenix", "ok", {})).kind is Kind.HEARTBEAT_REPLY
    assert not session.is_unanswered(160)


def test_a_pending_heartbeat_does_not_outlive_its_connection(session):
    """A fresh connection starts without it (C-22, I-8)."""
    session.connected(0)
    session.heartbeat(30)
    session.disconnected()
    session.connected(100)
    assert not session.is_unanswered(1000)


def test_every_channel_is_joined_again_after_a_lost_connection_with_its_parameters(session):
    """In the order of the joins, each with a new join_ref; those left are not (C-7, I-5, I-6)."""
    first = joined(session, "room:a")
    joined(session, "room:b")
    joined(session, "room:c")
    session.leave("room:b")
    assert [request.topic for request in session.disconnected()] == ["room:b"]
    assert session.pending == ()
    assert session.topics_to_rejoin() == ["room:a", "room:c"]
    again = session.rejoin("room:a")
    assert again.payload == {"u": 1}
    assert again.join_ref == again.ref != first.ref
    assert session.topics_to_rejoin() == ["room:c"]


def test_a_topic_never_joined_cannot_be_joined_again(session):
    """There are no parameters to repeat."""
    with pytest.raises(KeyError):
        session.rejoin(TOPIC)
