"""What a client sends and what waits for it, counted."""

from __future__ import annotations


class FrameBudget:
    """A bucket of frames that fills with time: so many a second in the long run, so many at once.

    It is filled once a segment and emptied frame by frame, so that a frame costs no look at the clock.

    Args:
        per_s: How fast it fills.
        burst: How much it holds; it begins full.
        now_s: A clock that only rises.

    """

    __slots__ = ("_burst", "_filled_s", "_per_s", "left")

    def __init__(self, per_s: float, burst: float, now_s: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._filled_s = now_s
        self.left = burst
        """Frames that may still come; below 0 there were too many."""

    def refill(self, now_s: float) -> None:
        """Add what has come together since the last time."""
        if self.left < self._burst:
            self.left = min(self._burst, self.left + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s


class Queues:
    """The bytes that wait for all clients of a server that do not read; each of them reports its own."""

    __slots__ = ("waiting_bytes",)

    def __init__(self) -> None:
        self.waiting_bytes = 0

    def note(self, before: int, now: int) -> int:
        """Take note of how much waits for one client; returns that number, to be passed as `before` the next time."""
        self.waiting_bytes += now - before
        return now
