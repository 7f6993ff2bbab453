"""One agent: a connection that is kept up, its session, and its channels.

Rules of this file: what a session of `specs` decides (joins, ends of channels, heartbeats) it decides here, too; replies to plain
pushes and events of joined channels, which are nearly everything, are dealt with without it, by the same rules.
"""

from __future__ import annotations

import sys
from random import uniform
from typing import TYPE_CHECKING, Any, Final

import gevent
import msgspec

from loadgen.client.calls import TIMED_OUT, UNANSWERED, UNKNOWN, UNSENT, Call, Request
from loadgen.client.channel import MOST_CHANNELS, Channel, TooManyChannels
from loadgen.client.clock import now_us
from loadgen.client.comeback import Comeback
from loadgen.client.connection import Connection
from loadgen.client.entries import ENDED, GIVEN_UP, OPENED, RECEIVED, SENT
from loadgen.client.frames import text_frame
from loadgen.client.rejoins import Rejoins
from specs.message import PHX_CLOSE, PHX_ERROR, PHX_JOIN, PHX_REPLY, Message
from specs.serializer import SERIALIZERS
from specs.session import ChannelState, Kind, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.client.entries import Note
    from loadgen.client.site import Site
    from loadgen.measure.statistics import Figures

CONNECT: Final = "connect"
#: The family under which figures of connections and heartbeats are kept.
SOCKET: Final = "socket"

_TO_LEAVE: Final = frozenset({ChannelState.JOINING, ChannelState.JOINED})
_V2: Final = SERIALIZERS["2.0.0"]
_decode: Final = msgspec.json.Decoder(tuple[str | None, str | None, str, str, Any]).decode


class Agent:
    """An agent.

    Args:
        site: What it shares with the others.
        number: Tells it from the others of this process.
        url: Of its socket, with its credentials.

    Attributes:
        agent_id: What the endpoint calls it.

    """

    __slots__ = (
        "_comeback",
        "_connecting",
        "_connection",
        "_is_wanted",
        "_rejoins",
        "_url",
        "agent_id",
        "calls",
        "channels",
        "connection_count",
        "note",
        "number",
        "send",
        "session",
        "site",
    )

    def __init__(self, site: Site, number: int, url: str, agent_id: str) -> None:
        self.site = site
        self.number = number
        self.agent_id = agent_id
        self.note: Note | None = site.note
        self.session = Session(_V2, heartbeat_interval_s=site.heartbeat_s)
        self.channels: dict[str, Channel] = {}
        self.calls: dict[str, Call] = {}
        self.connection_count = 0
        self.send: Callable[[bytes], object] = _nowhere
        self._comeback: Comeback | None = None
        self._url = url
        self._connection: Connection | None = None
        self._connecting: Request | None = None
        self._rejoins = Rejoins(self, SOCKET)
        self._is_wanted = False

    # What a scenario does

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._connection is not None and self._connection.is_open

    @property
    def is_away(self) -> bool:
        """Whether it has no connection and wants one."""
        return self._is_wanted and self._connection is None

    def connect(self, intended_us: int = 0) -> Call:
        """Connect, and from now on stay connected."""
        self._is_wanted = True
        self.site.look_after(self)
        at_us = now_us()
        figures = self.site.statistics.of(SOCKET, CONNECT)
        figures.sent += 1
        call = self._connecting = Request(figures, at_us, intended_us or at_us)
        self._connection = Connection(self.site.route, self._url, self)
        self.send = self._connection.send
        return call

    def join(self, topic: str, payload: Any = None, intended_us: int = 0) -> Call:
        """Join a topic; the channel is in `channels` once that is answered by ok.

        Raises:
            TooManyChannels: If the socket has as many as it may.
            UnknownTopic: If no document has such a topic.

        """
        if len(self.channels) >= MOST_CHANNELS and topic not in self.channels:
            raise TooManyChannels(f"{self.agent_id} has joined {len(self.channels)} topics")
        channel = self.channels.get(topic) or Channel(self, topic, self.site.family_of(topic))
        if self.is_open:
            # Else it would be joined by itself after the next connect, though nobody waits for it any more.
            self.channels[topic] = channel
        return self._request(self.session.join(topic, payload), channel.family, intended_us)

    def leave(self, topic: str) -> Call:
        """Leave a topic."""
        channel = self.channels.pop(topic)
        channel.gone()
        return self._request(self.session.leave(topic), channel.family)

    def abandon(self, topic: str) -> None:
        """Be done with a topic, joined or not: it is left where there is something to leave, and nobody waits for that."""
        if self.is_open and self.session.state(topic) in _TO_LEAVE:
            self.leave(topic)
        else:
            self.channels.pop(topic).gone()

    def close(self) -> None:
        """Disconnect, and stay away."""
        self._is_wanted = False
        self.site.let_go(self)
        self._down(UNKNOWN)

    def drop(self) -> None:
        """Cut the connection as a failing network would; the agent comes back."""
        self._down("dropped")
        self._come_back()

    def pause_reading(self) -> None:
        """Read nothing until `resume_reading`."""
        if self._connection is not None:
            self._connection.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._connection is not None:
            self._connection.resume_reading()

    def write_off(self, before_us: int) -> None:
        """Count as errors what was sent before a time and is still open; nobody is told, for nobody waits any longer."""
        for call in (*self.calls.values(), self._connecting):
            if call is not None and call.sent_us < before_us:
                call.figures.errors[UNANSWERED] += 1

    # What channels need

    def figures(self, family: str, event: str) -> Figures:
        """Return the figures of an event."""
        figures = self.site.statistics.of(family, event)
        self.figures_by_event(family)[event] = figures
        return figures

    def rejoin(self, channel: Channel, on_answer: Callable[[Call], object]) -> Request:
        """Ask to join a topic again, with the parameters of its last join."""
        return self._request(self.session.rejoin(channel.topic), channel.family, 0, on_answer)

    def figures_by_event(self, family: str) -> dict[str, Figures]:
        """Return the figures of a family's events so far, shared by all its channels."""
        return self.site.figures_by_event(family)

    # What the site and the connection call

    def tick(self, at_us: int) -> None:
        """Send the heartbeat that is due, give up what is not answered."""
        oldest = next(iter(self.calls.values()), None)
        if oldest is not None and at_us - oldest.sent_us > self.site.reply_s * 1e6:
            self._give_up(at_us)
        if self._connecting is not None and at_us - self._connecting.sent_us > self.site.reply_s * 1e6:
            self.on_lost(TIMED_OUT)
        if not self.is_open:
            return
        now_s = at_us / 1e6
        if self.session.is_unanswered(now_s):
            self._down("heartbeat unanswered")
            self._come_back()
        elif self.session.heartbeat_due(now_s):
            self._request(self.session.heartbeat(now_s), SOCKET)

    def on_open(self, at_us: int) -> None:
        """Take the connection."""
        self.connection_count += 1
        self.site.opened()
        self._comeback = None
        # Heartbeats of agents that came at once are spread over the interval.
        self.session.connected(at_us / 1e6 - uniform(0, self.site.heartbeat_s))  # noqa: S311 - no secret
        if self.note is not None:
            self.note((OPENED, self.number, self.agent_id))
        if self._connecting is not None:
            connecting, self._connecting = self._connecting, None
            connecting.answered({"status": "ok", "response": {}}, at_us)
        self._rejoins.begin()

    def on_text(self, text: bytes, at_us: int) -> None:
        """Take a message."""
        note = self.note
        if note is not None:
            note((RECEIVED, self.number, at_us, text))
        try:
            join_ref, ref, topic, event, payload = _decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self.site.losses["malformed frame"] += 1
            return
        try:
            if event == PHX_REPLY:
                call = self.calls.pop(ref, None)  # type: ignore[arg-type]
                if type(call) is Call:
                    call.answered(payload, at_us)
                else:
                    self._odd_reply(Message(join_ref, ref, topic, event, payload), call, at_us)
            elif event in {PHX_CLOSE, PHX_ERROR}:
                self._channel_over(Message(join_ref, ref, topic, event, payload))
            else:
                channel = self.channels.get(topic)
                if channel is not None and (join_ref is None or join_ref == channel.join_ref):
                    channel.took(event, payload, at_us)
        except Exception:  # noqa: BLE001 - a fault of a scenario must not take the connection with it
            gevent.get_hub().handle_error(self, *sys.exc_info())

    def on_binary(self, data: bytes, at_us: int) -> None:  # noqa: ARG002 - of the protocol
        """Take a binary message: no scenario has any, so it is only counted."""
        self.site.losses["binary frame"] += 1

    def on_lost(self, reason: str) -> None:
        """Take the loss of the connection."""
        self._down(reason)
        self._come_back()

    # Connections that are lost

    def _come_back(self) -> None:
        if not self._is_wanted:
            return
        self._comeback = self._comeback or Comeback(self)
        self._comeback.begin()

    def _down(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self.send = _nowhere
        was_open, connecting = self._connecting is None, self._connecting
        self._connecting = None
        connection.close()
        if was_open:
            self.site.lost()
        if self._is_wanted:
            self.site.losses[reason] += 1
            self._rejoins.lost_at_us = self._rejoins.lost_at_us or now_us()
        if was_open and self.note is not None:
            self.note((ENDED, self.number))
        self.session.disconnected()
        # Who waited for an event is resumed by that, and may leave its topic at once.
        for channel in tuple(self.channels.values()):
            channel.gone()
        calls, self.calls = self.calls, {}
        for call in calls.values():
            call.lost(UNKNOWN)
        if connecting is not None:
            connecting.lost(reason)

    # Requests that the session follows

    def _request(
        self,
        message: Message,
        family: str,
        intended_us: int = 0,
        on_answer: Callable[[Call], object] | None = None,
    ) -> Request:
        at_us = now_us()
        figures = self.site.statistics.of(family, message.event)
        call = Request(figures, at_us, intended_us or at_us, on_answer=on_answer)
        if not self.is_open:
            call.lost(UNSENT)
            return call
        call.figures.sent += 1
        self.calls[message.ref] = call
        data = _V2.encode_client(message).data
        if self.note is not None:
            self.note((SENT, self.number, at_us, data))
        self.send(text_frame(data))
        return call

    def _odd_reply(self, message: Message, call: Call | None, at_us: int) -> None:
        """Take the reply to a request that the session follows, or to none."""
        received = self.session.receive(message)
        channel, request = self.channels.get(message.topic), received.request
        is_ok = received.kind is Kind.REPLY and received.status == "ok"
        if is_ok and request is not None and channel is not None and request.event == PHX_JOIN:
            channel.joined(request.join_ref)
        if call is not None:
            call.answered(message.payload, at_us)
        else:
            self.site.losses["reply that nobody waits for"] += 1

    def _channel_over(self, message: Message) -> None:
        received = self.session.receive(message)
        if received.kind is Kind.STALE:
            return
        channel = self.channels.get(message.topic)
        if channel is None:
            return
        channel.gone()
        if received.kind is Kind.ERRORED:
            self.site.losses["channel crashed"] += 1
            self._rejoins.begin()

    def _give_up(self, at_us: int) -> None:
        limit_us = at_us - self.site.reply_s * 1e6
        for ref in [ref for ref, call in self.calls.items() if call.sent_us < limit_us]:
            if self.note is not None:
                self.note((GIVEN_UP, self.number, ref))
            self.calls.pop(ref).lost(TIMED_OUT)


def _nowhere(_frame: bytes) -> None:
    """Send nothing: there is no connection."""
