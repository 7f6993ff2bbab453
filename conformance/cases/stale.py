"""Messages whose join_ref is not that of the current join.

Versions of Phoenix differ in which of them they deliver. Either way is accepted: silence, or an answer under the join_ref of
the current channel. A later push on the same topic shows that nothing more is to come (O-3).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.client.equality import same
from conformance.client.monitor import UNMATCHED
from conformance.faults import CannotTell
from conformance.verbs.conversation import Conversation, Said, conversation
from conformance.verbs.observations import (
    SHOWING,
    closes,
    demand_joined,
    demand_one_close,
    phoenix_case,
    place,
    prerequisite,
    replies,
    send_join,
)
from specs import message as phx

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab
    from specs.message import Message

NEVER_USED = "never-used"


def _demand_own_join_ref(talk: Conversation, said: Said, requirement: str) -> None:
    """Demand that a push, if it was answered at all, was answered by the channel under its own join_ref."""
    own = talk.peer.session.join_ref(talk.topic)
    talk.demand_taken(requirement, "the channel goes on")
    for reply in replies(talk.peer, said.message):
        is_own = same(reply.join_ref, talk.peer.shown(own)) and not same(reply.payload["response"], UNMATCHED)
        talk.lab.demand(is_own, requirement, f"no reply, or one of the channel with join_ref {own!r}", reply)


def _send_leave(talk: Conversation, join_ref: Any) -> Message:
    # The session must go on believing that the topic is joined.
    leave = talk.peer.session.push(talk.topic, phx.PHX_LEAVE, {})
    return talk.peer.send(replace(leave, join_ref=join_ref))


def _demand_ignored(talk: Conversation, leave: Message, requirement: str) -> None:
    talk.demand_taken(requirement, "a phx_leave with a foreign join_ref is ignored")
    frames = [*replies(talk.peer, leave), *closes(talk.peer, talk.topic)]
    shown = "; ".join(map(str, frames))
    talk.lab.demand(not frames, requirement, "no frame answers a phx_leave with a foreign join_ref", shown)


@phoenix_case("stale/leave-ignored")
def leave_ignored(lab: Lab) -> None:
    """A phx_leave with a join_ref that was never used is ignored."""
    talk = conversation(lab)
    _demand_ignored(talk, _send_leave(talk, NEVER_USED), "stale/leave-ignored")


@phoenix_case("stale/leave-of-old-join-ignored", "stale/leave-ignored")
def leave_of_old_join_ignored(lab: Lab) -> None:
    """A phx_leave with the join_ref of a replaced join is ignored."""
    talk = conversation(lab)
    old = _rejoin(talk)
    leave = _send_leave(talk, old.join_ref)
    talk.demand_taken("stale/leave-ignored", "a phx_leave with the old join_ref is ignored")
    ends = [end for end in closes(talk.peer, talk.topic) if not same(end.ref, old.join_ref)]
    frames = [*replies(talk.peer, leave), *ends]
    shown = "; ".join(map(str, frames))
    lab.demand(not frames, "stale/leave-ignored", "no frame answers a stale phx_leave", shown)


def _rejoin(talk: Conversation) -> Message:
    """Join twice on a fresh connection and return the first join, whose channel has been closed."""
    peer, rule = talk.reconnect(), "joining/duplicate-join-closes-old"
    joins = [send_join(peer, talk.topic), send_join(peer, talk.topic)]
    with prerequisite():
        for join in joins:
            demand_joined(talk.lab, peer, join, rule, "a join")
        demand_one_close(talk, peer, joins[0], joins[1], rule)
    return joins[0]


@phoenix_case("stale/null-join-ref-leave")
def null_join_ref_leave(lab: Lab) -> None:
    """A phx_leave without join_ref is ignored or leaves in full."""
    talk = conversation(lab)
    rule = "stale/null-join-ref-leave"
    own = talk.peer.session.join_ref(talk.topic)
    leave = _send_leave(talk, None)
    probe = talk.say()
    if talk.is_taken(probe):
        frames = [*replies(talk.peer, leave), *closes(talk.peer, talk.topic)]
        shown = "; ".join(map(str, frames))
        lab.demand(not frames, rule, "the topic stays joined and no frame answers the phx_leave", shown)
        return
    answer = talk.peer.answer(leave)
    closed = talk.peer.wait_event(talk.topic, phx.PHX_CLOSE)
    if answer.kind == "silence" and closed is None:
        raise CannotTell("neither the phx_leave nor the push behind it shows an effect")
    ends = closes(talk.peer, talk.topic)
    lab.demand(
        answer.kind == "ok"
        and [(end.event, end.join_ref, end.ref) for end in ends]
        == [(phx.PHX_CLOSE, talk.peer.shown(own), own)]
        and place(talk.peer, ends[0]) > place(talk.peer, replies(talk.peer, leave)[0]),
        rule,
        f"a full leave: status ok, then one phx_close with join_ref and ref {own!r}",
        f"{answer}; {'; '.join(map(str, ends)) or 'no phx_close'}",
    )
    demand_joined(lab, talk.peer, send_join(talk.peer, talk.topic), rule, "a join after the leave")


@phoenix_case("stale/push-never-answered-for-old-join")
def push_never_answered_for_old_join(lab: Lab) -> None:
    """A push with the join_ref of a replaced join is dropped, or answered by the current channel."""
    talk = conversation(lab)
    rule = "stale/push-never-answered-for-old-join"
    old = _rejoin(talk)
    _demand_own_join_ref(talk, talk.say(join_ref=old.join_ref), rule)


@phoenix_case("stale/foreign-join-ref-push")
def foreign_join_ref_push(lab: Lab) -> None:
    """A push with a join_ref that was never used is dropped, or answered by the current channel."""
    talk = conversation(lab)
    _demand_own_join_ref(talk, talk.say(join_ref=NEVER_USED), "stale/foreign-join-ref-push")


@phoenix_case("stale/null-join-ref-push")
def null_join_ref_push(lab: Lab) -> None:
    """A push without join_ref is dropped, or answered under the channel's join_ref."""
    talk = conversation(lab)
    _demand_own_join_ref(talk, talk.say(join_ref=None), "stale/null-join-ref-push")


@phoenix_case("stale/null-join-ref-accepted")
def null_join_ref_accepted(lab: Lab) -> None:
    """A push without join_ref should be taken."""
    talk = conversation(lab)
    said = talk.say(join_ref=None)
    later = talk.demand_taken("stale/stale-message-harmless", "behind a push without join_ref")
    if not replies(talk.peer, later.message) or talk.event.relay:
        talk.is_heard(later)
    lab.demand(
        any(talk.is_usual(reply) for reply in replies(talk.peer, said.message))
        or (talk.is_labelled and talk.has_trace(said)),
        "stale/null-join-ref-accepted",
        "a push without join_ref is taken",
        "neither an ok reply nor a relay, while a later push is taken",
    )


@phoenix_case("stale/join-ref-type-strict")
def join_ref_type_strict(lab: Lab) -> None:
    """A push with the channel's join_ref as a number is dropped, or answered under the string."""
    talk = conversation(lab, vsn=SHOWING)
    own = talk.peer.session.join_ref(talk.topic)
    _demand_own_join_ref(talk, talk.say(join_ref=int(str(own))), "stale/join-ref-type-strict")


@phoenix_case("stale/stale-message-harmless")
def stale_message_harmless(lab: Lab) -> None:
    """Stale messages of any kind leave connection and channel as they are."""
    talk = conversation(lab)
    rule = "stale/stale-message-harmless"
    old = _rejoin(talk)
    before = len(closes(talk.peer, talk.topic))
    for join_ref in (old.join_ref, NEVER_USED, 0, {"a": [1]}):
        talk.say(join_ref=join_ref)
        _send_leave(talk, join_ref)
    talk.demand_taken(rule, "after stale messages the channel goes on")
    ends = closes(talk.peer, talk.topic)[before:]
    lab.demand(not ends, rule, "stale messages end no channel", "; ".join(map(str, ends)))
    answer = talk.peer.sync()
    lab.demand(answer.kind == "ok", rule, "stale messages leave the connection open", answer)


@phoenix_case("stale/v1-same-rules")
def v1_same_rules(lab: Lab) -> None:
    """Under serializer 1.0.0 too a phx_leave with a foreign join_ref is ignored."""
    talk = conversation(lab, vsn="1.0.0")
    _demand_ignored(talk, _send_leave(talk, NEVER_USED), "stale/v1-same-rules")
