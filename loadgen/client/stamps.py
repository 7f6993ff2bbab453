"""Sockets that tell when the kernel had what is read from them, so that no latency contains what the reader took to get there."""

from __future__ import annotations

import struct
import sys
from _socket import IPPROTO_TCP, SOL_SOCKET, socket
from contextlib import closing
from time import monotonic_ns, time_ns
from typing import Final

_TIMESTAMPS: Final = 35
"""SO_TIMESTAMPNS of Linux (asm-generic/socket.h), which the standard library does not name."""
_STAMP: Final = struct.Struct("@ll")
"""A time of day, in seconds and nanoseconds."""
_ROOM: Final = 64
_STEP_NS: Final = 100_000
"""By so much the time of day does not move against the monotonic clock between two readings, unless somebody has set it."""
_OLD_US: Final = 200
"""What is said to have come longer ago is looked at twice."""
_TCP_INFO: Final = 11
"""Of Linux (linux/tcp.h); other systems have others of that name."""
_REORDERED: Final = slice(224, 228)
"""`tcpi_rcv_ooopack` there, since Linux 5.4: packets that came before one that was to come earlier."""


class KernelClock:
    """Turns the kernel's stamps, which are times of day, into monotonic times; shared by all sockets of a process.

    Attributes:
        read_us: When it was last asked.

    """

    __slots__ = ("_offset_ns", "_set_ns", "read_us")

    def __init__(self) -> None:
        self.read_us = self._set_ns = 0
        self._offset_ns = time_ns() - monotonic_ns()

    def us(self, stamp: bytes) -> int:
        """Return the monotonic time of a stamp; now where that cannot be told, and never later than now."""
        # In this order, what has come seems younger than it is where the process is interrupted in between, never older.
        of_day_ns = time_ns()
        now_ns = monotonic_ns()
        offset_ns = of_day_ns - now_ns
        moved_ns, self._offset_ns = offset_ns - self._offset_ns, offset_ns
        self.read_us = now_ns // 1000
        if not -_STEP_NS < moved_ns < _STEP_NS:
            self._set_ns = now_ns
        seconds, rest_ns = _STAMP.unpack(stamp)
        at_ns: int = seconds * 1_000_000_000 + rest_ns - offset_ns
        # What came before it was seen that the clock was set may be stamped by the clock as it was, on any socket.
        return at_ns // 1000 if self._set_ns < at_ns < now_ns else self.read_us


class StampedSocket:
    """A socket that is read with stamps.

    Where several messages were waiting, the stamp is that of the last: none seems to have come before it has. But where packets have
    overtaken each other, or one was lost and sent again, the last is not what came last, and waited in the kernel for what did: of such
    a connection nothing that seems to have waited is believed to have, and counts as having come when it was read.

    Attributes:
        came_us: When the kernel had what was read last.
        send: The socket's own.

    Raises:
        OSError: If the system has no stamps.

    """

    __slots__ = ("_ask", "_clock", "_is_orderly", "_receive", "came_us", "send")

    def __init__(self, raw: socket, clock: KernelClock) -> None:
        raw.setsockopt(SOL_SOCKET, _TIMESTAMPS, 1)
        self._clock = clock
        self._receive, self._ask = raw.recvmsg, raw.getsockopt
        self._is_orderly = True
        self.send = raw.send
        self.came_us = 0

    def recv(self, count: int) -> bytes:
        """Read as the socket would."""
        data, told, _, _ = self._receive(count, _ROOM)
        if not told:
            # The end of a connection has none, nor has what came just when stamps were asked for.
            self.came_us = monotonic_ns() // 1000
            return data
        clock = self._clock
        came_us = clock.us(told[0][2])
        if clock.read_us - came_us > _OLD_US and not self._is_in_order():
            came_us = clock.read_us
        self.came_us = came_us
        return data

    def _is_in_order(self) -> bool:
        if self._is_orderly:
            reordered = self._ask(IPPROTO_TCP, _TCP_INFO, _REORDERED.stop)[_REORDERED]
            # An older kernel does not tell.
            self._is_orderly = len(reordered) == 4 and not any(reordered)
        return self._is_orderly


def kernel_clock() -> KernelClock | None:
    """Return a clock for sockets to be read with stamps; None where the system has none."""
    if sys.platform != "linux":
        return None
    clock = KernelClock()
    try:
        with closing(socket()) as probe:
            StampedSocket(probe, clock)
    except OSError:
        return None
    return clock
