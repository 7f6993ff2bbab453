"""One connection as `Phoenix.Socket` drives it: frames in, frames out, no I/O.

Rules for this file. Everything is synchronous, so requests are answered in the order in which they came. The socket knows the
join_ref of a join as the client sent it; the channel knows it with the join's ref in place of null (J-12). A channel hears
broadcasts from after the reply to its join (J-9) until just before its end. Whatever the application raises ends one
channel (L-7), never the connection; a frame that cannot be decoded ends the connection (section 4).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from reference_server.admission import Admission
from reference_server.commits import Commits
from reference_server.counts import Counts
from reference_server.flushing import Flushes
from reference_server.inbound import decode
from reference_server.limits import Limits
from reference_server.outcome import Application, Broadcast, Channel, Identity, Outcome
from reference_server.plain_events import PlainEvents
from reference_server.redaction import describe_exception
from reference_server.structured_log import log_event
from reference_server.traffic import Queues, Uploads
from reference_server.versions import CRASH_CLOSE_CODE, PhoenixVersion
from specs.json_text import PlainFields, decode_plain_fields, encode_string
from specs.message import (
    HEARTBEAT,
    PHOENIX_TOPIC,
    PHX_CLOSE,
    PHX_ERROR,
    PHX_JOIN,
    PHX_LEAVE,
    Frame,
    Message,
    frame_of,
    reply,
)
from specs.serializer import V1, V2, MalformedFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reference_server.broker import Broker
    from specs.model import Api, Topic

_log = logging.getLogger("reference_server.connection")


@dataclass(eq=False, slots=True)
class _Membership:
    """A joined topic of this connection."""

    channel: Channel
    join_ref: Any
    """As sent by the client."""
    channel_ref: Any
    """As the channel uses it in pushes and replies (J-12)."""
    around_ref: tuple[bytes, bytes] | None = None
    """What stands around the ref in the text of an empty reply, once there was one."""


class Connection:
    """The channels of one socket.

    Args:
        backend: What it shares with all other connections.
        identity: Who authenticated.
        serializer: What the handshake chose.
        send: Takes a frame for the client; must not raise.
        close: Closes the WebSocket with a code and an empty reason. `closed` must be called afterwards, by whomever closes.

    """

    def __init__(
        self,
        backend: Backend,
        identity: Identity,
        serializer: V1 | V2,
        send: Callable[[Frame], None],
        close: Callable[[int], None],
    ) -> None:
        self.identity = identity
        self.serializer = serializer
        self.send = send
        self._application = backend.application
        self._broker = backend.broker
        self._version = backend.version
        self._api = backend.api
        self._limits = backend.limits
        self._harmless_bytes = backend.limits.harmless_bytes
        self._counts = backend.counts
        self._close = close
        self._memberships: dict[str, _Membership] = {}
        # Whoever replaces a way in or out sees every message: then there are no shorter ones.
        honest = type(self) is Connection, type(serializer) is V2, type(self._version) is PhoenixVersion
        self._plain_events = backend.plain_events if all(honest) else None
        self._broker.attach(self, identity.socket_id)

    @property
    def channel_count(self) -> int:
        """How many topics are joined."""
        return len(self._memberships)

    def receive(self, frame: Frame) -> None:
        """Carry out one frame of the client.

        Source:
            `phoenix-wire.md` sections 4 to 9.

        """
        is_harmless, plain = len(frame.data) <= self._harmless_bytes, None
        if is_harmless and self._plain_events is not None and frame.is_text:
            plain = decode_plain_fields(frame.data)
            if plain is not None and self._is_plain_push(self._plain_events, plain):
                return
        try:
            message = decode(frame, self.serializer, self._limits) if plain is None else Message(*plain)
        except MalformedFrame as fault:
            self._log(logging.INFO, "malformed_frame", fault=str(fault))
            self._close(CRASH_CLOSE_CODE)
            return
        if message.topic == PHOENIX_TOPIC and message.event == HEARTBEAT:
            self._reply(message, None, "ok", {})
        elif message.event == PHX_JOIN:
            self._join(message)
        else:
            self._on_topic(message)

    def disconnect(self) -> None:
        """Close the connection by the server's will, with the version's close code (T-4)."""
        self._close(self._version.disconnect_close_code)

    def closed(self) -> None:
        """End every channel without a frame to this client (L-9); harmless when repeated."""
        self._broker.detach(self, self.identity.socket_id)
        memberships = tuple(self._memberships.values())
        self._memberships.clear()
        for membership in memberships:
            self._broker.unsubscribe(membership.channel)
        for membership in memberships:
            self._forget(membership.channel)

    def _log(self, level: int, event: str, **fields: str) -> None:
        identity = self.identity
        log_event(_log, level, event, socket=identity.socket.name, agent=identity.agent_id, **fields)

    def _is_plain_push(self, events: PlainEvents, plain: PlainFields) -> bool:
        """Carry out the push of a plain event, as `_push` does with any; tell whether it was one."""
        join_ref, ref, topic, event, payload = plain
        membership = self._memberships.get(topic)
        if membership is None or ref is None or join_ref is None or join_ref != membership.join_ref:
            return False
        channel = membership.channel
        try:
            told = events.told(channel, event, payload)
            if told is None:
                return False
            if told:
                self._broadcast(told)
            self._reply_emptily(membership, ref)
            self._counts.push(channel.family.name, event, "ok", channel.family.events)
        except Exception as exc:  # noqa: BLE001 - as in `_push`
            self._crash(membership, exc)
        return True

    def _on_topic(self, message: Message) -> None:
        membership = self._memberships.get(message.topic) if isinstance(message.topic, str) else None
        if message.event == PHX_LEAVE:
            self._leave(message, membership)
        elif membership is None:
            self._unmatched(message)
        elif self._version.delivers(message.join_ref, membership.join_ref):
            self._push(message, membership)

    def _unmatched(self, message: Message) -> None:
        self._reply(message, None, "error", {"reason": "unmatched topic"})

    def _join(self, message: Message) -> None:
        family = self._family(message.topic)
        if family is None:
            if isinstance(message.topic, dict):
                # Phoenix cannot put it into its log line, which ends the connection (M-5).
                self._close(CRASH_CLOSE_CODE)
            else:
                self._unmatched(message)
            return
        former = self._end(self._memberships.get(message.topic))
        if self._version.channel_limit is not None and len(self._memberships) >= self._limits.channels:
            self._reply(message, message.join_ref, "error", {"reason": "too many channels joined"})
            return
        channel = Channel(message.topic, family, self.identity, number=self._broker.next_number())
        outcome = self._admit(channel, message)
        self._announce_end(former, PHX_CLOSE, {})
        if outcome is not None:
            self._after_join(channel, outcome)

    def _family(self, topic: Any) -> Topic | None:
        return self._api.route(self.identity.socket.name, topic) if isinstance(topic, str) else None

    def _admit(self, channel: Channel, message: Message) -> Outcome | None:
        outcome = None
        try:
            outcome = self._application.join(channel, message.payload)
            self._broadcast(outcome.broadcasts)
        except Exception as exc:  # noqa: BLE001 - a crashed join is an answer, not our end (J-4)
            # Nobody has said yet that there is such a topic: it may be anything.
            self._log(
                logging.ERROR, "join_crashed", topic=channel.family.pattern, exception=describe_exception(exc)
            )
            self._counts.crash(channel.family.name)
            self._counts.join(channel.family.name, "error")
            if outcome is not None:
                self._forget(channel)
            self._reply(message, message.join_ref, "error", {"reason": "join crashed"})
            return None
        self._counts.join(channel.family.name, outcome.status)
        if outcome.status == "ok":
            channel_ref = message.ref if message.join_ref is None else message.join_ref
            self._memberships[channel.topic] = _Membership(channel, message.join_ref, channel_ref)
        self._reply(message, message.join_ref, outcome.status, outcome.response)
        if outcome.status == "ok":
            self._broker.subscribe(channel, self)
        return outcome

    def _after_join(self, channel: Channel, outcome: Outcome) -> None:
        membership = self._memberships.get(channel.topic)
        if membership is None:
            return
        try:
            self._broadcast(outcome.late_broadcasts)
            self._push_all(membership, outcome)
        except Exception as exc:  # noqa: BLE001
            self._crash(membership, exc)
        self._disconnect_all(outcome)

    def _push(self, message: Message, membership: _Membership) -> None:
        try:
            outcome = self._application.handle(membership.channel, message.event, message.payload)
            if outcome.broadcasts:
                self._broadcast(outcome.broadcasts)
            self._reply_of_channel(message, membership, outcome)
            family = membership.channel.family
            self._counts.push(family.name, message.event, outcome.status, family.events)
            if outcome.late_broadcasts or outcome.pushes:
                self._broadcast(outcome.late_broadcasts)
                self._push_all(membership, outcome)
        except Exception as exc:  # noqa: BLE001 - whatever the channel raises ends the channel alone (L-7)
            self._crash(membership, exc)
        else:
            if outcome.disconnect:
                self._disconnect_all(outcome)

    def _reply_of_channel(self, message: Message, membership: _Membership, outcome: Outcome) -> None:
        is_empty = outcome.response == {} and outcome.status == "ok"
        if is_empty and self._plain_events is not None and isinstance(message.ref, str):
            self._reply_emptily(membership, message.ref)
            return
        if isinstance(outcome.response, bytes) and not self._version.stringifies_refs:
            refs_are_strings = isinstance(message.ref, str) and isinstance(membership.channel_ref, str)
            if not refs_are_strings:
                raise TypeError("this Phoenix has no binary reply to a ref that is no string")
        self._reply(message, membership.channel_ref, outcome.status, outcome.response)

    def _reply_emptily(self, membership: _Membership, ref: str) -> None:
        around = membership.around_ref
        if around is None:
            first = reply(membership.channel_ref, ref, membership.channel.topic, "ok", {})
            around = membership.around_ref = cast("V2", self.serializer).around_ref(first)
        self.send(frame_of((around[0] + encode_string(ref) + around[1], True)))

    def _leave(self, message: Message, membership: _Membership | None) -> None:
        if membership is None:
            self._reply(message, message.join_ref, "ok", {})
        elif self._version.delivers_leave(message.join_ref, membership.join_ref):
            self._reply(message, membership.channel_ref, "ok", {})
            self._announce_end(membership, PHX_CLOSE, {})
            self._end(membership)

    def _crash(self, membership: _Membership, exc: Exception) -> None:
        self._counts.crash(membership.channel.family.name)
        topic, crash = membership.channel.topic, describe_exception(exc)
        self._log(logging.ERROR, "channel_crashed", topic=topic, exception=crash)
        if self._memberships.get(membership.channel.topic) is membership:
            self._announce_end(membership, PHX_ERROR, self._version.crash_payload)
            self._end(membership)

    def _end(self, membership: _Membership | None) -> _Membership | None:
        if membership is not None:
            del self._memberships[membership.channel.topic]
            self._broker.unsubscribe(membership.channel)
            self._forget(membership.channel)
        return membership

    def _announce_end(self, membership: _Membership | None, event: str, payload: dict[str, Any]) -> None:
        if membership is not None:
            ref = membership.join_ref
            self._write(Message(ref, ref, membership.channel.topic, event, payload))

    def _forget(self, channel: Channel) -> None:
        try:
            self._broadcast(self._application.leave(channel))
        except Exception as exc:  # noqa: BLE001 - the channel is gone; nobody is left to be told
            self._log(logging.ERROR, "leave_failed", topic=channel.topic, exception=describe_exception(exc))

    def _broadcast(self, broadcasts: Iterable[Broadcast]) -> None:
        for broadcast in broadcasts:
            self._broker.broadcast(broadcast)
            self._counts.broadcasts += 1

    def _push_all(self, membership: _Membership, outcome: Outcome) -> None:
        for push in outcome.pushes:
            topic = membership.channel.topic
            self._write(Message(membership.channel_ref, None, topic, push.event, push.payload))

    def _disconnect_all(self, outcome: Outcome) -> None:
        for socket_id in sorted(outcome.disconnect):
            self._broker.disconnect(socket_id)

    def _reply(self, message: Message, join_ref: Any, status: str, response: Any) -> None:
        self._write(reply(join_ref, message.ref, message.topic, status, response))

    def _write(self, message: Message) -> None:
        self.send(self.serializer.encode_server(message))


@dataclass(frozen=True, slots=True)
class Backend:
    """What all connections of a server share."""

    api: Api
    application: Application
    broker: Broker
    version: PhoenixVersion
    commits: Commits = field(default_factory=Commits)
    connection: type[Connection] = Connection
    """What drives each of them."""
    limits: Limits = field(default_factory=Limits)
    admission: Admission = field(default_factory=Admission)
    queues: Queues = field(default_factory=Queues)
    uploads: Uploads = field(default_factory=Uploads)
    counts: Counts = field(default_factory=Counts)
    flushes: Flushes = field(default_factory=Flushes)
    plain_events: PlainEvents | None = None
    """Those of `application` that a connection may settle without it."""
