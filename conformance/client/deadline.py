"""When everything that a case waits for has its end."""

from __future__ import annotations

import time

from conformance.faults import OutOfTime

#: What to do about it, without figures: cases that end so are told as one.
WAITED_IN_VAIN = (
    ", spent on replies that do not come: set [profile.timeouts] reply_s of the endpoint file lower"
)


class Deadline:
    """An absolute end for everything that a case waits for: so many seconds from now, or a monotonic time before that."""

    def __init__(self, seconds: float, latest_s: float | None = None) -> None:
        self._latest_s = float("inf") if latest_s is None else latest_s
        self._at_s = min(time.monotonic() + seconds, self._latest_s)
        self._half_s = seconds / 2
        self._vain_s = 0.0

    def cap(self, seconds: float) -> float:
        """Return the monotonic time in `seconds` from now, or the deadline where that is sooner."""
        return min(time.monotonic() + seconds, self._at_s)

    @property
    def has_passed(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._at_s

    def check(self, who: str) -> None:
        """Go on only where there is time left: what did not come when nobody could wait any more shows nothing.

        Raises:
            OutOfTime: If the time is up.

        """
        if self.has_passed:
            spent = WAITED_IN_VAIN if self._vain_s >= self._half_s else ""
            raise OutOfTime(f"{who}: the time of the case is up{spent}")

    def note_vain(self, seconds: float) -> None:
        """Remember time that was spent on waiting for what did not come."""
        self._vain_s += seconds

    def extend(self, seconds: float) -> None:
        """Give more time, for what was spent on waiting for ourselves; never beyond the latest time."""
        self._at_s = min(self._at_s + seconds, self._latest_s)
