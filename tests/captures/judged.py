"""Puts the answers that real Phoenix gave before the judges of the suite: the monitor, and the verbs of the cases.

A recorded row is played into peers whose wire is the recording. Every frame that was received is read and judged by the
monitor; what became of each message that was sent is judged by what the cases demand of such a message.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from conformance.cases import heartbeat, leaving, stale
from conformance.client.equality import same
from conformance.client.monitor import UNMATCHED
from conformance.client.peer import Peer
from conformance.client.wire import Closed
from conformance.fixtures.lab import Lab
from conformance.fixtures.provision import Agent
from conformance.verbs import endings
from conformance.verbs.containment import demand_own_errors
from conformance.verbs.gathering import Watcher
from conformance.verbs.observations import demand_one_close, demand_unmatched, replies
from specs import message as phx
from specs.message import Frame, Message
from specs.participants import derive_participant
from specs.serializer import MalformedFrame
from tests.captures.recorded_peer import RecordedPeer, View

Step = dict[str, Any]
Judge = Callable[[], None]
PRESENCE_TOPIC = "agents:discovery"


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
