"""The client's session without I/O: refs, channels, pending replies, and what a received message means.

Rules of this file: it makes messages and judges messages, and never sends or receives; it knows no clock, time comes in
as `now_s`. It lets a caller do what a client should not (push on a topic not joined, join twice), for that is what a
suite has to try. Whether a reply or a push is *right* is not judged here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from specs.message import (
    HEARTBEAT,
    PHOENIX_TOPIC,
    PHX_CLOSE,
    PHX_ERROR,
    PHX_JOIN,
    PHX_LEAVE,
    PHX_REPLY,
    Message,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from specs.serializer import V1, V2


class ChannelState(Enum):
    """What the client believes of its membership of a topic."""

    CLOSED = "closed"
    JOINING = "joining"
    JOINED = "joined"
    LEAVING = "leaving"
    #: Lost by a crash, a refused join or a lost connection; to be joined again.
    ERRORED = "errored"


class Kind(Enum):
    """What a received message is to this session."""

    #: The first reply to a push, a join or a leave of this session.
    REPLY = "reply"
    #: A reply whose ref is not pending: never sent, answered before, or of another topic.
    UNKNOWN_REPLY = "unknown reply"
    HEARTBEAT_REPLY = "heartbeat reply"
    #: A push of the channel; under serializer 1.0.0 also a broadcast, which looks the same there.
    PUSH = "push"
    BROADCAST = "broadcast"
    #: A frame of a former join of the topic, or of a topic this session has no channel on (C-13).
    STALE = "stale"
    CLOSED = "closed"
    ERRORED = "errored"


@dataclass(frozen=True, slots=True)
class Received:
    """A received message, and what it is.

    `request` is the message that a reply answers, also where that reply is stale. `abandoned` are the requests that
    will get no reply any more, since their channel has closed or crashed.
    """

    kind: Kind
    message: Message
    request: Message | None = None
    abandoned: tuple[Message, ...] = ()

    @property
    def status(self) -> Any:
        """The status of a reply; `None` where there is none."""
        return self._member("status")

    @property
    def response(self) -> Any:
        """The response of a reply; `None` where there is none."""
        return self._member("response")

    def _member(self, name: str) -> Any:
        payload = self.message.payload
        is_reply = self.message.event == PHX_REPLY and isinstance(payload, dict)
        return payload.get(name) if is_reply else None


@dataclass(slots=True)
class _Channel:
    join_ref: str
    payload: Any
    state: ChannelState = ChannelState.JOINING


@dataclass(slots=True)
class _Heartbeats:
    interval_s: float
    last_sent_s: float | None = None
    pending: set[str] = field(default_factory=set)


class Session:
    """One client's view of one socket."""

    __slots__ = ("_channels", "_heartbeats", "_pending", "new_ref", "serializer")

    def __init__(self, serializer: V1 | V2, *, heartbeat_interval_s: float = 30.0) -> None:
        self.serializer = serializer
        # Not a method: a load generator makes a ref for each of its pushes.
        self.new_ref: Callable[[], str] = map(str, itertools.count(1)).__next__
        """Makes a ref that no request of this session has had; for who writes a message without a session's help."""
        self._channels: dict[str, _Channel] = {}
        self._pending: dict[str, Message] = {}
        self._heartbeats = _Heartbeats(heartbeat_interval_s)

    # Making messages

    def join(self, topic: str, payload: Any = None) -> Message:
        """Make a `phx_join` with a new join_ref, equal to its ref (C-4); a channel of the topic is replaced by it.

        Args:
            topic: The topic, joined already or not.
            payload: Join parameters, `{}` where `None`; `rejoin` sends them again.

        """
        ref = self.new_ref()
        parameters = {} if payload is None else payload
        # Joining again makes the channel the newest one: rejoining keeps the order of creation (C-7).
        self._channels.pop(topic, None)
        self._channels[topic] = _Channel(ref, parameters)
        return self._requested(Message(ref, ref, topic, PHX_JOIN, parameters))

    def rejoin(self, topic: str) -> Message:
        """Join a topic again with the parameters of its last join.

        Raises:
            KeyError: If this session never joined the topic.

        """
        return self.join(topic, self._channels[topic].payload)

    def push(self, topic: str, event: str, payload: Any) -> Message:
        """Make a push with the join_ref of the topic's channel, or `None` where there is none."""
        return self._requested(Message(self.join_ref(topic), self.new_ref(), topic, event, payload))

    def leave(self, topic: str) -> Message:
        """Make a `phx_leave`; the channel counts as leaving until its reply or its `phx_close`."""
        channel = self._channels.get(topic)
        if channel is not None:
            channel.state = ChannelState.LEAVING
        return self._requested(Message(self.join_ref(topic), self.new_ref(), topic, PHX_LEAVE, {}))

    def heartbeat(self, now_s: float | None = None) -> Message:
        """Make a heartbeat (T-1).

        Args:
            now_s: When it is sent, from which the next interval counts; `None` leaves the interval alone.

        """
        if now_s is not None:
            self._heartbeats.last_sent_s = now_s
        message = self._requested(Message(None, self.new_ref(), PHOENIX_TOPIC, HEARTBEAT, {}))
        self._heartbeats.pending.add(message.ref)
        return message

    # Asking

    def state(self, topic: str) -> ChannelState:
        """Return what this session believes of a topic; closed where it never joined."""
        channel = self._channels.get(topic)
        return ChannelState.CLOSED if channel is None else channel.state

    def join_ref(self, topic: str) -> str | None:
        """Return the join_ref of the topic's latest join; `None` where there is none or its channel is closed."""
        channel = self._channels.get(topic)
        return None if channel is None or channel.state is ChannelState.CLOSED else channel.join_ref

    @property
    def pending(self) -> tuple[Message, ...]:
        """The requests without a reply so far, heartbeats among them, oldest first."""
        return tuple(self._pending.values())

    def heartbeat_due(self, now_s: float) -> bool:
        """Tell whether a heartbeat is due: an interval has passed since the last one, or since `connected`."""
        last_sent_s = self._heartbeats.last_sent_s
        return last_sent_s is None or now_s - last_sent_s >= self._heartbeats.interval_s

    def is_unanswered(self, now_s: float) -> bool:
        """Tell whether the last heartbeat has had no reply for an interval, so that the connection is dead (C-5)."""
        return bool(self._heartbeats.pending) and self.heartbeat_due(now_s)

    def topics_to_rejoin(self) -> list[str]:
        """List the errored topics in the order of their joins (C-7)."""
        return [topic for topic, channel in self._channels.items() if channel.state is ChannelState.ERRORED]

    # The connection

    def connected(self, now_s: float) -> None:
        """Start the heartbeat interval of a fresh connection; refs go on counting (C-3, C-22)."""
        self._heartbeats.last_sent_s = now_s
        self._heartbeats.pending.clear()

    def disconnected(self) -> tuple[Message, ...]:
        """Take the loss of the connection: channels joined or joining are errored, those leaving are closed.

        Returns:
            The requests that will get no reply.

        """
        abandoned = self._abandoned(self.pending)
        for channel in self._channels.values():
            if channel.state in {ChannelState.JOINING, ChannelState.JOINED}:
                channel.state = ChannelState.ERRORED
            elif channel.state is ChannelState.LEAVING:
                channel.state = ChannelState.CLOSED
        return abandoned

    # Receiving

    def receive(self, message: Message) -> Received:
        """Say what a server's message is, and take what follows from it into the state.

        Source:
            `phoenix-wire.md` F-5, C-12 to C-14.

        """
        if message.event == PHX_REPLY:
            return self._receive_reply(message)
        if message.event in {PHX_CLOSE, PHX_ERROR}:
            return self._receive_end(message)
        if self._is_stale(message.topic, message.join_ref):
            return Received(Kind.STALE, message)
        if self.serializer.carries_join_ref and message.join_ref is None and message.ref is None:
            return Received(Kind.BROADCAST, message)
        return Received(Kind.PUSH, message)

    def _receive_reply(self, message: Message) -> Received:
        request = self._pending.get(message.ref) if isinstance(message.ref, str) else None
        if request is None or request.topic != message.topic:
            return Received(Kind.UNKNOWN_REPLY, message)
        del self._pending[message.ref]
        if message.ref in self._heartbeats.pending:
            # Any later heartbeat's reply proves the connection alive, also for those before it.
            self._heartbeats.pending.clear()
            return Received(Kind.HEARTBEAT_REPLY, message, request)
        received = Received(Kind.REPLY, message, request)
        if _is_present(message.join_ref) and self._is_stale(request.topic, message.join_ref):
            return Received(Kind.STALE, message, request)
        self._follow(request, received.status)
        return received

    def _follow(self, request: Message, status: Any) -> None:
        """Move the channel by the reply to its join or leave; that of a former join moves nothing."""
        channel = self._channels.get(request.topic)
        if channel is None or channel.join_ref != request.join_ref:
            return
        if request.event == PHX_JOIN and channel.state is ChannelState.JOINING:
            channel.state = ChannelState.JOINED if status == "ok" else ChannelState.ERRORED
        elif request.event == PHX_LEAVE and status == "ok":
            channel.state = ChannelState.CLOSED

    def _receive_end(self, message: Message) -> Received:
        # Under 1.0.0 the join_ref of phx_close and phx_error is visible as their ref alone (F-5).
        join_ref = message.join_ref if self.serializer.carries_join_ref else message.ref
        channel = self._channels.get(message.topic) if isinstance(message.topic, str) else None
        if channel is None or self._is_stale(message.topic, join_ref):
            return Received(Kind.STALE, message)
        is_close = message.event == PHX_CLOSE
        channel.state = ChannelState.CLOSED if is_close else ChannelState.ERRORED
        ended = [request for request in self.pending if request.topic == message.topic]
        abandoned = self._abandoned(request for request in ended if request.join_ref == channel.join_ref)
        return Received(Kind.CLOSED if is_close else Kind.ERRORED, message, abandoned=abandoned)

    def _is_stale(self, topic: Any, join_ref: Any) -> bool:
        """Tell whether a join_ref is another than the topic's own, by strict type; an absent one fits all (C-13)."""
        if not _is_present(join_ref):
            return False
        channel = self._channels.get(topic) if isinstance(topic, str) else None
        return channel is None or channel.join_ref != join_ref

    def _abandoned(self, requests: Iterable[Message]) -> tuple[Message, ...]:
        abandoned = tuple(requests)
        for request in abandoned:
            del self._pending[request.ref]
            self._heartbeats.pending.discard(request.ref)
        return abandoned

    def _requested(self, message: Message) -> Message:
        self._pending[message.ref] = message
        return message


def _is_present(join_ref: Any) -> bool:
    return join_ref is not None and join_ref != ""
