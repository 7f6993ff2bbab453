"""A WebSocket on an asyncio transport: bytes in, frames to the `Connection`, bytes out.

Rules for this file. What RFC 6455 says is `websockets`' sans-I/O `ServerProtocol`; here is what Phoenix on Cowboy does around it:
the handshake by our own decision, close frames with an empty reason, the idle timer, one write for all that one read caused.
A client that does not read is not read from: its own requests wait where they are. What others cause for it waits up to a limit.
Messages are handed over from within the parser, one by one, so that everything is answered in the order in which it came.
The connection is told of its end as soon as a close frame is sent or received, not when TCP is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, cast

from websockets.protocol import State

from reference_server.deadline import Deadline
from reference_server.frame_bytes import encode_frame
from reference_server.limits import Limits
from reference_server.reception import Reception
from reference_server.redaction import describe_exception
from reference_server.structured_log import log_event
from reference_server.tls import close_half
from reference_server.traffic import Backlog, FrameBudget, Upload
from reference_server.turns import LARGE_BYTES, Turns, without_collecting
from reference_server.versions import CRASH_CLOSE_CODE, IDLE_CLOSE_CODE, STOP_CLOSE_CODE
from reference_server.wire_protocol import WireProtocol

if TYPE_CHECKING:
    from reference_server.connection import Backend, Connection
    from reference_server.handshake import Accept, OnRequest
    from reference_server.outcome import Identity
    from specs.message import Frame

_log = logging.getLogger("reference_server.transport")
__all__ = ["Limits", "WebSocketTransport"]

#: More than this is not collected for one write, and not held for a commit before reading stops.
_HIGH_WATER_BYTES = 65_536


class WebSocketTransport(asyncio.Protocol):
    """One TCP connection of a client.

    Args:
        backend: What a connection is made with.
        on_request: Decides on the handshake.
        limits: Time and size limits.
        live: The server's set of transports; this one adds and removes itself.

    `gone` is done when TCP is closed and everything released.

    """

    wire_protocol: ClassVar[type[WireProtocol]] = WireProtocol

    def __init__(
        self, backend: Backend, on_request: OnRequest, limits: Limits, live: set[WebSocketTransport]
    ) -> None:
        self._backend = backend
        self._limits = limits
        self._live = live
        self._counts = backend.counts
        self._commits = backend.commits
        self._flushes = backend.flushes
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._last_inbound_s = self._loop.time()
        self._budget = FrameBudget(limits.frames_per_s, limits.frames_burst, self._last_inbound_s)
        self._wire = self.wire_protocol(
            limits.message_bytes,
            self._received,
            self._ended,
            frame_bytes=limits.frame_bytes,
            budget=self._budget,
        )
        self._connection: Connection | None = None
        self._admitted: Identity | None = None
        self._turns = Turns(self._loop, self._take_turn)
        self._reception = Reception(self._wire, on_request, limits.handshake_bytes, self._counts.refuse)
        self._is_reading = self._is_paused = self._is_flush_due = self._is_finished = False
        self._deadline = Deadline(self._loop)
        self._held: deque[tuple[bytes, bool]] = deque()
        self._held_bytes = self._unsent_bytes = 0
        self._backlog = Backlog(backend.queues, limits.queue_bytes, limits.queues_bytes)
        self._upload = Upload(backend.uploads, limits.unfinished_bytes, self._drop_unfinished)

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the handshake."""
        self._transport = cast("asyncio.Transport", transport)
        self._live.add(self)
        self._deadline.set(self._limits.handshake_timeout_s, self._transport.abort)
        self._backend.admission.arrive(self)

    def data_received(self, data: bytes) -> None:
        """Carry out everything in one segment, then answer with one write."""
        self._last_inbound_s = self._loop.time()
        self._budget.refill(self._last_inbound_s)
        self._counts.received_bytes += len(data)
        self._is_reading = True
        self._turns.begin()
        try:
            if self._connection is None and not self._is_finished:
                data = self._read_request(data)
            if data:
                self._wire.receive_data(data)
        finally:
            self._is_reading = False
        self._upload.note(self._wire.unfinished_bytes())
        self.flush()

    def eof_received(self) -> bool:
        """Take note that the client sends no more; TCP is closed once everything is written."""
        self._wire.receive_eof()
        self.flush()
        return self._transport.can_write_eof() and (bool(self._held) or self._wire.is_holding())

    def pause_writing(self) -> None:
        """Read no more from a client that does not read."""
        self._is_paused = True
        self._backlog.fill_up(self._transport.get_write_buffer_size())
        self._stop_reading()

    def resume_writing(self) -> None:
        """Read again."""
        self._is_paused = False
        self._backlog.drain()
        self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End the channels, where nothing has ended them before (T-7)."""
        self._live.discard(self)
        self._deadline.cancel()
        self._ended(None)
        self._wire.let_go()
        self._upload.note(0)
        self._backlog.drain()
        self._backend.admission.gone(self)
        if self._admitted is not None:
            self._backend.admission.leave(self._admitted)
        if not self.gone.done():
            self.gone.set_result(None)

    # Called by the server and the connection.

    def send(self, frame: Frame) -> None:
        """Queue a frame; it is written with all others of this turn of the loop."""
        if self._wire.eof_sent:
            return
        if (self._is_paused or self._held) and self._is_too_much_waiting():
            self._drop()
            return
        self._counts.sent_frames += 1
        data = encode_frame(frame)
        self._wire.writes.append(data)
        self._unsent_bytes += len(data)
        if self._unsent_bytes > _HIGH_WATER_BYTES:
            self.flush()
        elif not (self._is_reading or self._is_flush_due):
            self._schedule_flush()

    def close(self, code: int) -> None:
        """Close the WebSocket with this code and an empty reason; harmless when it is closed already."""
        if self._wire.state is State.OPEN:
            self._wire.fail(code)
            self._schedule_flush()

    def drain(self) -> None:
        """Close as a server that shuts down: sockets with channels are told to come back (T-5)."""
        if self._connection is None:
            if not self._is_finished:
                self._transport.abort()
            return
        has_channels = self._connection.channel_count > 0
        self.close(self._backend.version.drain_close_code if has_channels else STOP_CLOSE_CODE)

    def abort(self) -> None:
        """Drop TCP at once."""
        self._transport.abort()

    def reconsider_reading(self) -> None:
        """Read or not, as `commits` allows by now; a handshake is always answered."""
        if self._may_read():
            self._read_on()
        elif self._connection is not None:
            self._stop_reading()

    # Handshake.

    def _read_request(self, data: bytes) -> bytes:
        """Take what belongs to the request and answer it when it is whole; return what lies behind it."""
        taken = self._reception.take(data)
        if taken is None:
            return b""
        self._backend.admission.decided(self)
        accept, rest = taken
        if accept is None:
            return b""
        self._open(accept)
        return rest

    def _open(self, accept: Accept) -> None:
        self._connection = self._backend.connection(
            self._backend, accept.identity, accept.serializer, self.send, self.close
        )
        self._admitted = accept.identity
        self._backend.admission.enter(accept.identity)
        self._counts.open_socket(accept.identity.socket.name)
        self._watch_idle()

    # Inside an open connection.

    def _received(self, frame: Frame) -> None:
        if self._connection is None:
            return
        try:
            receive = self._connection.receive
            receive(frame) if len(frame.data) < LARGE_BYTES else without_collecting(receive, frame)
        except Exception as exc:  # noqa: BLE001 - a crash of the connection process ends this socket alone
            self._log(logging.ERROR, "connection_crashed", exception=describe_exception(exc))
            self.close(CRASH_CLOSE_CODE)
        if monotonic() > self._turns.ends_s:
            self._turns.wait()
            self._stop_reading()

    def _take_turn(self) -> None:
        if self._wire.is_holding():
            self._read_on()
        elif not self._transport.is_closing():
            # What was held is thrown away, but the end of the connection is still to be read.
            self._transport.resume_reading()

    def _ended(self, code: int | None) -> None:
        if self._connection is None:
            return
        self._log(logging.INFO, "closed", code=code)
        connection, self._connection = self._connection, None
        self._is_finished = True
        self._counts.close_socket(connection.identity.socket.name, code)
        connection.closed()

    def _log(self, level: int, event: str, **fields: str | int | None) -> None:
        if self._connection is not None:
            identity = self._connection.identity
            log_event(_log, level, event, socket=identity.socket.name, agent=identity.agent_id, **fields)

    def _watch_idle(self) -> None:
        if self._commits.is_congested or self._turns.is_waiting:
            # That it was not heard is not its silence.
            self._last_inbound_s = self._loop.time()
        left_s = self._last_inbound_s + self._limits.idle_timeout_s - self._loop.time()
        if left_s <= 0:
            self.close(IDLE_CLOSE_CODE)
        else:
            self._deadline.set(left_s, self._watch_idle)

    # Holding back, and writing.

    def _is_too_much_waiting(self) -> bool:
        """Tell whether more waits for a client that does not read than may."""
        waiting_bytes = self._unsent_bytes + self._held_bytes + self._transport.get_write_buffer_size()
        return self._backlog.is_too_much(waiting_bytes, is_own=self._is_reading)

    def _drop(self) -> None:
        # More may come for it before the loop has told of its end.
        if not self._transport.is_closing():
            self._log(logging.WARNING, "slow_reader_dropped")
            self._counts.slow_readers += 1
            self._transport.abort()

    def _drop_unfinished(self) -> None:
        self._log(logging.WARNING, "unfinished_message_dropped")
        self._transport.abort()

    def _stop_reading(self) -> None:
        if not self._wire.is_holding():
            self._wire.hold()
            self._transport.pause_reading()

    def _read_on(self) -> None:
        """Carry out what has waited, then read again, unless what that causes must wait, too."""
        if self._is_reading or not self._wire.is_holding() or self._transport.is_closing():
            return
        while self._wire.is_holding() and self._may_read():
            self._is_reading = True
            try:
                self._wire.release()
            finally:
                self._is_reading = False
            self._upload.note(self._wire.unfinished_bytes())
            self.flush()
        if not (self._wire.is_holding() or self._transport.is_closing()):
            self._transport.resume_reading()

    def _may_read(self) -> bool:
        must_wait = self._is_paused or self._turns.is_waiting or self._commits.is_congested
        return not (must_wait or self._held_bytes > _HIGH_WATER_BYTES)

    def _schedule_flush(self) -> None:
        if not (self._is_reading or self._is_flush_due):
            self._is_flush_due = True
            self._flushes.add(self)

    def flush(self) -> None:
        """Write what is queued, or hold it until what it may tell of is kept."""
        self._is_flush_due = False
        self._unsent_bytes = 0
        writes = self._wire.data_to_send()
        if not writes or self._transport.is_closing():
            return
        # The library's sign for the end of the stream is an empty piece.
        data, is_last = b"".join(writes), not writes[-1]
        if self._commits.kept == self._commits.made and not self._held:
            self._write(data, is_last)
            return
        self._held.append((data, is_last))
        self._held_bytes += len(data)
        self._commits.call_when_kept(self._release, len(data))
        if self._held_bytes > self._backlog.most_held_bytes:
            self._commits.congest()
        if not self._may_read():
            self._stop_reading()

    def _release(self) -> None:
        """Write the next bytes that were held until the changes that they may tell of were kept."""
        data, is_last = self._held.popleft()
        self._held_bytes -= len(data)
        if not (self._held or self._is_paused):
            self._backlog.drain()
        if not self._transport.is_closing():
            self._write(data, is_last)
            self._read_on()

    def _write(self, data: bytes, is_last: bool) -> None:
        self._transport.write(data)
        self._counts.sent_bytes += len(data)
        if is_last:
            self._finish()

    def _finish(self) -> None:
        """Close our half, and leave the client time to read what was sent before its own half is cut off."""
        self._is_finished = True
        self._deadline.set(self._limits.linger_s, self._transport.abort)
        is_answered = self._wire.close_sent is None or self._wire.close_rcvd is not None
        close_half(self._transport, self.connection_lost, is_answered=is_answered)
