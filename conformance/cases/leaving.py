"""Leaving a topic, and the end of a connection by either side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websockets.frames import Close, Opcode
from websockets.frames import Frame as WireFrame

from conformance.client.equality import same
from conformance.client.monitor import UNMATCHED
from conformance.faults import CannotTell
from conformance.verbs.conversation import Conversation, conversation
from conformance.verbs.observations import (
    closes,
    demand_joined,
    demand_unmatched,
    naming,
    phoenix_case,
    place,
    prerequisite,
    prompt_answer,
    replies,
    send_join,
)
from specs import message as phx
from specs.message import Message

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab

CLIENT_CODES = (1000, 1001, 4000)
DISCONNECT_CODES = {1000, 1001, 1011}


def _shown(frames: list[Message]) -> str:
    return "; ".join(map(str, frames)) or "none"


def _demand_left(talk: Conversation, requirement: str) -> Message:
    """Leave and demand the reply and then one phx_close, both with the join's join_ref."""
    peer, own = talk.peer, talk.peer.session.join_ref(talk.topic)
    with naming(requirement, "frames/reply-echoes-join-ref", "leaving/end-carries-join-ref"):
        leave = peer.leave(talk.topic)
        answer = peer.answer(leave)
        peer.wait_event(talk.topic, phx.PHX_CLOSE)
        peer.sync()
    ends = closes(peer, talk.topic)
    talk.lab.demand(answer.kind == "ok", requirement, "phx_leave is answered by status ok", answer)
    talk.lab.demand(
        [(end.event, end.join_ref, end.ref) for end in ends] == [(phx.PHX_CLOSE, peer.shown(own), own)],
        requirement,
        f"one phx_close with join_ref and ref {own!r}",
        _shown(ends),
    )
    talk.lab.demand(
        place(peer, ends[0]) > place(peer, replies(peer, leave)[0]),
        requirement,
        "phx_close behind the reply to phx_leave",
        "it came before",
    )
    return leave


def _leave_first(talk: Conversation) -> str:
    """Leave as a step before the case; return the join_ref of the join that is over."""
    own = talk.peer.session.join_ref(talk.topic)
    talk.peer.answer(talk.peer.leave(talk.topic))
    if talk.peer.wait_event(talk.topic, phx.PHX_CLOSE) is None:
        raise CannotTell("no phx_close follows a phx_leave")
    return str(own)


@phoenix_case("leaving/reply-then-close")
def reply_then_close(lab: Lab) -> None:
    """A phx_leave gets its reply and then one phx_close."""
    _demand_left(conversation(lab), "leaving/reply-then-close")


@phoenix_case("leaving/close-payload-object")
def close_payload_object(lab: Lab) -> None:
    """The payload of phx_close is an object, after a leave and after a second join, under both serializers."""
    for vsn in ("2.0.0", "1.0.0"):
        talk = conversation(lab, vsn=vsn)
        talk.peer.join(talk.topic)
        talk.peer.wait_event(talk.topic, phx.PHX_CLOSE)
        since = talk.peer.mark()
        talk.peer.answer(talk.peer.leave(talk.topic))
        if talk.peer.wait_event(talk.topic, phx.PHX_CLOSE, since=since) is None:
            raise CannotTell("no phx_close follows a phx_leave")
        for end in closes(talk.peer, talk.topic):
            lab.demand(isinstance(end.payload, dict), "leaving/close-payload-object", "an object", end)


@phoenix_case("leaving/end-carries-join-ref")
def end_carries_join_ref(lab: Lab) -> None:
    """The phx_close of a leave and of a second join carries the join_ref that ends as ref, under both serializers."""
    rule = "leaving/end-carries-join-ref"
    for vsn in ("2.0.0", "1.0.0"):
        talk = conversation(lab, vsn=vsn)
        ended = [talk.peer.session.join_ref(talk.topic)]
        join = send_join(talk.peer, talk.topic)
        with prerequisite():
            demand_joined(lab, talk.peer, join, rule, "a second join")
        talk.peer.wait_event(talk.topic, phx.PHX_CLOSE)
        ended.append(join.join_ref)
        since = talk.peer.mark()
        talk.peer.answer(talk.peer.leave(talk.topic))
        talk.peer.wait_event(talk.topic, phx.PHX_CLOSE, since=since)
        ends = closes(talk.peer, talk.topic)
        refs = [end.ref for end in ends]
        lab.demand(refs == ended, rule, f"phx_close with ref {ended[0]!r}, then {ended[1]!r}", f"refs {refs}")
        if talk.peer.serializer.carries_join_ref:
            join_refs = [end.join_ref for end in ends]
            lab.demand(join_refs == ended, rule, f"the same as join_ref: {ended}", f"{join_refs}")


@phoenix_case("leaving/unjoined-leave-ok")
def unjoined_leave_ok(lab: Lab) -> None:
    """A phx_leave of a topic that was never joined gets status ok, and no phx_close."""
    talk = conversation(lab)
    peer, rule = talk.peer, "leaving/unjoined-leave-ok"
    for topic in (lab.unique("nosuch"), talk.family.topic_of(lab.unique("other"))):
        if topic != talk.topic:
            with naming(rule, "frames/reply-echoes-join-ref", "leaving/end-carries-join-ref"):
                leave = peer.send(Message("77", lab.unique("leave"), topic, phx.PHX_LEAVE, {}))
                _demand_ok_without_close(talk, leave, rule)


def _demand_ok_without_close(talk: Conversation, leave: Message, requirement: str) -> None:
    since = talk.peer.mark()
    answer = prompt_answer(talk.peer, leave)
    expected = f"status ok with an empty response and join_ref {leave.join_ref!r}"
    is_ok = answer.kind == "ok" and same(answer.response, {})
    talk.lab.demand(is_ok, requirement, expected, answer)
    own = answer.message.join_ref if answer.message else None
    is_echoed = same(own, talk.peer.shown(leave.join_ref))
    talk.lab.demand(is_echoed, requirement, expected, f"join_ref {own!r}")
    talk.peer.sync()
    ends = [m for m in talk.peer.inbox[since:] if m.event in {phx.PHX_CLOSE, phx.PHX_ERROR}]
    talk.lab.demand(not ends, requirement, "no phx_close for a topic that is not joined", _shown(ends))


@phoenix_case("leaving/second-leave-ok")
def second_leave_ok(lab: Lab) -> None:
    """A phx_leave after the phx_close of its topic gets status ok, and no second phx_close."""
    talk = conversation(lab)
    own = _leave_first(talk)
    with naming("leaving/second-leave-ok", "frames/reply-echoes-join-ref"):
        leave = talk.peer.send(Message(own, lab.unique("leave"), talk.topic, phx.PHX_LEAVE, {}))
        _demand_ok_without_close(talk, leave, "leaving/second-leave-ok")


@phoenix_case("leaving/push-after-leave-unmatched")
def push_after_leave_unmatched(lab: Lab) -> None:
    """A push after phx_close gets "unmatched topic", with the old join_ref and without any."""
    talk = conversation(lab)
    own = _leave_first(talk)
    for join_ref in (own, None):
        said = talk.say(join_ref=join_ref)
        demand_unmatched(lab, talk.peer, said.message, "leaving/push-after-leave-unmatched")


@phoenix_case("leaving/pipelined-push-after-leave")
def pipelined_push_after_leave(lab: Lab) -> None:
    """A push right behind a phx_leave is lost or gets "unmatched topic"."""
    talk = conversation(lab)
    peer, rule = talk.peer, "leaving/pipelined-push-after-leave"
    own = peer.session.join_ref(talk.topic)
    leave, said = peer.leave(talk.topic), talk.say(join_ref=own)
    peer.answer(leave)
    if peer.wait_event(talk.topic, phx.PHX_CLOSE) is None:
        raise CannotTell("no phx_close follows a phx_leave")
    # The connection answers a push on a topic not joined before a later heartbeat (O-2).
    peer.sync()
    for reply in replies(peer, said.message):
        is_unmatched = same(reply.payload, {"status": "error", "response": UNMATCHED})
        lab.demand(is_unmatched, rule, 'silence or "unmatched topic"', reply)
    for listener in talk.listeners.values():
        listener.sync()
    lab.demand(
        not (talk.is_labelled and talk.has_trace(said)),
        rule,
        "a push behind phx_leave has no effect",
        "it was relayed",
    )


@phoenix_case("leaving/push-before-leave-answered")
def push_before_leave_answered(lab: Lab) -> None:
    """A push before a phx_leave is taken, and answered before phx_close."""
    talk = conversation(lab)
    peer, rule = talk.peer, "leaving/push-before-leave-answered"
    said = talk.say()
    peer.leave(talk.topic)
    closed = peer.wait_event(talk.topic, phx.PHX_CLOSE)
    if closed is None:
        raise CannotTell("no phx_close follows a phx_leave")
    peer.sync()
    is_heard = not replies(peer, said.message) and talk.is_heard(said)
    # A reply behind phx_close would have come with the relay.
    peer.sync()
    answered = replies(peer, said.message)
    is_taken = is_heard or any(talk.is_usual(reply) for reply in answered)
    lab.demand(is_taken, rule, "a push before phx_leave is taken", "neither an ok reply nor a relay")
    for reply in answered:
        is_before = place(peer, reply) < place(peer, closed)
        lab.demand(is_before, rule, "the reply to the push before phx_close", "it came behind")


@phoenix_case("leaving/rejoin-after-leave")
def rejoin_after_leave(lab: Lab) -> None:
    """A topic that was left can be joined again, and phx_close does not come again."""
    talk = conversation(lab)
    rule = "leaving/rejoin-after-leave"
    _leave_first(talk)
    demand_joined(lab, talk.peer, send_join(talk.peer, talk.topic), rule, "a join after a leave")
    talk.demand_taken(rule, "after the second join")
    talk.peer.sync()
    ends = closes(talk.peer, talk.topic)
    lab.demand(len(ends) == 1, rule, "one phx_close, that of the first join", _shown(ends))


@phoenix_case("leaving/pipelined-leave-and-rejoin")
def pipelined_leave_and_rejoin(lab: Lab) -> None:
    """A phx_leave and a join in one go leave the topic joined, with one phx_close for the old join."""
    talk = conversation(lab)
    peer, rule = talk.reconnect(), "leaving/pipelined-leave-and-rejoin"
    first = send_join(peer, talk.topic)
    with prerequisite():
        demand_joined(lab, peer, first, "joining/ok-reply", "a join")
    peer.leave(talk.topic)
    second = send_join(peer, talk.topic)
    demand_joined(lab, peer, second, rule, "a join right behind a phx_leave")
    talk.demand_taken(rule, "after the second join")
    peer.wait_event(talk.topic, phx.PHX_CLOSE)
    talk.demand_taken(rule, "after the phx_close of the first join")
    ends, count = closes(peer, talk.topic), len(replies(peer, second))
    lab.demand(count == 1, rule, "one reply to the second join", f"{count} replies")
    lab.demand(
        [(end.event, end.ref) for end in ends] == [(phx.PHX_CLOSE, first.join_ref)],
        rule,
        f"one phx_close with the old join_ref {first.join_ref!r}",
        _shown(ends),
    )


@phoenix_case("leaving/other-channels-unaffected")
def other_channels_unaffected(lab: Lab) -> None:
    """Leaving a topic ends neither another topic of the connection nor that topic on other connections."""
    talk = conversation(lab)
    other, rule = talk.sibling(), "leaving/other-channels-unaffected"
    second = talk.connect(talk.by, f"{talk.by} second")
    with prerequisite():
        demand_joined(lab, second, send_join(second, talk.topic), "joining/ok-reply", "a join")
    _leave_first(talk)
    other.demand_taken(rule, "another topic of the connection goes on")
    said = talk.demand_taken(rule, "the topic on another connection goes on", second)
    if talk.event.relay and talk.listeners:
        lab.demand(talk.is_heard(said), rule, "those who stay on the topic go on hearing it", "nothing came")
    for peer, topic in ((talk.peer, other.topic), (second, talk.topic)):
        lab.demand(not closes(peer, topic), rule, "no phx_close elsewhere", _shown(closes(peer, topic)))


@phoenix_case("leaving/client-close-answered")
def client_close_answered(lab: Lab) -> None:
    """A client's close frame is answered by one with its code or 1000, and others notice nothing."""
    talk = conversation(lab)
    rule = "leaving/client-close-answered"
    for code in CLIENT_CODES:
        peer = talk.connect(talk.by, f"closing with {code}")
        with prerequisite():
            demand_joined(lab, peer, send_join(peer, talk.topic), "joining/ok-reply", "a join")
        frame = WireFrame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=True)
        peer.wire.send_bytes(frame, f"close frame with code {code}")
        closed = peer.wait_closed()
        answered = closed.code if closed else None
        lab.demand(
            answered in {code, 1000},
            rule,
            f"a close frame with {code} or 1000",
            closed or "the connection is open",
        )
    _demand_others_unharmed(talk, rule)


def _demand_others_unharmed(talk: Conversation, requirement: str) -> None:
    answer = talk.connect(talk.by, "afterwards").sync()
    talk.lab.demand(answer.kind == "ok", requirement, "a fresh connection works afterwards", answer)
    talk.demand_taken(requirement, "a connection open meanwhile notices nothing")


@phoenix_case("leaving/disconnect-closes")
def disconnect_closes(lab: Lab) -> None:
    """A disconnect closes every connection of the socket id, without a frame for its channels, and no other."""
    talk = conversation(lab)
    rule = "leaving/disconnect-closes"
    second = talk.connect(talk.by, f"{talk.by} second")
    second.join(talk.topic)
    agent_id = talk.stage.agents[talk.by].agent_id
    lab.bench.provisioner.request("disconnect_agent", {"agent_id": agent_id})
    for peer in (talk.peer, second):
        closed = peer.wait_closed()
        is_met = closed is not None and closed.code in DISCONNECT_CODES
        lab.demand(is_met, rule, "a close frame with 1000, 1001 or 1011", closed or "the connection is open")
        lab.demand(not closes(peer, talk.topic), rule, "no frame before", _shown(closes(peer, talk.topic)))
    for name, listener in talk.listeners.items():
        answer = listener.sync()
        lab.demand(answer.kind == "ok", rule, f"the connection of {name} stays open", answer)
    peer = talk.connect(talk.by, "afterwards")
    demand_joined(lab, peer, send_join(peer, talk.topic), rule, "a join on a fresh connection afterwards")
    talk.demand_taken(rule, "on a fresh connection afterwards", peer)
