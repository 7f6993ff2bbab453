"""Timers of one process, all on one alarm."""

from __future__ import annotations

import sys
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

import gevent
from gevent.hub import Hub

from loadgen.client.clock import NEVER_AWAKE, alarm, now_us

_NEVER_US: Final = 1 << 52
_TICK_US: Final = 10_000
"""Something is due at least as often; of a longer lag, what was due meanwhile is counted as well."""


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

    Args:
        awake_beyond_us: After waits that are longer, the loop is awake already when something is due.

    Attributes:
        lags_us: By how much each round of timers came too late, and those that would have come while it was waited for, since
            somebody has last cleared it.

    """

    def __init__(self, awake_beyond_us: float = NEVER_AWAKE) -> None:
        self._hub: Hub = gevent.get_hub()
        self._heap: list[tuple[int, int, Timer]] = []
        self._number = 0
        self._armed_us = _NEVER_US
        self._rang_us = self._lags_from_us = now_us()
        self.lags_us: list[int] = []
        self._alarm = alarm(self._hub, self._ring, awake_beyond_us)

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

    @property
    def awake_s(self) -> float:
        """CPU time that went into being awake before something was due."""
        return self._alarm.awake_ns / 1e9

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
