"""How long a run may take: it stops starting cases in time, and gives up what it is at when the time is up."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import Final

from conformance.faults import ConfigurationFaulty

OUT_OF_BUDGET: Final = "out of budget"

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_RESERVED_SHARE: Final = 0.1
_MOST_RESERVED_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Budget:
    """The time that a run was given."""

    seconds: float
    started_s: float
    """Monotonic time from which it counts."""

    @property
    def until_s(self) -> float:
        """Monotonic time at which cases end; some of the budget is kept for closing connections and writing reports."""
        reserved_s = min(self.seconds * _RESERVED_SHARE, _MOST_RESERVED_S)
        return self.started_s + self.seconds - reserved_s


def seconds_of(text: str) -> float:
    """Return how many seconds a span such as `500ms`, `90s`, `2m` or `1h` has.

    Raises:
        ConfigurationFaulty: If the text is no such span, or one of no length or no end.

    Example:
        >>> seconds_of("500ms"), seconds_of("2m")
        (0.5, 120.0)

    """
    found = _SPAN.fullmatch(text.strip())
    seconds = float(found.group(1)) * _UNITS_S[found.group(2)] if found else 0.0
    if not 0 < seconds < math.inf:
        raise ConfigurationFaulty(f"not a span of time: {text!r}; write it like 500ms, 90s or 2m")
    return seconds


def is_over(until_s: float | None) -> bool:
    """Tell whether a monotonic time has come; None never comes."""
    return until_s is not None and time.monotonic() >= until_s
