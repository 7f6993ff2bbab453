"""One agent's connection as a case uses it: joins, pushes, answers, events, barriers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from conformance.client.doubts import Doubts
from conformance.client.equality import same
from conformance.client.monitor import UNMATCHED, Monitor
from conformance.client.stopped import is_stopped
from conformance.client.wire import Closed, Deadline, Wire
from conformance.faults import CannotTell, Violation
from specs import message as phx
from specs.message import Frame, Message
from specs.serializer import V1, V2
from specs.session import Session

MISTAKEN_S = 0.25
"""How long to wait on at least for an answer once another push has been answered a second time."""

Kind = Literal["ok", "error", "status", "crash", "closed-channel", "silence", "disconnected"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one push."""

    kind: Kind
    response: Any = None
    message: Message | None = None
    closed: Closed | None = None

    def __str__(self) -> str:
        """Return the answer in words, for a report."""
        match self.kind:
            case "silence":
                return "no reply"
            case "disconnected":
                return f"the connection was {self.closed}"
            case "crash":
                return "phx_error on the topic"
            case "closed-channel":
                return "phx_close on the topic"
            case _:
                return f"reply {self.kind} {self.response!r}"


class Peer:
    """One connection and everything that has arrived on it."""

    def __init__(
        self,
        wire: Wire,
        serializer: V1 | V2,
        monitor: Monitor,
        *,
        reply_s: float,
        deadline: Deadline,
        doubts: Doubts | None = None,
    ) -> None:
        self.wire = wire
        self.serializer = serializer
        self.monitor = monitor
        self.session = Session(serializer)
        self.inbox: list[Message] = []
        self.reply_s = reply_s
        self.deadline = deadline
        self._doubts = doubts or Doubts()
        self._sent_at: dict[int, int] = {}
        self._pushes: list[Message] = []
        """What `push` has sent."""
        self._again: dict[int, Message] = {}
        """What was pushed once more in the place of a push that was lost."""
        self.waited_s = reply_s
        """How long was waited at most for the latest event that was waited for."""
        self.topics: dict[str, Any] = {}
        """Join payload by topic that is joined, as far as this side knows."""

    @property
    def name(self) -> str:
        """The participant's name, as in the transcript."""
        return self.wire.name

    def send(self, message: Message) -> Message:
        """Send a message and remember it."""
        self._note(message)
        self.wire.send(self.serializer.encode_client(message))
        return message

    def send_text(self, text: str, *refs: Any, topic: str = "", event: str = "") -> Message:
        """Send text as it stands; `refs` (join_ref, ref), topic and event say what an answer may carry."""
        join_ref, ref = refs or (None, None)
        message = Message(join_ref, ref, topic, event, None)
        self._note(message)
        self.wire.send_text(text)
        return message

    def prepare(self, message: Message) -> Frame:
        """Remember a message as sent, and return its frame for whoever puts it on the wire."""
        self._note(message)
        frame = self.serializer.encode_client(message)
        self.wire.announce(frame)
        return frame

    def _note(self, message: Message) -> None:
        # The monitor keeps the message, so its identity stays a key.
        self.monitor.note_sent(message)
        self._sent_at[id(message)] = len(self.inbox)

    def join(self, topic: str, payload: Any = None) -> Answer:
        """Join a topic and wait for the answer."""
        return self._join(self.session.join(topic, {} if payload is None else payload))

    def _join(self, message: Message) -> Answer:
        answer = self.answer(self.send(message))
        if answer.kind == "ok":
            self.topics[message.topic] = message.payload
        else:
            self.topics.pop(message.topic, None)
        return answer

    def push(self, topic: str, event: str, payload: Any) -> Message:
        """Send an event; the message says what the answer will carry.

        A topic that a refusal has ended is joined again before: a server may stop the channel behind its reply (L-6).
        """
        if topic in self.topics and is_stopped(self.inbox, topic, self._pushes):
            self._join(self.session.rejoin(topic))
        message = self.send(self.session.push(topic, event, payload))
        self._pushes.append(message)
        return message

    def leave(self, topic: str) -> Message:
        """Send phx_leave."""
        self.topics.pop(topic, None)
        return self.send(self.session.leave(topic))

    def heartbeat(self) -> Message:
        """Send a heartbeat."""
        return self.send(self.session.heartbeat())

    def request(self, topic: str, event: str, payload: Any) -> Answer:
        """Send an event and wait for the answer."""
        return self.answer(self.push(topic, event, payload))

    def answer(self, pushed: Message, wait_s: float | None = None, *, expecting: str | None = None) -> Answer:
        """Wait for what answers a push: a reply with its ref, or the end of its channel or connection.

        One that was lost, since the channel had stopped behind the refusal of an earlier one, is pushed once more.

        Where `expecting` names a kind of answer that has stayed out several times in a run, it is waited for less long;
        `late_answer` then tells whether it came after all.

        Raises:
            Violation: If instead an earlier push was answered once more (a wrong ref).

        """
        pushed = self._again.get(id(pushed), pushed)
        repeated = self.monitor.repeated_answers
        usual_s = self.reply_s if wait_s is None else wait_s
        kind = None if expecting is None else (self.monitor.family_of(str(pushed.topic)), expecting)
        patience_s = usual_s if kind is None else self._doubts.patience_s(*kind, usual_s)
        until_s = self.deadline.cap(patience_s)
        start, began_s = self._sent_at[id(pushed)], time.monotonic()
        found = self._answer_in(pushed, start)
        while found is None and self._pump(until_s):
            found = self._answer_in(pushed, start)
            if self.monitor.repeated_answers > repeated:
                # Somebody else's push was answered twice: ours may have been meant, and then nothing more will come.
                left_s = self._doubts.allowance_s(MISTAKEN_S)
                until_s = min(until_s, self.deadline.cap(self._doubts.patience_s("", "answer", left_s)))
        if kind is not None:
            self._doubts.note_effect(*kind, has_come=found is not None, is_hasty=patience_s < usual_s)
        if found is not None:
            self._doubts.answer_times_s.append(time.monotonic() - began_s)
            again = self._push_again(pushed, found)
            return found if again is None else self.answer(again, wait_s, expecting=expecting)
        if self.wire.closed is not None:
            return Answer("disconnected", closed=self.wire.closed)
        if self.monitor.repeated_answers > repeated:
            self._doubts.note_effect("", "answer", has_come=False)
            raise Violation(
                "frames/reply-echoes-ref",
                f"the reply to the push with ref {pushed.ref!r} carries that ref",
                "an earlier push was answered a second time, and this one not at all",
            )
        return Answer("silence")

    def late_answer(self, pushed: Message, answer: Answer) -> Answer:
        """Return the answer to a push that was silent for a while, if it has arrived since."""
        if answer.kind != "silence":
            return answer
        pushed = self._again.get(id(pushed), pushed)
        return self._answer_in(pushed, self._sent_at[id(pushed)]) or answer

    def _push_again(self, pushed: Message, answer: Answer) -> Message | None:
        """Push on a new channel what was lost with the former one; None where it was not, or there is no new one."""
        is_lost = answer.kind == "closed-channel" or (
            answer.kind == "error" and same(answer.response, UNMATCHED)
        )
        if not is_lost or not any(each is pushed for each in self._pushes):
            return None
        if not is_stopped(self.inbox, pushed.topic, self._pushes, before=self._sent_at[id(pushed)]):
            return None
        if self._join(self.session.rejoin(pushed.topic)).kind != "ok":
            return None
        again = self._again[id(pushed)] = self.push(pushed.topic, pushed.event, pushed.payload)
        return again

    def _answer_in(self, pushed: Message, start: int) -> Answer | None:
        for message in self.inbox[start:]:
            if not same(message.topic, pushed.topic):
                continue
            if message.event == phx.PHX_REPLY and same(_untyped(message, pushed.ref), message.ref):
                status, response = message.payload["status"], message.payload["response"]
                kind: Kind = status if status in {"ok", "error"} else "status"
                return Answer(kind, response, message)
            is_end = message.event in {phx.PHX_ERROR, phx.PHX_CLOSE}
            if is_end and pushed.event != phx.PHX_JOIN and self._ends(message, pushed):
                if pushed.event == phx.PHX_LEAVE and message.event == phx.PHX_CLOSE:
                    continue
                self.topics.pop(str(pushed.topic), None)
                return Answer(
                    "crash" if message.event == phx.PHX_ERROR else "closed-channel", message.payload, message
                )
        return None

    def _ends(self, message: Message, pushed: Message) -> bool:
        return pushed.join_ref is None or same(message.ref, pushed.join_ref)

    def shown(self, join_ref: Any) -> Any:
        """Return a join_ref as the frames of this connection show it: those of serializer 1.0.0 have none (F-3)."""
        return join_ref if self.serializer.carries_join_ref else None

    def mark(self) -> int:
        """Return the present end of the inbox, to look only at what comes later."""
        return len(self.inbox)

    def seen(self, topic: str, event: str, since: int = 0) -> list[Message]:
        """Return what has arrived of an event on a topic."""
        return [m for m in self.inbox[since:] if m.topic == topic and m.event == event]

    def wait_event(
        self,
        topic: str,
        event: str,
        *,
        since: int = 0,
        matches: Callable[[Any], bool] = lambda _payload: True,
        wait_s: float | None = None,
        patience: float = 1.0,
    ) -> Message | None:
        """Wait for an event whose payload matches; None when it has not come in time.

        Without `wait_s` it is waited for `patience` times as long as a reply, and less long once nothing of its name has come
        several times in a run.
        """
        family = self.monitor.family_of(topic)
        usual_s = patience * self.reply_s
        patience_s = self._doubts.patience_s(family, event, usual_s) if wait_s is None else wait_s
        self.waited_s = round(patience_s, 3)
        until_s, is_hasty = self.deadline.cap(patience_s), patience_s < usual_s
        while True:
            seen = self.seen(topic, event, since)
            found = next((m for m in seen if matches(m.payload)), None)
            if found is None and self._pump(until_s):
                continue
            if wait_s is None and (found is not None or not seen):
                self._doubts.note_effect(family, event, has_come=found is not None, is_hasty=is_hasty)
            elif wait_s is None and is_hasty:
                self._doubts.note_haste(family, event)
            return found

    def barrier(self, topic: str) -> None:
        """Wait until everything that was on its way on a topic has arrived.

        The topic is joined again: a join is answered by the connection after all that went before (J-8, J-10), whether
        it is accepted or not.

        Raises:
            CannotTell: If the join is not answered.

        """
        answer = self.join(topic, self.topics.get(topic))
        if answer.kind in {"silence", "disconnected"}:
            raise CannotTell(f"{self.name}: nothing can be observed on {topic}: {answer} to a new join")

    def sync(self) -> Answer:
        """Send a heartbeat and wait for its answer."""
        return self.answer(self.heartbeat())

    def wait_closed(self, wait_s: float | None = None) -> Closed | None:
        """Wait for the end of the connection; None when it stays open."""
        until_s = self.deadline.cap(self.reply_s if wait_s is None else wait_s)
        while self._pump(until_s):
            pass
        return self.wire.closed

    def wait_pong(self, data: bytes) -> bool:
        """Wait for the pong to a ping with this payload; tell whether it has come in time.

        Raises:
            OutOfTime: If the time of the whole case is up.

        """
        has_come = self.wire.wait_pong(data, self.deadline.cap(self.reply_s))
        if not has_come:
            self.deadline.check(self.name)
        return has_come

    def _pump(self, until_s: float) -> bool:
        """Take one more message; False when the time is up or the connection has ended.

        Raises:
            OutOfTime: If the time of the whole case is up.

        """
        began_s = time.monotonic()
        frame = self.wire.receive(until_s)
        if frame is None:
            self.deadline.note_vain(time.monotonic() - began_s)
            self.deadline.check(self.name)
            return False
        self.wire.note_received(frame)
        message = self.monitor.read(frame)
        self.session.receive(message)
        self.inbox.append(message)
        return True


def _untyped(reply: Message, ref: Any) -> Any:
    """Return a ref as a binary reply would carry it, where this reply is one (F-6)."""
    return str(ref) if isinstance(reply.payload["response"], bytes) and ref is not None else ref
