"""One WebSocket on the event loop of gevent: read watchers call back, no greenlet waits for it.

Rules of this file: nothing here knows Phoenix; every callback of the loop catches its own faults; after `on_lost`, which comes once,
nothing more is called; what a slot holds is taken out before it is called on the hot path, since CPython 3.11 looks for a method first.
"""

from __future__ import annotations

import errno
import os
from _socket import IPPROTO_TCP, SO_ERROR, SOCK_STREAM, SOL_SOCKET, TCP_NODELAY, socket
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, Protocol

import gevent

from loadgen.client.frames import WHOLE_TEXT, body_of
from loadgen.client.handshake import Handshake, HandshakeRefused
from loadgen.client.odd_frames import BrokenFrame, Closed, Fragments, close_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.client.route import Route
    from loadgen.client.tls import TlsStream

READ_BYTES: Final = 8_192
WRITE_BYTES: Final = 1 << 20
"""What may wait to be sent on one connection; who lets more come up is told that it is lost."""

ENDED: Final = "the server has ended the connection"

_READ: Final = 1
_WRITE: Final = 2
_IN_PROGRESS: Final = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN})


class Listener(Protocol):
    """Who is told what happens on a connection."""

    def on_open(self, at_us: int) -> None:
        """The handshake is done."""

    def on_text(self, text: bytes, at_us: int) -> None:
        """A text message has come."""

    def on_binary(self, data: bytes, at_us: int) -> None:
        """A binary message has come."""

    def on_lost(self, reason: str) -> None:
        """The connection is over, or could not be opened; `reason` is short enough to count by."""


class Connection:
    """One connection, opening from the start.

    Args:
        route: How to reach the server.
        url: ws:// or wss:// URL with its query.
        listener: Is told what happens.

    """

    __slots__ = (
        "_events",
        "_fd",
        "_fragments",
        "_handshake",
        "_is_corked",
        "_is_over",
        "_listener",
        "_loop",
        "_on_text",
        "_out",
        "_receive",
        "_rest",
        "_send",
        "_socket",
        "_stamped",
        "_tls",
        "_watcher",
        "is_open",
    )

    def __init__(self, route: Route, url: str, listener: Listener) -> None:
        self._loop: Any = gevent.get_hub().loop
        self._listener = listener
        self._on_text = listener.on_text
        self._handshake: Handshake | None = Handshake(url)
        self._fragments: Fragments | None = None
        self._rest = b""
        self._out: list[bytes] = []
        self._is_corked = self._is_over = self.is_open = False
        self._socket = socket(route.family, SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._stamped = route.stamped(self._socket)
        raw = self._stamped or self._socket
        self._tls: TlsStream | None = route.tls_stream(raw)
        self._receive: Callable[[int], bytes] = self._tls.receive if self._tls else raw.recv
        self._send: Callable[[bytes], int] = self._tls.send if self._tls else raw.send
        self._fd = self._socket.fileno()
        self._watcher: Any = self._loop.io(self._fd, _WRITE)
        self._events = _WRITE
        code = self._socket.connect_ex(route.address)
        if code and code not in _IN_PROGRESS:
            self._loop.run_callback(self._lose, os.strerror(code))
        else:
            self._watcher.start(self._connected)

    # Sending

    def send(self, frame: bytes) -> None:
        """Send a frame, now or as soon as it can be; nothing where the connection is over."""
        if self._is_corked or self._out:
            self._out.append(frame)
        else:
            self._write(frame)

    def pause_reading(self) -> None:
        """Read nothing until `resume_reading`."""
        if self.is_open and not self._is_over:
            self._watcher.stop()

    def resume_reading(self) -> None:
        """Read again."""
        if self.is_open and not self._is_over:
            self._watcher.start(self._readable)

    def close(self, code: int = 1000) -> None:
        """Say goodbye and end; the listener is not told."""
        if self._is_over:
            return
        if self.is_open:
            self._is_corked = False
            self.send(close_frame(code))
        self._end()

    def _write(self, data: bytes) -> None:
        if self._is_over:
            return
        send = self._send
        try:
            sent = send(data)
        except BlockingIOError:
            sent = 0
        except OSError as fault:
            # Not from within the caller: it may be about to note what it has sent.
            self._loop.run_callback(self._lose, _reason_of(fault))
            return
        if sent < len(data):
            self._out.append(data[sent:])
            self._watch(_READ | _WRITE)
        elif self._tls is not None and self._tls.is_blocked:
            self._watch(_READ | _WRITE)

    def _flush(self) -> None:
        if self._is_over:
            return
        out = b"".join(self._out)
        self._out.clear()
        if len(out) > WRITE_BYTES:
            self._lose("the server does not read")
            return
        self._write(out)
        if not (self._out or self._is_over or (self._tls is not None and self._tls.is_blocked)):
            self._watch(_READ)

    def _watch(self, events: int) -> None:
        if self._events != events:
            self._watcher.stop()
            self._watcher.events = self._events = events
            self._watcher.start(self._ready if events & _WRITE else self._readable)

    # Receiving

    def _connected(self) -> None:
        code = self._socket.getsockopt(SOL_SOCKET, SO_ERROR)
        if code:
            self._lose(os.strerror(code))
            return
        self._watcher.stop()
        self._watcher.events = self._events = _READ
        self._watcher.start(self._readable)
        if self._handshake is not None:
            self._write(self._handshake.request)

    def _ready(self) -> None:
        self._flush()
        self._readable()

    def _readable(self) -> None:
        receive, on_text = self._receive, self._on_text
        try:
            data = receive(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as fault:
            self._lose(_reason_of(fault))
            return
        stamped = self._stamped
        at_us = monotonic_ns() // 1000 if stamped is None else stamped.came_us
        # What is sent from within callbacks goes out together.
        self._is_corked = True
        try:
            # Nearly always one whole short text frame comes alone.
            if (
                self.is_open
                and len(data) > 2
                and data[0] == WHOLE_TEXT
                and data[1] == len(data) - 2
                and not self._rest
            ):
                on_text(data[2:], at_us)
            else:
                self._received(data, at_us)
        except (BrokenFrame, HandshakeRefused) as fault:
            self._lose(str(fault))
        self._is_corked = False
        out = self._out
        if out:
            if len(out) == 1 and self._events == _READ:
                self._write(out.pop())
            else:
                self._flush()

    def _received(self, data: bytes, at_us: int) -> None:
        if not data:
            self._lose(ENDED)
        elif self._handshake is None:
            self._take(data, at_us)
        else:
            self._open(self._handshake, data, at_us)

    def _open(self, handshake: Handshake, data: bytes, at_us: int) -> None:
        rest = handshake.take(data)
        if rest is None:
            return
        self._handshake = None
        self.is_open = True
        self._listener.on_open(at_us)
        if rest:
            self._take(rest, at_us)

    def _take(self, data: bytes, at_us: int) -> None:
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= 2:
            body, length = at + 2, data[at + 1]
            if length > 125:
                body, length = body_of(data, at, end)
            if length < 0:
                raise BrokenFrame("the server masks its frames")
            stop = body + length
            if not body or stop > end:
                break
            if data[at] == WHOLE_TEXT:
                self._on_text(data[body:stop], at_us)
            else:
                self._take_odd(data[at], data[body:stop], at_us)
            if self._is_over:
                return
            at = stop
        self._rest = data[at:] if at < end else b""

    def _take_odd(self, first: int, data: bytes, at_us: int) -> None:
        if self._fragments is None:
            self._fragments = Fragments()
        meaning, answer = self._fragments.take(first, data)
        if answer:
            self.send(answer)
        if isinstance(meaning, Closed):
            self._is_corked = False
            self._flush()
            self._lose(f"close {meaning.code}")
        elif meaning is not None:
            (self._listener.on_text if meaning.is_text else self._listener.on_binary)(meaning.data, at_us)

    # The end

    def _lose(self, reason: str) -> None:
        if not self._is_over:
            self._end()
            self._listener.on_lost(reason)

    def _end(self) -> None:
        self._is_over = True
        self.is_open = False
        self._watcher.stop()
        self._watcher.close()
        self._socket.close()
        self._out.clear()
        self._rest = b""


def _reason_of(fault: OSError) -> str:
    return fault.strerror or type(fault).__name__
