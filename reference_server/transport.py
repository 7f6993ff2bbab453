"""A WebSocket on an asyncio transport: bytes in, frames to the `Connection`, bytes out.

Rules for this file. What RFC 6455 says is `websockets`' sans-I/O `ServerProtocol`; here is what Phoenix on Cowboy does around it:
the handshake by our own decision, close frames with an empty reason, the idle timer, one write for all that one read caused.
Messages are handed over from within the parser, one by one, so that everything is answered in the order in which it came.
The connection is told of its end as soon as a close frame is sent or received, not when TCP is gone.
"""

from __future__ import annotations

import asyncio
import http
import logging
import struct
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, cast

from websockets.datastructures import Headers
from websockets.frames import Close, CloseCode, Opcode
from websockets.frames import Frame as WireFrame
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from reference_server.connection import Backend, Connection
from reference_server.handshake import Accept, OnRequest, Refuse
from reference_server.redaction import describe_exception
from reference_server.versions import CRASH_CLOSE_CODE, IDLE_CLOSE_CODE, STOP_CLOSE_CODE
from specs.message import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("reference_server.transport")
# The library's own lines would show request targets and frames, both of which hold credentials.
_SILENT = logging.getLogger("reference_server.silenced")
_SILENT.disabled = True

_HEAD_END = b"\r\n\r\n"
_MAX_HEAD_BYTES = 65_536
_SHORT_LENGTH, _MEDIUM_LENGTH = 126, 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much a connection may."""

    idle_timeout_s: float = 60.0
    """Without any bytes from the client the connection is closed (T-2)."""
    handshake_timeout_s: float = 10.0
    linger_s: float = 2.0
    """How long the client may take to close TCP after the last bytes of the server."""
    message_bytes: int = 10_000_000
    queue_bytes: int = 8 * 1024 * 1024
    """What may wait for a client that does not read; beyond it the connection is dropped."""


def encode_frame(frame: Frame) -> bytes:
    """Build the bytes of one unmasked, unfragmented WebSocket frame (RFC 6455 section 5.2)."""
    head, length = 0x81 if frame.is_text else 0x82, len(frame.data)
    if length < _SHORT_LENGTH:
        return struct.pack("!BB", head, length) + frame.data
    if length < _MEDIUM_LENGTH:
        return struct.pack("!BBH", head, 126, length) + frame.data
    return struct.pack("!BBQ", head, 127, length) + frame.data


class WireProtocol(ServerProtocol):
    """The library's state machine, handing over whole messages in order and closing with an empty reason."""

    def __init__(
        self, max_bytes: int, on_message: Callable[[Frame], None], on_end: Callable[[int | None], None]
    ) -> None:
        super().__init__(max_size=max_bytes, logger=_SILENT)
        self._on_message = on_message
        self._on_end = on_end
        self._parts: list[bytes] = []
        self._is_text = False

    def fail(self, code: int, reason: str = "") -> None:  # noqa: ARG002 - reasons are always empty (section 8)
        """Send a close frame where none was sent, and end the connection from our side."""
        super().fail(code)
        self._on_end(code)

    def recv_frame(self, frame: WireFrame) -> None:
        """Take one frame; a message is handed over with its last one."""
        if frame.opcode is Opcode.CLOSE:
            # The client's code is echoed (T-6), its reason is not.
            Close.parse(frame.data)
            frame = WireFrame(Opcode.CLOSE, frame.data[:2])
        super().recv_frame(frame)
        self.events.clear()
        if frame.opcode is Opcode.CLOSE:
            self._on_end(self.close_rcvd.code if self.close_rcvd else None)
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            self._assemble(frame)

    def _assemble(self, frame: WireFrame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        if self._is_text:
            # A UnicodeDecodeError is what the library turns into a close with 1007 (M-11).
            data.decode()
        self._on_message(Frame(data, self._is_text))


class WebSocketTransport(asyncio.Protocol):
    """One TCP connection of a client.

    Args:
        backend: What a connection is made with.
        on_request: Decides on the handshake.
        limits: Time and size limits.
        live: The server's set of transports; this one adds and removes itself.

    `gone` is done when TCP is closed and everything released.

    """

    def __init__(
        self, backend: Backend, on_request: OnRequest, limits: Limits, live: set[WebSocketTransport]
    ) -> None:
        self._backend = backend
        self._on_request = on_request
        self._limits = limits
        self._live = live
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._wire = WireProtocol(limits.message_bytes, self._received, self._ended)
        self._connection: Connection | None = None
        self._head = b""
        self._last_inbound_s = self._loop.time()
        self._is_reading = self._is_paused = self._is_flush_due = self._is_finished = False
        self._timer: asyncio.TimerHandle | None = None

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the handshake."""
        self._transport = cast("asyncio.Transport", transport)
        self._live.add(self)
        self._timer = self._loop.call_later(self._limits.handshake_timeout_s, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Carry out everything in one segment, then answer with one write."""
        self._last_inbound_s = self._loop.time()
        self._is_reading = True
        try:
            if self._connection is None and not self._is_finished:
                data = self._read_head(data)
            if data:
                self._wire.receive_data(data)
        finally:
            self._is_reading = False
        self._flush()

    def eof_received(self) -> None:
        """Take note that the client sends no more; asyncio then closes TCP once everything is written."""
        self._wire.receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        """Read no more from a client that does not read."""
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        self._is_paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End the channels, where nothing has ended them before (T-7)."""
        self._live.discard(self)
        self._cancel_timer()
        self._ended(None)
        if not self.gone.done():
            self.gone.set_result(None)

    # Called by the server and the connection.

    def send(self, frame: Frame) -> None:
        """Queue a frame; it is written with all others of this turn of the loop."""
        if self._wire.state is not State.OPEN:
            return
        if self._is_paused and self._transport.get_write_buffer_size() > self._limits.queue_bytes:
            _log.warning("dropped a client that does not read")
            self._transport.abort()
            return
        self._wire.writes.append(encode_frame(frame))
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

    # Handshake.

    def _read_head(self, data: bytes) -> bytes:
        """Take what belongs to the request and answer it when it is whole; return what lies behind it."""
        self._head += data
        end = self._head.find(_HEAD_END)
        if end < 0 and len(self._head) <= _MAX_HEAD_BYTES:
            return b""
        end = end + len(_HEAD_END) if end >= 0 else len(self._head)
        head, rest = self._head[:end], self._head[end:]
        self._head = b""
        # The library would go on to frames behind the request before it is answered.
        self._wire.receive_data(head)
        self._answer()
        return rest if self._connection is not None else b""

    def _answer(self) -> None:
        requests = [event for event in self._wire.events_received() if isinstance(event, Request)]
        if not requests:
            self._refuse_garbage()
            return
        decision = self._on_request(requests[0])
        if isinstance(decision, Refuse):
            self._wire.send_response(_response(decision))
        else:
            self._open(decision)

    def _refuse_garbage(self) -> None:
        if not self._wire.eof_sent:
            self._wire.fail(CloseCode.PROTOCOL_ERROR)
        # Where the library has no answer of its own, Phoenix' servers still have one.
        if not any(self._wire.writes):
            self._wire.writes.insert(0, _response(Refuse(400)).serialize())

    def _open(self, accept: Accept) -> None:
        self._wire.send_response(_switching(accept.key))
        self._connection = Connection(
            self._backend, accept.identity, accept.serializer, self.send, self.close
        )
        self._cancel_timer()
        self._watch_idle()

    # Inside an open connection.

    def _received(self, frame: Frame) -> None:
        if self._connection is None:
            return
        try:
            self._connection.receive(frame)
        except Exception as exc:  # noqa: BLE001 - a crash of the connection process ends this socket alone
            _log.error("connection crashed: %s", describe_exception(exc))
            self.close(CRASH_CLOSE_CODE)

    def _ended(self, code: int | None) -> None:
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        self._is_finished = True
        _log.info("%s: closed with %s", connection.identity.socket.name, code)
        connection.closed()

    def _watch_idle(self) -> None:
        left_s = self._last_inbound_s + self._limits.idle_timeout_s - self._loop.time()
        if left_s <= 0:
            self.close(IDLE_CLOSE_CODE)
        else:
            self._timer = self._loop.call_later(left_s, self._watch_idle)

    # Writing.

    def _schedule_flush(self) -> None:
        if not (self._is_reading or self._is_flush_due):
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        writes = self._wire.data_to_send()
        if not writes or self._transport.is_closing():
            return
        self._transport.write(b"".join(writes))
        # The library's sign for the end of the stream is an empty piece.
        if not writes[-1]:
            self._finish()

    def _finish(self) -> None:
        """Close our half, and leave the client time to read what was sent before its own half is cut off."""
        self._is_finished = True
        self._cancel_timer()
        self._timer = self._loop.call_later(self._limits.linger_s, self._transport.abort)
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _switching(key: str) -> Response:
    headers = Headers(
        [("Date", formatdate(usegmt=True)), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    )
    headers["Sec-WebSocket-Accept"] = accept_key(key)
    return Response(101, "Switching Protocols", headers)


def _response(refuse: Refuse) -> Response:
    body = refuse.body.encode()
    headers = Headers(
        [
            ("Date", formatdate(usegmt=True)),
            ("Cache-Control", "max-age=0, private, must-revalidate"),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
        ]
    )
    if body:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    if refuse.status == http.HTTPStatus.UPGRADE_REQUIRED:
        headers["Upgrade"] = "websocket"
    return Response(refuse.status, http.HTTPStatus(refuse.status).phrase, headers, body)
