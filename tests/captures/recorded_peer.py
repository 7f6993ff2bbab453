"""A peer whose connection is a recording: it takes what was received, and sends nothing."""

from __future__ import annotations

from collections import deque
from typing import Any
from urllib.parse import parse_qs, urlsplit

from conformance.client.deadline import Deadline
from conformance.client.equality import same
from conformance.client.peer import Answer, Peer
from conformance.client.wire import Closed
from conformance.fixtures.lab import Lab
from specs import message as phx
from specs.message import Frame, Message
from specs.serializer import SERIALIZERS

ROW_S = 600.0


class RecordedWire:
    """What a peer takes for a connection: whatever the row has received up to now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frames: deque[Frame] = deque()
        self.closed: Closed | None = None

    def send(self, _frame: Frame) -> None:
        """Send nothing: what comes back has been recorded."""

    def send_bytes(self, _data: bytes, _what: str) -> None:
        """Send nothing, either."""

    def receive(self, _until_s: float) -> Frame | None:
        """Return the next frame that the row has received."""
        return self.frames.popleft() if self.frames else None

    def note_received(self, _frame: Frame) -> None:
        """Keep no transcript."""


class RecordedPeer(Peer):
    """A peer on a recorded connection; it sends nothing."""

    def __init__(self, lab: Lab, name: str, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        vsn = "2.0.0" if query.get("vsn", ["1"])[0].startswith("2.") else "1.0.0"
        socket = "user" if parts.path.startswith("/user_socket") else "agent"
        wire: Any = RecordedWire(name)
        serializer = SERIALIZERS[vsn]
        monitor = lab.peer(wire, socket=socket, vsn=vsn).monitor
        super().__init__(wire, serializer, monitor, reply_s=0.001, deadline=Deadline(ROW_S))
        self.key = query.get("api_key", query.get("agent_id", [""]))[0].removeprefix("key_")
        self.joins: dict[Any, Message] = {}
        """The join of every topic that is joined as far as the row has shown."""
        self.replaced: list[Message] = []
        """Joins that a later one has replaced, and whose end has not been told."""
        self.pending: list[Message] = []
        """Joins and leaves that have not been answered."""

    def take(self, frame: Frame) -> None:
        """Read a frame that the row has received, and judge it."""
        self.wire.frames.append(frame)
        self.wait_closed(0)
        message = self.inbox[-1]
        if message.event == phx.PHX_REPLY:
            self._note_answer(message)
        elif message.event in {phx.PHX_CLOSE, phx.PHX_ERROR}:
            self._note_end(message)

    def _note_answer(self, reply: Message) -> None:
        for asked in self.pending:
            if same(asked.ref, reply.ref) and same(asked.topic, reply.topic):
                self.pending.remove(asked)
                if asked.event == phx.PHX_JOIN:
                    self._note_join(asked, reply)
                return

    def _note_join(self, join: Message, reply: Message) -> None:
        former = self.joins.pop(join.topic, None)
        if former is not None:
            self.replaced.append(former)
        if reply.payload["status"] == "ok":
            self.joins[join.topic] = join

    def _note_end(self, end: Message) -> None:
        for join in (*self.replaced, *self.joins.values()):
            if same(join.topic, end.topic) and same(join.join_ref, end.ref):
                if join in self.replaced:
                    self.replaced.remove(join)
                else:
                    del self.joins[end.topic]
                return


class Session:
    """The one thing that verbs ask of a session."""

    def __init__(self, join_ref: Any) -> None:
        self._join_ref = join_ref

    def join_ref(self, _topic: str) -> Any:
        """Return the join_ref of the join that counts."""
        return self._join_ref


class View:
    """A recorded peer as a verb sees it that judges one message: only what came after that was sent."""

    def __init__(self, peer: RecordedPeer, message: Message, join_ref: Any, since: int) -> None:
        self._peer = peer
        self._message = message
        self.session = Session(join_ref)
        self.inbox = peer.inbox[since:]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peer, name)

    def leave(self, _topic: str) -> Message:
        """Return the leave that was sent."""
        return self._message

    def sync(self) -> Answer:
        """Say that everything has arrived, as it has."""
        return Answer("ok", {})
