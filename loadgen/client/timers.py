"""Timers of one process, exact to some microseconds where the system has `timerfd`.

The timers of an event loop on epoll are exact to a millisecond; a fifth of a latency of five would be made up of them.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import time
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

import gevent
from gevent.hub import Hub

_CLOCK_MONOTONIC: Final = 1
_ABSOLUTE: Final = 1
_NEVER_US: Final = 1 << 52
_TICK_US: Final = 10_000
"""Something is due at least as often; of a longer lag, what was due meanwhile is counted as well."""
_SPEC: Final = struct.Struct("@llll")
_LEAD_US: Final = 100
"""What waking up may take: a loop that would sleep wakes up by so much before something is due, and looks until it is."""
_SLEEP_US: Final = 500
"""A shorter wait is no sleep, from which waking up is slow, and looking through all of them would take the whole core."""


def now_us() -> int:
    """Return the monotonic time in microseconds."""
    return time.monotonic_ns() // 1000


class Timer:
    """Something that is due; `cancel` makes nothing of it."""

    __slots__ = ("call", "due_us")

    def __init__(self, due_us: int, call: Callable[[int], object] | None) -> None:
        self.due_us = due_us
        self.call = call

    def cancel(self) -> None:
        """Do not call."""
        self.call = None


class Timers:
    """Calls what is due on the event loop of this thread, each with the time at which it was due.

    Attributes:
        lags_us: By how much each round of timers came too late, and those that would have come while it was waited for, since
            somebody has last cleared it.

    """

    def __init__(self) -> None:
        self._hub: Hub = gevent.get_hub()
        self._heap: list[tuple[int, int, Timer]] = []
        self._number = 0
        self._armed_us = _NEVER_US
        self._rang_us = self._lags_from_us = now_us()
        self.lags_us: list[int] = []
        self._alarm = _alarm(self._hub, self._ring)

    def at(self, due_us: int, call: Callable[[int], object]) -> Timer:
        """Call at a time, at once (but not before returning) if that is past."""
        timer = Timer(due_us, call)
        self._number += 1
        heappush(self._heap, (due_us, self._number, timer))
        if due_us < self._armed_us:
            self._arm(due_us)
        return timer

    def now_us(self) -> int:
        """Return the time that timers go by."""
        return now_us()

    def after(self, delay_s: float, call: Callable[[int], object]) -> Timer:
        """Call after a delay."""
        return self.at(now_us() + round(delay_s * 1e6), call)

    def begin_anew(self) -> None:
        """Forget all lags, also of what is due already and was not called yet: it was held up by what is over."""
        self.lags_us.clear()
        self._lags_from_us = now_us()

    def close(self) -> None:
        """Call nothing any more."""
        self._heap.clear()
        self._alarm.close()

    def _arm(self, due_us: int) -> None:
        self._armed_us = due_us
        self._alarm.set(due_us)

    def _ring(self) -> None:
        heap = self._heap
        now = now_us()
        if heap:
            lag_us = now - max(heap[0][0], self._lags_from_us)
            self.lags_us.append(lag_us)
            stalled_us = min(lag_us, now - self._rang_us)
            if stalled_us > _TICK_US:
                self.lags_us.extend(range(stalled_us - _TICK_US, 0, -_TICK_US))
        self._rang_us = now
        # Whoever adds a timer meanwhile need not set the alarm: that is done at the end.
        self._armed_us = 0
        # What is added meanwhile waits for the next round, so that sockets get their turn between rounds.
        until = self._number
        later = []
        while heap and heap[0][0] <= now:
            entry = heappop(heap)
            if entry[1] > until:
                later.append(entry)
            elif entry[2].call is not None:
                self._call(entry[2].call, entry[0])
        for entry in later:
            heappush(heap, entry)
        self._arm(heap[0][0] if heap else _NEVER_US)

    def _call(self, call: Callable[[int], object], due_us: int) -> None:
        try:
            call(due_us)
        except Exception:  # noqa: BLE001 - one fault must not end all other timers
            self._hub.handle_error(call, *sys.exc_info())


class _TimerFd:
    """An alarm on Linux' timerfd, which stays readable once it has rung, until it is set again."""

    def __init__(self, hub: Hub, ring: Callable[[], object]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._set = self._libc.timerfd_settime
        self._spec = ctypes.create_string_buffer(_SPEC.size)
        self._due_us = _NEVER_US
        self._ring = ring
        self._watcher = hub.loop.io(self._fd, 1)
        self._watcher.start(self._rung)

    def set(self, due_us: int) -> None:
        self._due_us = due_us
        if due_us - now_us() > _SLEEP_US:
            due_us -= _LEAD_US
        # A time of zero would disarm it; one that is past rings at once. Setting it also takes back that it has rung.
        seconds, rest_us = divmod(max(due_us, 1), 1_000_000)
        _SPEC.pack_into(self._spec, 0, 0, 0, seconds, rest_us * 1000)
        self._set(self._fd, _ABSOLUTE, self._spec, None)

    def _rung(self) -> None:
        # Before its time, it is only left as it is: the loop comes back at once, and sockets get their turn meanwhile.
        if now_us() >= self._due_us:
            self._ring()

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        os.close(self._fd)


class _LoopTimer:
    """An alarm on the event loop's own timer, exact to a millisecond."""

    def __init__(self, hub: Hub, ring: Callable[[], object]) -> None:
        self._loop = hub.loop
        self._ring = ring
        self._timer: Any = None

    def set(self, due_us: int) -> None:
        self.close()
        self._timer = self._loop.timer(max(0, due_us - now_us()) / 1e6)
        self._timer.start(self._ring, update=True)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()


def _alarm(hub: Hub, ring: Callable[[], object]) -> _TimerFd | _LoopTimer:
    if sys.platform == "linux":
        try:
            return _TimerFd(hub, ring)
        except (OSError, AttributeError):
            pass
    return _LoopTimer(hub, ring)
