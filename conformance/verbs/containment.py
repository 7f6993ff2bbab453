"""The verb for input that a channel may not understand: whatever it makes of it, nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance.client.equality import same
from conformance.client.peer import Answer, Peer
from conformance.faults import Violation
from conformance.verbs.conversation import is_restricted, tested_families
from conformance.verbs.endings import goes_on, marks_of, victim_of
from specs import message as phx
from specs.message import Message

if TYPE_CHECKING:
    from conformance.verbs.conversation import Conversation

Compose = Callable[[Peer], Message]
"""Makes the message for a connection that has joined the topic of the conversation."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message."""

    answer: Answer
    replies: tuple[Message, ...]
    errors: tuple[Message, ...]
    """The phx_error frames of the topic."""
    closes: tuple[Message, ...]
    """The phx_close frames of the topic, before it was joined again."""


def contained(talk: Conversation, requirement: str, what: str, compose: Compose) -> Outcome:
    """Demand that a message ends at most the channel that it is sent to.

    Args:
        talk: Where to send.
        requirement: What anything else breaks.
        what: The message in words.
        compose: Makes it.

    Returns:
        What came back, to be judged further.

    Raises:
        Violation: If there is more than one reply or more than one phx_error, a phx_error with other refs than the join's, or
            the connection, its other channel or another connection does not go on.
        CannotTell: If the topic cannot be joined again afterwards, for want of any answer.

    """
    marks = marks_of(talk)
    peer = victim_of(talk, talk.by)
    second = _second_topic(talk, peer)
    join_ref = peer.session.join_ref(talk.topic)
    outcome = _observe(talk, requirement, what, peer, compose)
    demand_own_errors(peer, outcome.errors, join_ref, requirement)
    if second is not None:
        _demand_joined(peer, second, requirement, what)
    goes_on(talk, marks, requirement)
    return outcome


def demand_own_errors(peer: Peer, errors: Iterable[Message], join_ref: Any, requirement: str) -> None:
    """Demand that each phx_error carries the join_ref of the channel that has crashed, as join_ref and as ref."""
    for error in errors:
        if not (same(error.join_ref, peer.shown(join_ref)) and same(error.ref, join_ref)):
            raise Violation(requirement, f"phx_error carries {join_ref!r} as join_ref and ref", f"{error}")


def _observe(talk: Conversation, requirement: str, what: str, peer: Peer, compose: Compose) -> Outcome:
    since = peer.mark()
    sent = peer.send(compose(peer))
    # A channel handles one push after the other (O-3): with the answer to a second one all of the first is there.
    talk.is_taken(talk.say(peer))
    answer = peer.answer(sent, 0)
    if answer.kind == "disconnected":
        raise Violation(requirement, f"the connection stays open after {what}", str(answer))
    closes = tuple(peer.seen(talk.topic, phx.PHX_CLOSE, since))
    peer.barrier(talk.topic)
    replies = tuple(m for m in peer.seen(talk.topic, phx.PHX_REPLY, since) if same(m.ref, sent.ref))
    errors = tuple(peer.seen(talk.topic, phx.PHX_ERROR, since))
    if len(replies) > 1 or len(errors) > 1:
        raise Violation(
            requirement,
            f"at most one reply and at most one phx_error for {what}",
            f"{len(replies)} replies and {len(errors)} phx_error",
        )
    return Outcome(answer, replies, errors, closes)


def _second_topic(talk: Conversation, peer: Peer) -> str | None:
    """Join another topic that is open to everybody; None where there is none."""
    family = talk.family
    if family.name in talk.lab.bench.plain and family.has_variable:
        return _joined(peer, talk.another_topic())
    for topic in sorted(tested_families(talk.lab), key=lambda topic: topic.presence):
        is_other = topic is not family and topic.socket == family.socket and not topic.has_variable
        if is_other and not is_restricted(topic) and _joined(peer, topic.pattern):
            return topic.pattern
    return None


def _joined(peer: Peer, topic: str) -> str | None:
    return topic if peer.join(topic).kind == "ok" else None


def _demand_joined(peer: Peer, topic: str, requirement: str, what: str) -> None:
    """Leave a topic: only one that is joined ends with phx_close (L-1, L-3)."""
    since = peer.mark()
    answer = peer.answer(peer.leave(topic))
    closed = peer.wait_event(topic, phx.PHX_CLOSE, since=since)
    if answer.kind != "ok" or closed is None:
        observed = f"{answer} to a leave" if answer.kind != "ok" else "a leave ends without phx_close"
        raise Violation(requirement, f"the other channel of the connection goes on after {what}", observed)
