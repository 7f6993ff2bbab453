"""A blocking WebSocket connection for tests: every byte is ours, every wait has an absolute end.

The handshake and the reading of frames are websockets' sans-I/O client; writing may also bypass it (`send_bytes`), so that
frames that no library would produce can be sent.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.extensions import Extension
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from conformance.client.deadline import Deadline
from conformance.client.read_only import RawMessages
from conformance.client.restraint import Restraint
from conformance.client.steps import Arrived, Ended, LetGo, Opened, Sent
from conformance.client.tcp import Unanswered, Unreachable, open_tcp
from conformance.client.transcript import Transcript
from specs.message import Frame

__all__ = ["Closed", "Deadline", "HandshakeRefused", "Unreachable", "Wire", "open_tcp"]

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
READ_BYTES = 65_536
LINGER_S = 0.2


class HandshakeRefused(Exception):
    """The server answered the handshake with something other than 101."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended: the code of the close frame, or None when there was none."""

    code: int | None

    def __str__(self) -> str:
        """Return the end of a connection in words."""
        return f"closed with code {self.code}" if self.code is not None else "closed without a close frame"


class _Client(ClientProtocol):
    """The library's client, but for what it was not offered: that is for the cases about the handshake to judge."""

    def process_extensions(self, headers: Headers) -> list[Extension]:  # noqa: ARG002
        """Use none, since none was offered."""
        return []

    def process_subprotocol(self, headers: Headers) -> None:
        """Use none, since none was offered."""


class Wire:
    """One open WebSocket connection."""

    def __init__(
        self,
        sock: socket.socket,
        protocol: ClientProtocol,
        name: str,
        transcript: Transcript,
        restraint: Restraint | None = None,
    ) -> None:
        self.name = name
        self.number = transcript.connection()
        self._sock = sock
        self._protocol = protocol
        self._transcript = transcript
        self._restraint = restraint or Restraint()
        self._raw = RawMessages()
        self._frames: deque[Frame] = deque()
        self._parts: list[bytes] = []
        self._is_text = True
        self.pongs: list[bytes] = []
        self.closed: Closed | None = None
        self.is_dropped = False
        """Whether this side has given the connection up."""

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        name: str,
        transcript: Transcript,
        timeout_s: float,
        headers: dict[str, str] | None = None,
        ca: Path | None = None,
        restraint: Restraint | None = None,
    ) -> Wire:
        """Open a WebSocket.

        Raises:
            Unreachable: If there is no connection or no HTTP response within `timeout_s`.
            HandshakeRefused: If the response is not 101.

        """
        protocol = _Client(parse_uri(url), max_size=MAX_MESSAGE_BYTES)
        wire = cls(open_tcp(url, timeout_s, ca=ca), protocol, name, transcript, restraint)
        transcript.add(name, "opened", url)
        status: int | None = 0
        try:
            wire._handshake(headers or {}, time.monotonic() + timeout_s)
            status = None
        except HandshakeRefused as exc:
            status = exc.status
            raise
        finally:
            transcript.took(Opened(wire.number, name, url, headers or {}, status))
            if status is not None:
                wire.abort()
        return wire

    def _handshake(self, headers: dict[str, str], until_s: float) -> None:
        request = self._protocol.connect()
        for header, value in headers.items():
            request.headers[header] = value
        self._protocol.send_request(request)
        self._flush()
        response: Response | None = None
        while response is None:
            ended = not self._read(until_s)
            for event in self._protocol.events_received():
                if isinstance(event, Response):
                    response = event
                else:
                    self._take(event)
            if response is None and (ended or self.closed):
                break
        self._check_response(response)

    def _check_response(self, response: Response | None) -> None:
        failure = self._protocol.handshake_exc
        if response is None and not isinstance(failure, InvalidStatus):
            fault = Unanswered if failure else Unreachable
            raise fault(f"no answer to the WebSocket handshake ({failure or 'time-out'})")
        answer = failure.response if isinstance(failure, InvalidStatus) else response
        if answer is not None and answer.status_code != 101:
            self._transcript.add(self.name, "received", f"HTTP {answer.status_code}")
            raise HandshakeRefused(answer.status_code, bytes(answer.body or b""))
        if isinstance(failure, InvalidHandshake):
            raise Unreachable(f"the handshake response is not valid: {failure}")

    def send(self, frame: Frame) -> None:
        """Send one unfragmented message.

        Raises:
            CannotProvision: If the run is read-only and the message might change something; as for all that sends.

        """
        self.announce(frame)
        if self._protocol.state is not State.OPEN:
            return
        if frame.is_text:
            self._protocol.send_text(frame.data)
        else:
            self._protocol.send_binary(frame.data)
        self._flush()

    def send_text(self, text: str) -> None:
        """Send a text message as it stands."""
        self.send(Frame(text.encode(), is_text=True))

    def send_bytes(self, data: bytes, what: str) -> None:
        """Put bytes on the wire that need not be a WebSocket frame; `what` goes into the transcript."""
        self._restraint.check_raw(self._raw, data)
        self._restraint.wait()
        self._transcript.add(self.name, "sent", f"<{what}: {data[:60].hex(' ')}>")
        self._transcript.took(Sent(self.number, "bytes", (data,)))
        self._write(data)

    def put(self, data: bytes, after_s: float = 0.0) -> None:
        """Put bytes on the wire at once, or a moment later; the transcript has been told of them before."""
        if after_s:
            time.sleep(after_s)
        self._write(data)

    def send_fragments(self, parts: list[bytes]) -> None:
        """Send one text message in several frames."""
        self._restraint.check(b"".join(parts), is_text=True)
        self._restraint.wait()
        self._transcript.add(self.name, "sent", f"<{len(parts)} fragments: {b''.join(parts)!r}>")
        self._transcript.took(Sent(self.number, "fragments", tuple(parts)))
        self._protocol.send_text(parts[0], fin=len(parts) == 1)
        for index, part in enumerate(parts[1:], start=2):
            self._protocol.send_continuation(part, fin=index == len(parts))
        self._flush()

    def ping(self, data: bytes) -> None:
        """Send a WebSocket ping."""
        self._restraint.wait()
        self._transcript.add(self.name, "sent", f"<ping {data!r}>")
        self._transcript.took(Sent(self.number, "ping", (data,)))
        self._protocol.send_ping(data)
        self._flush()

    def receive(self, until_s: float) -> Frame | None:
        """Return the next message; None when none came until the monotonic time `until_s` or the connection ended."""
        began_s = time.monotonic()
        while not self._frames and self.closed is None:
            if not self._read(until_s):
                break
            for event in self._protocol.events_received():
                self._take(event)
        if not self._frames:
            self._transcript.waited(time.monotonic() - began_s)
            return None
        frame = self._frames.popleft()
        self._transcript.took(Arrived(self.number, frame.data, frame.is_text))
        return frame

    def announce(self, frame: Frame) -> None:
        """Put a message that is about to be sent into the transcript, once it may be sent.

        Raises:
            CannotProvision: If the run is read-only and the message might change something.

        """
        self._restraint.check(frame.data, is_text=frame.is_text)
        self._restraint.wait()
        self._transcript.add(self.name, "sent", frame.data.decode() if frame.is_text else frame.data)
        self._transcript.took(Sent(self.number, "text" if frame.is_text else "binary", (frame.data,)))

    def note_received(self, frame: Frame) -> None:
        """Put a message that was taken into the transcript."""
        text = frame.data.decode(errors="replace") if frame.is_text else frame.data
        self._transcript.add(self.name, "received", text)

    def wait_closed(self, until_s: float) -> Closed | None:
        """Read on until the connection ends; None when it has not by `until_s`. Messages stay readable."""
        while self.closed is None and self._read(until_s):
            for event in self._protocol.events_received():
                self._take(event)
        return self.closed

    def wait_pong(self, data: bytes, until_s: float) -> bool:
        """Read on until a pong with this payload has come."""
        while data not in self.pongs and self.closed is None and self._read(until_s):
            for event in self._protocol.events_received():
                self._take(event)
        return data in self.pongs

    def close(self, linger_s: float = LINGER_S) -> bool:
        """Close in order: the closing handshake, then TCP; tell whether the other side took part within `linger_s`.

        What was not read yet would make the kernel reset the connection, and a proxy might then lose the close frame.
        """
        if self.closed is None and self._protocol.state is State.OPEN:
            self._transcript.took(LetGo(self.number, "close"))
            self._protocol.send_close(1000)
            self._flush()
        has_ended = self.wait_closed(time.monotonic() + linger_s) is not None
        self.abort()
        return has_ended

    def half_close(self) -> None:
        """Let TCP say that no more comes, without a close frame; what the other side sends can still be read."""
        self._transcript.add(self.name, "note", "sends no more, without a close frame")
        self._transcript.took(LetGo(self.number, "half_close"))
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Drop the TCP connection by a reset, as when a machine has lost it."""
        self._transcript.add(self.name, "note", "resets the connection")
        self._transcript.took(LetGo(self.number, "reset"))
        self.is_dropped = True
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()

    def abort(self) -> None:
        """Drop the TCP connection."""
        if self.closed is None and not self.is_dropped and self._protocol.state is State.OPEN:
            self._transcript.took(LetGo(self.number, "drop"))
        self.is_dropped = True
        self._sock.close()

    def _take(self, event: object) -> None:
        if not isinstance(event, WireFrame):
            return
        if event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            if event.opcode is not Opcode.CONT:
                self._is_text = event.opcode is Opcode.TEXT
            self._parts.append(bytes(event.data))
            if event.fin:
                self._frames.append(Frame(b"".join(self._parts), is_text=self._is_text))
                self._parts.clear()
        elif event.opcode is Opcode.PONG:
            self.pongs.append(bytes(event.data))

    def _read(self, until_s: float) -> bool:
        """Read once; False when the time is up or the connection has ended."""
        remaining_s = until_s - time.monotonic()
        if remaining_s <= 0 or self.closed is not None:
            return False
        try:
            self._sock.settimeout(remaining_s)
            data = self._sock.recv(READ_BYTES)
        except TimeoutError:
            return False
        except OSError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._flush()
        self._note_end(is_eof=not data)
        return True

    def _note_end(self, *, is_eof: bool) -> None:
        received = self._protocol.close_rcvd
        if received is not None or is_eof:
            self.closed = Closed(int(received.code) if received is not None else None)
            self._transcript.add(self.name, "closed", str(self.closed))
            self._transcript.took(Ended(self.number, self.closed.code))

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            self._sock.settimeout(10.0)
            self._sock.sendall(data)
        except OSError:
            # The other side has gone; what it said before is still to be read.
            return
