"""The clock of one process: its time, and an alarm on its event loop, exact to some microseconds where the system has `timerfd`.

The timers of an event loop on epoll are exact to a millisecond; a fifth of a latency of five would be made up of them.
"""

from __future__ import annotations

import ctypes
import math
import os
import struct
import sys
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from gevent.monkey import get_original

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent.hub import Hub

# Locust takes it away from the module, since it blocks; here it never does.
_epoll: Final[Any] = get_original("select", "epoll") if sys.platform == "linux" else None

_CLOCK_MONOTONIC: Final = 1
_ABSOLUTE: Final = 1
_SPEC: Final = struct.Struct("@llll")
_LEAD_US: Final = 100
"""What waking up may take: a loop that is to be awake in time stops sleeping so long before something is due."""

ALWAYS_AWAKE: Final = 0.0
"""The loop is awake whenever something is due, though that may take all of its core."""
MOSTLY_AWAKE: Final = 500.0
"""It is so after waits that are long enough for that to take little of its core."""
NEVER_AWAKE: Final = math.inf
"""It sleeps until something is due."""


def now_us() -> int:
    """Return the monotonic time in microseconds."""
    return time.monotonic_ns() // 1000


class Alarm(ABC):
    """An alarm of one event loop.

    Attributes:
        awake_ns: CPU time that went into being awake before it was time.

    """

    def __init__(self, hub: Hub, ring: Callable[[], object]) -> None:
        self._loop: Any = hub.loop
        self._ring = ring
        self.awake_ns = 0

    @abstractmethod
    def set(self, due_us: int) -> None:
        """Ring at a time, at once if that is past, instead of when it was to ring before."""

    @abstractmethod
    def close(self) -> None:
        """Do not ring any more."""


class TimerFd(Alarm):
    """An alarm on Linux' timerfd, which stays readable once it has rung, until it is set again.

    Args:
        hub: Of the loop.
        ring: Is called.
        awake_beyond_us: After waits that are longer, the loop is to be awake already when the alarm is due.

    """

    def __init__(self, hub: Hub, ring: Callable[[], object], awake_beyond_us: float) -> None:
        super().__init__(hub, ring)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._set = self._libc.timerfd_settime
        self._spec = ctypes.create_string_buffer(_SPEC.size)
        self._due_us = 0
        self._awake_beyond_us = awake_beyond_us
        # What the loop waits for, seen without the loop.
        self._sources: Any = (
            _epoll.fromfd(os.dup(self._loop.fileno())) if self._loop.backend == "epoll" else None
        )
        self._watcher = self._loop.io(self._fd, 1)
        self._watcher.start(self._rung)

    def set(self, due_us: int) -> None:
        """Ring at a time."""
        self._due_us = due_us
        if due_us - now_us() > self._awake_beyond_us:
            due_us -= _LEAD_US
        # A time of zero would disarm it; one that is past rings at once. Setting it also takes back that it has rung.
        seconds, rest_us = divmod(max(due_us, 1), 1_000_000)
        _SPEC.pack_into(self._spec, 0, 0, 0, seconds, rest_us * 1000)
        self._set(self._fd, _ABSOLUTE, self._spec, None)

    def _rung(self) -> None:
        if now_us() < self._due_us:
            self._stay_awake()
        # Before its time, it is only left as it is: the loop comes back at once, and sockets get their turn meanwhile.
        if now_us() >= self._due_us:
            self._ring()

    def _stay_awake(self) -> None:
        """Wait until it is time, or until something has come for the loop besides this alarm."""
        if self._sources is None:
            return
        poll, due_us, began_ns = self._sources.poll, self._due_us, time.thread_time_ns()
        while now_us() < due_us and len(poll(0, 2)) < 2:
            pass
        self.awake_ns += time.thread_time_ns() - began_ns

    def close(self) -> None:
        """Do not ring any more."""
        self._watcher.stop()
        self._watcher.close()
        os.close(self._fd)
        if self._sources is not None:
            self._sources.close()


class LoopTimer(Alarm):
    """An alarm on the event loop's own timer, exact to a millisecond."""

    def __init__(self, hub: Hub, ring: Callable[[], object]) -> None:
        super().__init__(hub, ring)
        self._timer: Any = None

    def set(self, due_us: int) -> None:
        """Ring at a time."""
        self.close()
        self._timer = self._loop.timer(max(0, due_us - now_us()) / 1e6)
        self._timer.start(self._ring, update=True)

    def close(self) -> None:
        """Do not ring any more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()


def alarm(hub: Hub, ring: Callable[[], object], awake_beyond_us: float) -> Alarm:
    """Return the best alarm that the system has."""
    if sys.platform == "linux":
        try:
            return TimerFd(hub, ring, awake_beyond_us)
        except (OSError, AttributeError):
            # No timerfd in this kernel, or in this C library.
            pass
    return LoopTimer(hub, ring)
