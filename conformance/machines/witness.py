"""Writes into the history what one connection says and hears."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from specs import message as phx

if TYPE_CHECKING:
    from conformance.client.peer import Answer, Peer
    from specs.history.facts import Invoked, Recorder, Status
    from specs.message import Message


class Witness:
    """One connection of a participant, and what was observed on it."""

    def __init__(self, record: Recorder, peer: Peer, connection: str, agent_id: str) -> None:
        self.peer = peer
        self.connection = connection
        self.agent_id = agent_id
        self.join_refs: dict[str, list[str]] = {}
        """The join_refs of each topic, the latest last."""
        self.joined: set[str] = set()
        self.is_open = True
        self._record = record
        self._calls: dict[str, Invoked] = {}
        """Those that are not answered, by ref."""
        self._read = 0
        record.opened(connection, agent_id)

    def join(self, topic: str) -> Answer:
        """Join a topic, anew where it is joined."""
        message = self.peer.session.join(topic, {})
        self.join_refs.setdefault(topic, []).append(message.join_ref)
        self.joined.discard(topic)
        answer = self.peer.answer(self._send(message))
        if answer.kind == "ok":
            self.joined.add(topic)
        self.read()
        return answer

    def leave(self, topic: str) -> Answer:
        """Leave a topic."""
        self.joined.discard(topic)
        answer = self.peer.answer(self._send(self.peer.session.leave(topic)))
        self.read()
        return answer

    def push(self, topic: str, event: str, payload: Any, join_ref: str | None = None) -> Message:
        """Send a push, with another join_ref than the present one where it is given."""
        message = self.peer.session.push(topic, event, payload)
        return self._send(message if join_ref is None else replace(message, join_ref=join_ref))

    def leave_stale(self, topic: str) -> Message | None:
        """Send a leave of a former join, which asks for nothing; None where there is none."""
        refs = self.join_refs.get(topic, [])
        if len(refs) < 2:
            return None
        message = self.peer.session.push(topic, phx.PHX_LEAVE, {})
        return self.peer.send(replace(message, join_ref=refs[-2]))

    def answer(self, message: Message) -> Answer:
        """Wait for the answer to a push."""
        answer = self.peer.answer(message, expecting=f"reply to {message.event}")
        self.read()
        return answer

    def sync(self) -> None:
        """Send a heartbeat, and read what has arrived before its answer."""
        self.peer.answer(self._send(self.peer.session.heartbeat()))
        self.read()

    def end(self) -> None:
        """Close the connection."""
        if self.is_open:
            self.peer.wire.close()
            self._note_end()

    def read(self) -> None:
        """Write down what has arrived."""
        if not self.is_open:
            return
        inbox = self.peer.inbox
        while self._read < len(inbox):
            message = inbox[self._read]
            self._read += 1
            self._note(message)
        if self.peer.wire.closed is not None:
            self._note_end()

    def _note_end(self) -> None:
        self.is_open = False
        self.joined.clear()
        self._record.ended(self.connection)

    def _send(self, message: Message) -> Message:
        # Before it is sent, and behind all that is known to have arrived before.
        self.read()
        self._calls[message.ref] = self._record.invoked(
            self.connection, message.topic, message.event, message.payload
        )
        return self.peer.send(message)

    def _note(self, message: Message) -> None:
        topic = message.topic
        if message.event == phx.PHX_REPLY:
            call = self._calls.get(message.ref)
            if call is not None and call.topic == topic:
                del self._calls[message.ref]
                self._record.answered(call, *_outcome(message))
        elif message.event in {phx.PHX_CLOSE, phx.PHX_ERROR}:
            refs = self.join_refs.get(topic, [])
            if refs and message.ref == refs[-1]:
                self.joined.discard(topic)
                self._record.left(self.connection, topic)
        elif topic in self.join_refs:
            self._record.received(self.connection, topic, message.event, message.payload)


def _outcome(reply: Message) -> tuple[Status, Any]:
    status, response = reply.payload["status"], reply.payload["response"]
    if status == "ok":
        return "ok", response
    return ("error" if status == "error" else "unknown"), response
