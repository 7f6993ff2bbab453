"""Puts the answers that real Phoenix gave before the judges of the suite: the monitor, and the verbs of the cases.

A recorded row is played into peers whose wire is the recording. Every frame that was received is read and judged by the
monitor; what became of each message that was sent is judged by what the cases demand of such a message.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from conformance.cases import heartbeat, leaving, stale
from conformance.client.equality import same
from conformance.client.monitor import UNMATCHED
from conformance.client.peer import Answer, Peer
from conformance.client.wire import Closed, Deadline
from conformance.fixtures.lab import Lab
from conformance.fixtures.provision import Agent
from conformance.verbs import endings
from conformance.verbs.containment import demand_own_errors
from conformance.verbs.gathering import Watcher
from conformance.verbs.observations import demand_one_close, demand_unmatched, replies
from specs import message as phx
from specs.message import Frame, Message
from specs.participants import derive_participant
from specs.serializer import SERIALIZERS, MalformedFrame

Step = dict[str, Any]
Judge = Callable[[], None]
PRESENCE_TOPIC = "agents:discovery"
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


@dataclass
class Talk:
    """What the verbs take for a conversation; that its channel goes on is for the rest of the row to show."""

    lab: Lab
    peer: Any
    topic: Any
    message: Message
    """Also what a push of the conversation is recognised by."""

    def demand_taken(self, *_arguments: Any, **_more: Any) -> None:
        """Push nothing."""


@dataclass
class JudgedRow:
    """One row on its way through the judges."""

    lab: Lab
    end_rule: tuple[str, int] | None
    """What a close by the server is judged by: requirement and code."""
    peers: dict[str, RecordedPeer] = field(default_factory=dict)
    due: list[Judge] = field(default_factory=list)
    """Judgements of what was sent, to be made when the row goes on to send more."""
    judged: int = 0
    """How many frames, messages and closes have been judged."""
    _has_waited: bool = False

    def play(self, log: list[Step]) -> None:
        """Play a row to its end.

        Raises:
            Violation: If a judge accuses the server that was recorded.

        """
        for step in log:
            kind = next((kind for kind in STEPS if kind in step), None)
            if kind is not None:
                STEPS[kind](self, step)
        self._settle()
        for peer in self.peers.values():
            self._fold_presence(peer)

    def _settle(self) -> None:
        for judge in self.due:
            judge()
            self.judged += 1
        self.due.clear()
        self._has_waited = False

    def open(self, step: Step) -> None:
        """Take a connection up where the handshake was accepted."""
        self._settle()
        if step["status"] == 101:
            self.peers[step["who"]] = RecordedPeer(self.lab, step["who"], step["open"])

    def recv(self, step: Step) -> None:
        """Read what was received."""
        received = step["recv"]
        self._has_waited = True
        if received is not None:
            self._take(self.peers[step["who"]], received)

    def send(self, step: Step) -> None:
        """Note what was sent, and how it is to be judged."""
        if self._has_waited:
            self._settle()
        sent, peer = step["send"], self.peers[step["who"]]
        try:
            message = peer.serializer.decode_client(_frame(sent))
        except MalformedFrame:
            # What is no message is answered by the end of the connection.
            return
        self._send(peer, message)

    def fragments(self, step: Step) -> None:
        """Note a message that was sent in several frames."""
        self.send({"who": step["who"], "send": "".join(step["send_fragments"])})

    def long_frame(self, _step: Step) -> None:
        """Note a message of which the recording kept the length alone."""
        self._settle()
        (peer,) = self.peers.values()
        self._send(peer, Message("1", "2", "task:t1", "progress", {}))

    def unmasked(self, step: Step) -> None:
        """Demand that a frame without a mask is not answered."""
        peer = self.peers[step["who"]]
        since = peer.mark()
        self.due.append(lambda: demand_nothing(peer, since))

    def join_many(self, step: Step) -> None:
        """Note the one join, of many, that was recorded: the first that was refused."""
        refused = step["first_error"]
        if refused is not None:
            (peer,) = self.peers.values()
            ref = str(refused["i"])
            self._send(peer, Message(ref, ref, f"task:m{ref}", phx.PHX_JOIN, {}))
            self._take(peer, refused["recv"])

    def closed(self, step: Step) -> None:
        """Judge the end of a connection by the server."""
        peer = self.peers[step["who"]]
        peer.wire.closed = Closed(step["closed"]["code"])
        if self.end_rule is not None:
            rule, code = self.end_rule
            endings._judge_end(self.lab, rule, f"a close with {code}", code, peer, peer.mark())
            self.judged += 1

    def _take(self, peer: RecordedPeer, received: Any) -> None:
        peer.take(_frame(received))
        self.judged += 1

    def _send(self, peer: RecordedPeer, message: Message) -> None:
        self.due.append(self._judge_of(peer, message))
        peer._note(message)
        if message.event in {phx.PHX_JOIN, phx.PHX_LEAVE}:
            peer.pending.append(message)

    def _judge_of(self, peer: RecordedPeer, message: Message) -> Judge:
        """Return how a message is judged, from what is joined when it is sent."""
        topic, since = message.topic, peer.mark()
        if topic == phx.PHOENIX_TOPIC and message.event == phx.HEARTBEAT:
            return lambda: self._judge_heartbeat(peer, message)
        if any(same(asked.topic, topic) for asked in peer.pending):
            # Whether the channel is there when this comes is a race; one answer at most is all that can be demanded.
            return lambda: demand_one_reply(peer, message)
        join = peer.joins.get(topic) if isinstance(topic, str) else None
        if message.event == phx.PHX_JOIN:
            return lambda: self._judge_join(peer, message, join, since)
        if join is None:
            return lambda: self._judge_unjoined(peer, message, since)
        judge = self._judge_leave if message.event == phx.PHX_LEAVE else self._judge_push
        return lambda: judge(peer, message, join, since)

    def _judge_heartbeat(self, peer: RecordedPeer, message: Message) -> None:
        reply = heartbeat._demand_answered(self.lab, peer, message, "heartbeat/answered")
        assert reply is not None
        demand_one_reply(peer, message)

    def _judge_join(self, peer: RecordedPeer, message: Message, former: Message | None, since: int) -> None:
        answer = peer.answer(message)
        if same(answer.response, UNMATCHED):
            demand_unmatched(self.lab, peer, message, "joining/unmatched-topic")
        assert answer.kind in {"ok", "error"}
        demand_one_reply(peer, message)
        if former is not None:
            talk = self._talk(peer, message, former.join_ref, since)
            demand_one_close(talk, talk.peer, former, message, "joining/duplicate-join-closes-old")

    def _judge_unjoined(self, peer: RecordedPeer, message: Message, since: int) -> None:
        if message.event == phx.PHX_LEAVE:
            talk = self._talk(peer, message, None, since)
            leaving._demand_ok_without_close(talk, message, "leaving/unjoined-leave-ok")
        else:
            demand_unmatched(self.lab, peer, message, "malformed/push-unjoined-unmatched")

    def _judge_leave(self, peer: RecordedPeer, message: Message, join: Message, since: int) -> None:
        talk = self._talk(peer, message, join.join_ref, since)
        if same(message.join_ref, join.join_ref):
            leaving._demand_left(talk, "leaving/reply-then-close")
        else:
            stale._demand_ignored(talk, message, "stale/leave-ignored")

    def _judge_push(self, peer: RecordedPeer, message: Message, join: Message, since: int) -> None:
        # Without a join_ref of its own a join's ref serves as one in replies, and not in the channel's end (J-12).
        own = join.ref if join.join_ref is None else join.join_ref
        talk = self._talk(peer, message, own, since)
        stale._demand_own_join_ref(talk, talk, "stale/foreign-join-ref-push")
        errors = peer.seen(message.topic, phx.PHX_ERROR, since)
        demand_own_errors(peer, errors, join.join_ref, "malformed/unknown-event-contained")
        demand_one_reply(peer, message)

    def _talk(self, peer: RecordedPeer, message: Message, join_ref: Any, since: int) -> Any:
        return Talk(self.lab, View(peer, message, join_ref, since), message.topic, message)

    def _fold_presence(self, peer: RecordedPeer) -> None:
        """Fold what a connection was told of presence, and see that its agent is in it."""
        if not peer.seen(PRESENCE_TOPIC, "presence_state"):
            return
        participant = derive_participant(1, "captures", peer.key)
        join_ref = peer.monitor.join_refs[PRESENCE_TOPIC][0]
        view: Any = View(peer, peer.inbox[0], join_ref, 0)
        watcher = Watcher(self.lab, PRESENCE_TOPIC, Agent(participant, peer.key, "", "", ""), view)
        assert watcher.present or PRESENCE_TOPIC not in peer.joins
        assert peer.key in {key for key, _ in watcher.told}
        self.judged += 1


def demand_one_reply(peer: Peer, message: Message) -> None:
    """See that a message has one reply at most; of two messages with the same refs this cannot be said."""
    twins = [sent for sent in peer.monitor.sent if same(sent.message.ref, message.ref)]
    assert len(replies(peer, message)) <= len(twins)


def demand_nothing(peer: Peer, since: int) -> None:
    """See that nothing has come."""
    assert peer.inbox[since:] == []


def _frame(recorded: Any) -> Frame:
    is_binary = isinstance(recorded, dict)
    data = base64.b64decode(recorded["b64"]) if is_binary else recorded.encode()
    return Frame(data, is_text=not is_binary)


#: What to do for a step, by the key that tells its kind; what the others say is judged by nobody here.
STEPS: dict[str, Callable[[JudgedRow, Step], None]] = {
    "open": JudgedRow.open,
    "closed": JudgedRow.closed,
    "send": JudgedRow.send,
    "recv": JudgedRow.recv,
    "send_fragments": JudgedRow.fragments,
    "send_len": JudgedRow.long_frame,
    "send_raw_unmasked": JudgedRow.unmasked,
    "joins": JudgedRow.join_many,
}
