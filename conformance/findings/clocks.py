"""Values that are the time of day: they show when something was, so that they tell no server from another."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

_DAY_S = 86_400
_TICKS_A_S = (1, 10**3, 10**6, 10**9)


def is_now(value: Any) -> bool:
    """Tell whether a value is a time within a day of now: seconds since 1970 or parts of them, or a text of ISO 8601."""
    if isinstance(value, str):
        return _is_near(_read_s(value))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # Whole seconds: an endpoint may send integers that no float can hold.
    return any(_is_near(value // ticks) for ticks in _TICKS_A_S)


def _read_s(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _is_near(at_s: float) -> bool:
    return abs(at_s - int(time.time())) < _DAY_S
