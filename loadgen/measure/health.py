"""Whether the generator itself was fit: what it took of its core, and how late it came to what was due.

A latency that was measured by a generator out of breath is its own, not the server's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from loadgen.measure.histogram import Histogram

BUSY_SHARE: Final = 0.9
"""Of one core: a process of the generator that takes more in many seconds is the bottleneck."""
BUSY_SECONDS: Final = 0.1
LEAST_S: Final = 0.5
"""A shorter time says nothing of a core: a load may begin right before stock is taken, and the little in between is all work."""
LATE_US: Final = 5_000
"""The 99th percentile of the lag of its timers beyond which latencies are not the server's."""
LATE_SHARE: Final = 0.1
"""Likewise, as a share of the 99th percentile of what is reported: below it a lag does not matter."""


class Second(msgspec.Struct):
    """How the process fared in one second.

    Attributes:
        span_s: How long it really was.
        cpu: What its work took of a core.
        awake: What it took of it besides, to be awake when something is due: it is free for work.
    """

    span_s: float
    cpu: float
    lag_p99_us: int
    lag_max_us: int
    awake: float = 0.0


class Health:
    """Watches one process.

    Args:
        lags_us: By how much timers came too late: taken out once a second.
        awake_s: Tells how much CPU time went into being awake so far.

    Attributes:
        late_us: By how much arrivals were taken too late: likewise.

    """

    def __init__(self, lags_us: list[int], awake_s: Callable[[], float] = lambda: 0.0) -> None:
        self._lags_us = lags_us
        self._awake_s = awake_s
        self._was_awake_s = awake_s()
        self.late_us: list[int] = []
        self._cpu_s = time.process_time()
        self._wall_s = time.monotonic()
        self.lags, self.late = Histogram(), Histogram()
        self.seconds: list[Second] = []

    def reset(self) -> None:
        """Begin anew: what was before does not count."""
        self.second()
        self.lags, self.late = Histogram(), Histogram()
        self.seconds.clear()

    def second(self) -> Second:
        """Take stock of the time since the last call."""
        cpu_s, wall_s = time.process_time(), time.monotonic()
        lags = Histogram()
        lags.add_all(self._lags_us)
        self._lags_us.clear()
        self.lags.merge(lags)
        self.late.add_all(self.late_us)
        self.late_us.clear()
        span_s = max(wall_s - self._wall_s, 1e-6)
        awake_s = self._awake_s()
        awake = (awake_s - self._was_awake_s) / span_s
        share = max(0.0, (cpu_s - self._cpu_s) / span_s - awake)
        self._cpu_s, self._wall_s, self._was_awake_s = cpu_s, wall_s, awake_s
        second = Second(
            round(span_s, 4), round(share, 4), lags.percentile(99) or 0, lags.max_us, round(awake, 4)
        )
        self.seconds.append(second)
        return second

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "lags": sorted(self.lags.counts.items()),
            "late": sorted(self.late.counts.items()),
            "seconds": msgspec.to_builtins(self.seconds),
        }


def resident_kib() -> int | None:
    """Return the resident memory of this process; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def shares(process: dict[str, Any]) -> list[float]:
    """Return from what `Health.to_json` gave what a process took of its core in each second that was long enough to tell."""
    return [second["cpu"] for second in process["seconds"] if second["span_s"] >= LEAST_S]


def is_busy(process: dict[str, Any]) -> bool:
    """Tell from what `Health.to_json` gave whether a process had no more of its core to give."""
    return _busy_seconds(process) > BUSY_SECONDS * len(shares(process))


def _busy_seconds(process: dict[str, Any]) -> int:
    return sum(share > BUSY_SHARE for share in shares(process))


def faults_of(processes: list[dict[str, Any]], p99_us: int | None, *, is_open: bool) -> list[str]:
    """Say why latencies of a run are not the server's; nothing where they are.

    Args:
        processes: What `Health.to_json` of each process gave; `least_p99_us` is the lowest that the 99th percentile of any of its
            events is, since what harms one of them is a fault.
        p99_us: The 99th percentile of the latency that the run is about, for processes that do not tell of their events.
        is_open: Whether arrivals were to come at their times.

    """
    faults = []
    for number, process in enumerate(processes):
        if is_busy(process):
            busy, seconds = _busy_seconds(process), len(shares(process))
            faults.append(
                f"generator process {number} took over {BUSY_SHARE:.0%} of a core in {busy} of {seconds} seconds"
            )
        least_us = process.get("least_p99_us") or p99_us or 0
        for what, kept in (("timers", "lags"), ("arrivals", "late"))[: 1 + is_open]:
            lag_us = Histogram(dict(process.get(kept, ()))).percentile(99) or 0
            if lag_us > LATE_US and lag_us > LATE_SHARE * least_us:
                faults.append(
                    f"generator process {number} was late: p99 of the lag of its {what} is {lag_us / 1000:.1f} ms"
                )
    return faults
