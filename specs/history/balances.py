"""The money of one payment channel: what surely moved, what may have moved, and whether the balances told fit together.

All is reckoned in the balance of party a; that of b is what is left of the total. Each executed transfer leads from a balance to a
balance, so that what was told must be a path: with every balance as a node and every transfer as an edge, each node but the ends
is left as often as it is entered. Every transfer of which no balances were told may close one gap of that path, and no more.

Money is a whole number of units (`specs.amounts`): exact, whatever the number of digits.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from specs.amounts import MAX_FRACTION_DIGITS, NotAnAmount, parse_units

EXACT: Final = 10**15
"""Units below which a float keeps every digit that an amount may have."""

_DECIMAL: Final = re.compile(r"([0-9]{1,40})(?:\.([0-9]{1,40}))?(?:[eE]([+-]?[0-9]{1,2}))?")

Standing = tuple[int, int, int]
"""What was surely moved by some time, in units: in sum; gained by a, in sum; lost by a, in sum and not positive."""


class Balances:
    """What is known of the balance of a, in units."""

    __slots__ = ("_degrees", "_gaps", "_maybe_gained", "_maybe_lost", "standing", "start", "total", "unread")

    def __init__(self) -> None:
        self.total: int | None = None
        self.start: int | None = None
        self.standing: Standing = (0, 0, 0)
        self._maybe_gained = 0
        self._maybe_lost = 0
        self._degrees: dict[int, int] = {}
        """How often each balance was left more often than it was entered."""
        self._gaps = 0
        self.unread = 0
        """What may have moved nobody knows how much: as long as there is any, only sums are judged."""

    def begin(self, a: int, b: int) -> None:
        """Take the balances before the first transfer."""
        self.start, self.total = a, a + b
        self._enter(a)

    def maybe(self, delta: int, *, is_so: bool) -> None:
        """Let a transfer possibly have been executed, or no longer so."""
        change = delta if is_so else -delta
        if delta > 0:
            self._maybe_gained += change
        else:
            self._maybe_lost += change

    def moved(self, delta: int) -> None:
        """Take a transfer that was surely executed."""
        moved, gained, lost = self.standing
        self.standing = (
            (moved + delta, gained + delta, lost) if delta > 0 else (moved + delta, gained, lost + delta)
        )

    def bounds(self, then: Standing) -> tuple[int, int] | None:
        """Return the lowest and the highest balance of a that could be seen between `then` and now; None where unknown."""
        if self.start is None or self.unread:
            return None
        surely = self.start + then[0]
        _, gained, lost = self.standing
        return surely + lost - then[2] + self._maybe_lost, surely + gained - then[1] + self._maybe_gained

    def highest(self, then: Standing, *, is_a: bool) -> int | None:
        """Return the highest balance that a party can have had at some time between `then` and now; None where unknown."""
        if self.start is None or self.total is None or self.unread:
            return None
        surely = self.start + then[0]
        _, gained, lost = self.standing
        if is_a:
            return surely + gained - then[1] + self._maybe_gained
        return self.total - (surely + lost - then[2] + self._maybe_lost)

    def told(self, after: int, delta: int) -> None:
        """Take the balance of a that was told with a transfer."""
        self._leave(after - delta)
        self._enter(after)

    def is_first(self, delta: int) -> bool:
        """Tell whether a transfer was surely executed and no other can have been."""
        if self.unread:
            return False
        moved, gained, lost = self.standing
        is_alone = moved == delta != 0 and not (gained and lost)
        return is_alone and not (self._maybe_gained or self._maybe_lost)

    def fits(self, untold: int) -> bool:
        """Tell whether what was told is a path, with at most so many transfers that were not told."""
        return self.unread > 0 or self._gaps <= untold + (0 if self.start is not None else 1)

    def _leave(self, balance: int) -> None:
        degree = self._degrees.get(balance, 0) + 1
        self._gaps += degree > 0
        self._set(balance, degree)

    def _enter(self, balance: int) -> None:
        degree = self._degrees.get(balance, 0) - 1
        self._gaps -= degree >= 0
        self._set(balance, degree)

    def _set(self, balance: int, degree: int) -> None:
        if degree:
            self._degrees[balance] = degree
        else:
            self._degrees.pop(balance, None)


def units_of(value: Any) -> int | None:
    """Return the amount that a JSON value stands for, in units; None where it is none."""
    try:
        return parse_units(value)
    except NotAnAmount:
        return None


def units_told(value: Any) -> int | None:
    """Return the amount that an endpoint tells in whatever way decimals are written, in units; None where it is not exact."""
    units = units_of(value)
    if units is not None or not isinstance(value, str | float):
        return units
    match = _DECIMAL.fullmatch(value if isinstance(value, str) else repr(value))
    if match is None:
        return None
    whole, fraction, exponent = match.groups("")
    digits, shift = whole + fraction, int(exponent or 0) - len(fraction) + MAX_FRACTION_DIGITS
    units, rest = divmod(int(digits) * 10 ** max(shift, 0), 10 ** max(-shift, 0))
    return None if rest or (isinstance(value, float) and units >= EXACT) else units


def units_in(payload: Any) -> int | None:
    """Return the amount that a payload has, in units; None where it has none."""
    if not isinstance(payload, dict):
        return None
    value = payload.get("amount")
    # Parties often pay the same; balances seldom are.
    return _units_of_text(value) if type(value) is str else units_of(value)


_units_of_text = lru_cache(maxsize=4096)(units_of)
