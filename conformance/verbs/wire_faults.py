"""The verbs for faults below the codec: each is sent on a fresh connection, while others look on that must notice nothing.

A connection that is fresh for one fault shows that all is well after the one before it. Who looks on is joined to the topic of
the one that errs, and to another one, and is answered after every fault.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from conformance.case import PHOENIX, Phase
from conformance.client.wire import HandshakeRefused
from conformance.faults import CannotProvision, CannotTell, Violation
from conformance.verbs.conversation import conversation
from conformance.verbs.endings import ENDS, UNAFFECTED, demand_no_end, goes_on, marks_of, other_of
from conformance.verbs.observations import naming, replies, send_join
from conformance.written import Run, case
from specs import message as phx
from specs.message import Message
from specs.serializer import SERIALIZERS

if TYPE_CHECKING:
    from conformance.client.peer import Peer
    from conformance.client.wire import Closed
    from conformance.fixtures.lab import Lab
    from conformance.verbs.conversation import Said

T = TypeVar("T")

PROTOCOL_ERROR, INTERNAL_ERROR = 1002, 1011
TOO_MANY = {429, 503}
"""The HTTP status of a server that has too many connections."""
LEAST_PATIENCE_S, PATIENCE = 0.1, 5
REF = "wire"
"""The ref of the heartbeat inside a faulty frame."""
BEHIND = "behind"
"""The ref of the heartbeat behind it."""
_ECHOES = ("frames/reply-echoes-ref", "frames/reply-echoes-join-ref", "frames/v2-five-elements")


def wire_case(case_id: str, *requirements: str) -> Callable[[Run], Run]:
    """Register a case about the wire below the codec."""
    return case(case_id, *requirements, topic=PHOENIX, phase=Phase.WIRE)


def heartbeat(ref: str = REF, vsn: str = "2.0.0") -> bytes:
    """Return the text of a heartbeat."""
    message = Message(None, ref, phx.PHOENIX_TOPIC, phx.HEARTBEAT, {})
    return SERIALIZERS[vsn].encode_client(message).data


@dataclass(frozen=True, slots=True)
class Fault:
    """Bytes for the wire."""

    what: str
    """In words."""
    segments: tuple[bytes, ...]
    """One write each; before each but the first, others have been answered, so that it comes in a segment of its own."""
    asks: tuple[Message, ...] = ()
    """What the bytes may be taken for, and a reply may echo."""
    codes: tuple[int, ...] = ()
    """With which it closes the connection, where it is not as for the others of its row."""


def faults(named: Iterable[tuple[str, bytes]]) -> list[Fault]:
    """Return faults of one write each."""
    return [Fault(what, (data,)) for what, data in named]


class Scene:
    """Connections that look on, and one after the other that err.

    Args:
        lab: The attempt.
        vsn: Serializer of those that err.
        unaffected: What breaks when one that looks on notices anything.

    """

    def __init__(self, lab: Lab, vsn: str = "2.0.0", *, unaffected: str = UNAFFECTED) -> None:
        self.lab = lab
        self._unaffected = unaffected
        self.talk = conversation(lab)
        self._vsn = vsn
        self.patience_s = lab.reply_s
        """How long to wait for what need not come: some times as long as a join takes."""
        self._marks = marks_of(self.talk)
        self._has_sent = False
        self._is_replying = True
        """Whether pushes are answered; where they are not, their relay alone shows that they are taken."""
        self._elsewhere = self.talk.connect(self.talk.by, f"{self.talk.by} elsewhere")
        with contextlib.suppress(CannotProvision):
            if self._elsewhere.join(self.talk.another_topic()).kind != "ok":
                raise CannotTell(f"{self._elsewhere.name} cannot join another topic")

    def victim(self) -> Peer:
        """Return a fresh connection that has joined the topic.

        Raises:
            Violation: If it is not answered although one before the first fault was.
            CannotTell: If none ever was, or the server says that it has too many.

        """
        try:
            peer = self.talk.connect(other_of(self.talk), "victim", vsn=self._vsn)
        except CannotTell as exc:
            refusal = exc.__cause__
            is_full = isinstance(refusal, HandshakeRefused) and refusal.status in TOO_MANY
            if is_full or not self._has_sent:
                raise
            raise Violation(self._unaffected, "a fresh connection works", str(exc)) from exc
        began_s = time.monotonic()
        # Whether it works is asked, not whether it does so in time.
        answer = peer.answer(send_join(peer, self.talk.topic), PATIENCE * self.lab.reply_s)
        join_s = time.monotonic() - began_s
        self.patience_s = min(self.lab.reply_s, max(LEAST_PATIENCE_S, PATIENCE * join_s))
        if answer.kind != "ok" and not self._has_sent:
            raise CannotTell(f"a further connection cannot join: {answer}")
        if answer.kind != "ok":
            raise Violation(self._unaffected, "a fresh connection works", f"{answer} to a join")
        for ref in (REF, BEHIND):
            peer.monitor.note_sent(Message(None, ref, phx.PHOENIX_TOPIC, phx.HEARTBEAT, {}))
        return peer

    def send(self, peer: Peer, fault: Fault) -> None:
        """Send a fault."""
        self._has_sent = True
        for message in fault.asks:
            peer.monitor.note_sent(message)
        for index, data in enumerate(fault.segments):
            if index:
                self.pause()
            peer.wire.send_bytes(data, fault.what)

    def pause(self) -> None:
        """Let the server read what was sent, so that what is sent next comes in a segment of its own."""
        self._elsewhere.answer(self._elsewhere.heartbeat(), PATIENCE * self.lab.reply_s)

    def patiently(self, look: Callable[[], T]) -> T:
        """Look a second time for what has not come in time, once another connection has been answered.

        A busy machine may let a short wait pass before it lets the server run at all.
        """
        found = look()
        if found:
            return found
        self.pause()
        return look()

    def is_answered(self, peer: Peer, requirement: str, fault: Fault) -> bool:
        """Report a heartbeat that was sent on a connection and is not answered once, and tell whether it is."""
        with naming(requirement, *_ECHOES):
            self.patiently(
                lambda: peer.wait_event(
                    phx.PHOENIX_TOPIC, phx.PHX_REPLY, matches=lambda _: _count(peer, REF) > 0
                )
            )
            answer = peer.answer(peer.heartbeat(), PATIENCE * self.lab.reply_s)
        count = _count(peer, REF)
        is_met = count == 1 and answer.kind == "ok"
        observed = str(peer.wire.closed or f"{count} replies, and {answer} to another heartbeat")
        self.lab.demand(is_met, requirement, f"{fault.what} is answered once", observed)
        return is_met

    def look(self, fault: Fault) -> None:
        """Demand that those who look on have noticed nothing of a fault.

        Raises:
            Violation: If one of them is no longer answered, or has lost its channel.

        """
        beat = self._elsewhere.heartbeat()
        said = self.talk.say()
        if not self._is_taken(said):
            raise Violation(
                self._unaffected,
                f"a push is taken after {fault.what}",
                str(said.peer.answer(said.message, 0)),
            )
        answer = self._elsewhere.answer(beat, PATIENCE * self.lab.reply_s)
        if answer.kind != "ok":
            raise Violation(
                self._unaffected, f"a connection elsewhere goes on after {fault.what}", str(answer)
            )
        for peer in (*self.talk.stage.peers.values(), self._elsewhere):
            ended = [message for message in peer.inbox if message.event in ENDS]
            if ended:
                raise Violation(self._unaffected, f"no channel ends by {fault.what}", f"{ended[0]}")

    def _is_taken(self, said: Said) -> bool:
        if self._is_replying:
            answer = said.peer.answer(said.message)
            if answer.kind in {"ok", "error", "crash", "disconnected"}:
                return answer.kind == "ok"
            self._is_replying = False
        return self.patiently(lambda: self.talk.is_heard(said))

    def end(self) -> None:
        """Demand that all connections go on, and that a fresh one works."""
        goes_on(self.talk, self._marks, self._unaffected)


def _each(scene: Scene, faults: Iterable[Fault], judge: Callable[[Peer, Fault], bool]) -> None:
    """Send each fault on a connection of its own and judge what comes of it; end with the first that is advised on."""
    for fault in faults:
        peer = scene.victim()
        scene.send(peer, fault)
        is_met = judge(peer, fault)
        peer.wire.abort()
        scene.look(fault)
        if not is_met:
            break
    scene.end()


def closes_with(
    scene: Scene, requirement: str, faults: Iterable[Fault], codes: Sequence[int] = (PROTOCOL_ERROR,)
) -> None:
    """Demand that each fault closes its connection with one of the codes, unanswered, and nothing else."""

    def judge(peer: Peer, fault: Fault) -> bool:
        allowed = fault.codes or codes
        expected = f"{fault.what} closes the connection with {' or '.join(map(str, allowed))}"
        closed = scene.patiently(lambda: _closed(peer, requirement))
        _demand_unanswered(peer, requirement, fault, (REF, BEHIND))
        demand_no_end(peer.inbox)
        is_met = closed is not None and closed.code in allowed
        if closed is not None and not is_met and PROTOCOL_ERROR in allowed:
            # What is before the server may end such a connection by itself, and in its own way.
            scene.lab.advise(requirement, expected, str(closed))
        else:
            scene.lab.demand(
                is_met, requirement, expected, closed or f"it stays open for {scene.lab.reply_s:g} s"
            )
        return is_met

    _each(scene, faults, judge)


def ends(scene: Scene, requirement: str, faults: Iterable[Fault]) -> None:
    """Demand that each fault ends its connection, in whatever way."""

    def judge(peer: Peer, fault: Fault) -> bool:
        closed = scene.patiently(lambda: _closed(peer, requirement))
        observed = f"it stays open for {scene.lab.reply_s:g} s"
        scene.lab.demand(closed, requirement, f"{fault.what} ends the connection", observed)
        return closed is not None

    _each(scene, faults, judge)


def answered(scene: Scene, requirement: str, faults: Iterable[Fault]) -> None:
    """Demand that the heartbeat in each frame, or row of frames, is answered once, and the connection goes on."""
    _each(scene, faults, lambda peer, fault: scene.is_answered(peer, requirement, fault))


def contained(
    scene: Scene, requirement: str, faults: Iterable[Fault], *, unanswered: Sequence[str] = (REF,)
) -> None:
    """Demand that whatever becomes of a connection, some heartbeats of it are never answered, and others notice nothing.

    Behind each fault a heartbeat is sent, so that a connection that goes on shows it without being waited for.
    """

    def judge(peer: Peer, fault: Fault) -> bool:
        scene.pause()
        with naming(requirement, *_ECHOES):
            peer.answer(peer.heartbeat(), scene.patience_s)
        _demand_unanswered(peer, requirement, fault, unanswered)
        return True

    _each(scene, faults, judge)


def survived(scene: Scene, faults: Iterable[Fault]) -> None:
    """Demand that others notice nothing, whatever becomes of each connection."""

    def judge(_peer: Peer, fault: Fault) -> bool:
        # Once others have been answered the server has seen it.
        scene.look(fault)
        return True

    _each(scene, faults, judge)


def at_most_answered(scene: Scene, requirement: str, messages: Iterable[tuple[str, Message]]) -> None:
    """Demand that each message is answered once at most, or closes its connection with 1011, and touches nothing else.

    They go to one connection as long as it lives.
    """
    peer = scene.victim()
    for what, message in messages:
        # The same ref may have been used before: any JSON value can be one.
        before = len(replies(peer, message))
        with naming(requirement, *_ECHOES):
            sent = peer.send(message)
            peer.answer(sent, scene.patience_s, expecting="answer to odd elements")
            beat = peer.answer(peer.heartbeat(), PATIENCE * scene.lab.reply_s)
        count, closed = len(replies(peer, sent)) - before, peer.wire.closed
        if closed is not None:
            is_met = closed.code == INTERNAL_ERROR
            demand_no_end(peer.inbox)
        else:
            is_met = count <= 1 and beat.kind == "ok"
        scene.lab.demand(
            is_met,
            requirement,
            f"{what} is answered once at most, or closes the connection with {INTERNAL_ERROR}",
            closed or f"{count} replies, and {beat} to a heartbeat behind it",
        )
        if closed is not None:
            peer = scene.victim()
        scene.look(Fault(what, ()))
    scene.end()


def _closed(peer: Peer, requirement: str) -> Closed | None:
    with naming(requirement, *_ECHOES):
        return peer.wait_closed()


def _demand_unanswered(peer: Peer, requirement: str, fault: Fault, refs: Sequence[str]) -> None:
    for ref in refs:
        if _count(peer, ref):
            raise Violation(
                requirement, f"{fault.what} is never answered as a message", f"a reply with ref {ref!r}"
            )


def _count(peer: Peer, ref: str) -> int:
    """Count the heartbeats of that ref that were answered ok, in text."""
    found = [message for message in peer.seen(phx.PHOENIX_TOPIC, phx.PHX_REPLY) if message.ref == ref]
    return sum(message.payload["status"] == "ok" and not _is_binary(message) for message in found)


def _is_binary(reply: Message) -> bool:
    return isinstance(reply.payload["response"], bytes)
