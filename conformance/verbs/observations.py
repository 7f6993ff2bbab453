"""What the cases about the Phoenix layer see and demand: replies, ends of channels, frames in their order."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from conformance.case import PHOENIX
from conformance.client.equality import same
from conformance.client.monitor import UNMATCHED
from conformance.faults import CannotTell, Violation
from conformance.written import Run, case
from specs import message as phx

SHOWING = "2.0.0"
"""The serializer whose frames show a join_ref: for cases that are about just that."""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.client.peer import Answer, Peer
    from conformance.fixtures.lab import Lab
    from conformance.verbs.conversation import Conversation
    from specs.message import Message


def phoenix_case(case_id: str, *requirements: str) -> Callable[[Run], Run]:
    """Register a case about the Phoenix layer; without requirements it covers the one that has its own id."""
    return case(case_id, *(requirements or (case_id,)), topic=PHOENIX)


def replies(peer: Peer, asked: Message) -> list[Message]:
    """Return the replies to a message that have arrived so far."""
    return [
        message
        for message in peer.inbox
        if message.event == phx.PHX_REPLY
        and same(message.topic, asked.topic)
        and same(message.ref, asked.ref)
    ]


def closes(peer: Peer, topic: str) -> list[Message]:
    """Return every phx_close and phx_error of a topic that has arrived so far."""
    return [m for m in peer.inbox if m.topic == topic and m.event in {phx.PHX_CLOSE, phx.PHX_ERROR}]


def place(peer: Peer, message: Message) -> int:
    """Return where a message that has arrived stands in the inbox."""
    return next(index for index, arrived in enumerate(peer.inbox) if arrived is message)


def prompt_answer(peer: Peer, asked: Message) -> Answer:
    """Return the answer to a request that the connection itself answers, in order (O-2).

    Raises:
        CannotTell: If neither it nor a heartbeat behind it is answered.

    """
    answer = peer.answer(asked)
    if answer.kind == "silence" and peer.sync().kind != "ok":
        raise CannotTell(f"{peer.name}: neither {asked.event} nor a heartbeat behind it is answered")
    return answer


def demand_unmatched(lab: Lab, peer: Peer, asked: Message, requirement: str) -> None:
    """Demand the answer that Phoenix gives where no channel is: status error, `unmatched topic`, a null join_ref."""
    with naming(requirement, "frames/reply-echoes-join-ref"):
        answer = prompt_answer(peer, asked)
    lab.demand(
        answer.kind == "error" and same(answer.response, UNMATCHED),
        requirement,
        f'{asked.event} on {asked.topic!r} gets status error with reason "unmatched topic"',
        answer,
    )


@contextmanager
def prerequisite() -> Iterator[None]:
    """Take a breach in a step before the case for what it is here: nothing can be told.

    Raises:
        CannotTell: In the place of a violation; the cases about that step judge it.

    """
    try:
        yield
    except Violation as exc:
        raise CannotTell(f"a step before the case fails: {exc}") from exc


@contextmanager
def naming(requirement: str, *general: str, about: str = "") -> Iterator[None]:
    """Report breaches of general rules, which the monitor finds, as breaches of the requirement that the case is about.

    Args:
        requirement: What the breach is reported as.
        general: Which rules of the monitor it replaces.
        about: What must be named in the observation, before the message itself.

    """
    try:
        yield
    except Violation as exc:
        breach = exc.breach
        if breach.requirement in general and about in breach.observed.partition("; in ")[0]:
            raise Violation(requirement, breach.expected, breach.observed) from exc
        raise


def send_join(peer: Peer, topic: str) -> Message:
    """Send a join without waiting for its answer."""
    return peer.send(peer.session.join(topic))


def demand_joined(lab: Lab, peer: Peer, join: Message, requirement: str, what: str) -> Answer:
    """Demand that a join is answered ok."""
    answer = prompt_answer(peer, join)
    lab.demand(answer.kind == "ok", requirement, f"{what} is answered by phx_reply with status ok", answer)
    return answer


def demand_reply_join_ref(
    talk: Conversation, peer: Peer, requirement: str, join_ref: Any, *, sent: Any
) -> None:
    """Push with one join_ref and demand that the push is taken and its reply, if any, carries another."""
    said = talk.say(peer, join_ref=sent)
    lab = talk.lab
    lab.demand(
        talk.is_taken(said),
        requirement,
        f"a push with join_ref {sent!r} is taken",
        peer.answer(said.message, 0),
    )
    for reply in replies(peer, said.message):
        lab.demand(
            same(reply.join_ref, peer.shown(join_ref)),
            requirement,
            f"its reply carries join_ref {join_ref!r}",
            reply,
        )


def demand_one_close(talk: Conversation, peer: Peer, join: Message, after: Message, requirement: str) -> None:
    """Demand one phx_close of a replaced channel, behind the reply to the join that replaced it, and no phx_error."""
    peer.wait_event(talk.topic, phx.PHX_CLOSE)
    # Behind the reply to this push nothing of the replaced channel is left.
    talk.demand_taken(requirement, "after a second join", peer)
    ends = closes(peer, talk.topic)
    shown = "; ".join(str(end) for end in ends) or "none"
    expected = f"one phx_close with join_ref and ref {join.join_ref!r}, and no phx_error"
    is_one = (
        len(ends) == 1
        and ends[0].event == phx.PHX_CLOSE
        and same(ends[0].ref, join.join_ref)
        and same(ends[0].join_ref, peer.shown(join.join_ref))
    )
    talk.lab.demand(is_one, requirement, expected, shown)
    talk.lab.demand(
        place(peer, ends[0]) > place(peer, replies(peer, after)[0]),
        requirement,
        "phx_close of the replaced channel behind the reply to the new join",
        "it came before",
    )
