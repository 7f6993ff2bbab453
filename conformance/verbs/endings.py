"""The verbs for connections that the server has to end: the close code, nothing before it, and nobody else touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from conformance.client.peer import Peer
from conformance.faults import CannotTell, Violation
from conformance.verbs.conversation import Conversation, conversation
from specs import message as phx

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab
    from specs.message import Message

Provoke = Callable[[Peer], None]
"""Sends something on a connection."""

ENDS = frozenset({phx.PHX_CLOSE, phx.PHX_ERROR})
UNAFFECTED = "malformed/other-connections-unaffected"
SILENT = "malformed/no-frame-before-close"


def texts(*sent: str) -> dict[str, Provoke]:
    """Return what sends each of these text messages, by the text."""
    return {text or "an empty text": partial(_send_text, text) for text in sent}


def _send_text(text: str, peer: Peer) -> None:
    peer.wire.send_text(text)


def raw(frame: bytes) -> Provoke:
    """Return what puts the bytes of a frame on the wire."""

    def send(peer: Peer) -> None:
        peer.wire.send_bytes(frame, "raw frame")

    return send


def closes(
    lab: Lab,
    requirement: str,
    provocations: Mapping[str, Provoke],
    *,
    code: int = 1011,
    vsn: str = "2.0.0",
) -> None:
    """Demand that each provocation ends the connection that it is sent on, and nothing else.

    Every provocation goes to a connection of its own, with a joined channel and an answered heartbeat. Meanwhile the
    other connections of the topic stay open, and go on afterwards.

    Args:
        lab: The means of the attempt.
        requirement: What a connection that stays open, or closes otherwise, breaks.
        provocations: What to send, by its description.
        code: The close code that must come.
        vsn: Serializer of the connections to be ended, whatever that of the profile: what is sent is written for it.

    """
    talk = conversation(lab)
    marks = marks_of(talk)
    for what, provoke in provocations.items():
        victim = victim_of(talk, other_of(talk), vsn=vsn)
        since = victim.mark()
        provoke(victim)
        _judge_end(lab, requirement, f"{what} closes the connection with {code}", code, victim, since)
    goes_on(talk, marks, UNAFFECTED)


def other_of(talk: Conversation) -> str:
    """Return a member of the cast other than the sender; the sender where there is no other."""
    return next(iter(talk.listeners), talk.by)


def victim_of(talk: Conversation, name: str, *, vsn: str | None = None) -> Peer:
    """Return a further connection of a member of the cast, joined, whose heartbeat is answered.

    Raises:
        CannotTell: If it is not: what is then sent shows nothing.

    """
    victim = talk.connect(name, "victim", vsn=vsn)
    for answer, what in ((victim.join(talk.topic), "a join"), (victim.sync(), "a heartbeat")):
        if answer.kind != "ok":
            raise CannotTell(f"a fresh connection of {name} gets {answer} to {what}")
    return victim


def _judge_end(lab: Lab, requirement: str, expected: str, code: int, victim: Peer, since: int) -> None:
    try:
        closed = victim.wait_closed()
    except Violation as exc:
        lab.report(requirement, expected, exc.breach.observed)
        return
    frames = victim.inbox[since:]
    if closed is None:
        observed = f"it stays open after {frames[0]}" if frames else f"it stays open for {lab.reply_s:g} s"
        lab.report(requirement, expected, observed)
    elif closed.code != code:
        lab.report(requirement, expected, str(closed))
    demand_no_end(frames)


def demand_no_end(frames: list[Message]) -> None:
    """Demand that no channel was ended by a frame of its own."""
    for message in frames:
        if message.event in ENDS:
            raise Violation(
                SILENT, "no phx_error and no phx_close before the connection closes", f"{message}"
            )


def marks_of(talk: Conversation) -> dict[str, int]:
    """Return where the inboxes of a stage stand."""
    return {name: peer.mark() for name, peer in talk.stage.peers.items()}


def goes_on(talk: Conversation, marks: Mapping[str, int], requirement: str) -> None:
    """Demand that the connections of a stage have noticed nothing since the marks, and that a fresh one works."""
    for name, peer in talk.stage.peers.items():
        answer = peer.sync()
        ended = [m for m in peer.inbox[marks[name] :] if m.event in ENDS]
        if answer.kind != "ok" or ended:
            observed = str(ended[0]) if ended else f"{answer} to a heartbeat"
            raise Violation(requirement, f"the connection of {name} and its channel go on", observed)
    talk.demand_taken(requirement, f"the channel of {talk.by} goes on")
    try:
        victim_of(talk, other_of(talk)).wire.close()
    except CannotTell as exc:
        raise Violation(requirement, "a fresh connection works", str(exc)) from exc
