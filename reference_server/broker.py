"""Who listens to which topic, and how a broadcast reaches them.

A broadcast takes the fast lane of Phoenix: encoded once for each serializer, sent straight to every connection, with neither
join_ref nor ref (`phoenix-wire.md` BC-1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Protocol

from reference_server.frame_bytes import SharedFrame
from specs.message import Frame, Message
from specs.serializer import V1, V2

if TYPE_CHECKING:
    from reference_server.outcome import Broadcast, Channel


class UnsendableBroadcast(ValueError):
    """A subscriber's serializer has no frame for the broadcast; nobody got it (BC-5)."""


class Receiver(Protocol):
    """A connection, as the broker sees it."""

    serializer: V1 | V2

    def send(self, frame: Frame) -> None:
        """Queue a frame; ignored once the connection is closed."""

    def disconnect(self) -> None:
        """Close the connection by the server's will (T-4)."""


class Broker:
    """Topics with their channels in the order in which they were joined, and sockets by their id."""

    def __init__(self) -> None:
        self._topics: dict[str, dict[Channel, Receiver]] = {}
        self._sockets: dict[str, dict[Receiver, None]] = {}
        self._numbers = count(1)

    def next_number(self) -> int:
        """Return a number that no other channel has; numbers grow with time."""
        return next(self._numbers)

    def attach(self, receiver: Receiver, socket_id: str | None) -> None:
        """Make a connection reachable by its socket id; a socket without one cannot be disconnected."""
        if socket_id is not None:
            self._sockets.setdefault(socket_id, {})[receiver] = None

    def detach(self, receiver: Receiver, socket_id: str | None) -> None:
        """Forget a connection; harmless when repeated."""
        if socket_id is None or socket_id not in self._sockets:
            return
        self._sockets[socket_id].pop(receiver, None)
        if not self._sockets[socket_id]:
            del self._sockets[socket_id]

    def subscribe(self, channel: Channel, receiver: Receiver) -> None:
        """Let a channel hear the broadcasts of its topic."""
        self._topics.setdefault(channel.topic, {})[channel] = receiver

    def unsubscribe(self, channel: Channel) -> None:
        """Let a channel hear no more; harmless when repeated."""
        channels = self._topics.get(channel.topic, {})
        channels.pop(channel, None)
        if not channels:
            self._topics.pop(channel.topic, None)

    def broadcast(self, broadcast: Broadcast) -> None:
        """Send an event to every channel of a topic that the broadcast means.

        All frames are built before the first is sent, so that a broadcast reaches either all or nobody.

        Raises:
            UnsendableBroadcast: If the payload is neither an object nor binary and someone speaks 2.0.0 (BC-5).
            ValueError: If a serializer in use cannot encode it (B-8, B-10).

        """
        receivers = self._receivers(broadcast)
        if not receivers:
            return
        message = self.message_of(broadcast)
        if len(receivers) == 1:
            (receiver,) = receivers
            receiver.send(_encoded(receiver.serializer, message))
            return
        frames: dict[V1 | V2, Frame] = {}
        for receiver in receivers:
            if receiver.serializer not in frames:
                frames[receiver.serializer] = SharedFrame(*_encoded(receiver.serializer, message))
        for receiver in receivers:
            receiver.send(frames[receiver.serializer])

    def message_of(self, broadcast: Broadcast) -> Message:
        """Return what every subscriber gets: with neither join_ref nor ref (BC-1)."""
        return Message(None, None, broadcast.topic, broadcast.event, broadcast.payload)

    def _receivers(self, broadcast: Broadcast) -> Sequence[Receiver]:
        channels = self._topics.get(broadcast.topic)
        if channels is None or (len(channels) == 1 and broadcast.exclude in channels):
            return ()
        if broadcast.only is None and broadcast.subscribers_of is None:
            exclude = broadcast.exclude
            return [receiver for channel, receiver in channels.items() if channel is not exclude]
        return [receiver for channel, receiver in channels.items() if _is_meant(channel, broadcast)]

    def disconnect(self, socket_id: str) -> None:
        """Disconnect every connection with this socket id."""
        for receiver in tuple(self._sockets.get(socket_id, ())):
            receiver.disconnect()


def _is_meant(channel: Channel, broadcast: Broadcast) -> bool:
    return (
        channel is not broadcast.exclude
        and (broadcast.only is None or channel.role in broadcast.only)
        and (broadcast.subscribers_of is None or broadcast.subscribers_of in channel.assigns)
    )


def _encoded(serializer: V1 | V2, message: Message) -> Frame:
    # An abstract class is asked last: it takes longer than all the rest.
    payload = message.payload
    if type(payload) is not dict and isinstance(serializer, V2) and not isinstance(payload, (bytes, Mapping)):
        raise UnsendableBroadcast(f"the payload of a broadcast of {message.event!r} is no object")
    return serializer.encode_server(message)
