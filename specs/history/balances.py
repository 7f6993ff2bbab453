"""The money of one payment channel: what surely moved, what may have moved, and whether the balances told fit together.

All is reckoned in the balance of party a; that of b is what is left of the total. Each executed transfer leads from a balance to a
balance, so that what was told must be a path: with every balance as a node and every transfer as an edge, each node but the ends
is left as often as it is entered. Every transfer of which no balances were told may close one gap of that path, and no more.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from specs.amounts import NotAnAmount, add, parse_amount, subtract

ZERO: Final = Decimal(0)


class Standing(NamedTuple):
    """What was surely moved by some time."""

    moved: Decimal
    """In sum."""
    gained: Decimal
    """By a, in sum."""
    lost: Decimal
    """By a, in sum; not positive."""


class Balances:
    """What is known of the balance of a."""

    def __init__(self) -> None:
        self.total: Decimal | None = None
        self.start: Decimal | None = None
        self.standing = Standing(ZERO, ZERO, ZERO)
        self._maybe_gained = ZERO
        self._maybe_lost = ZERO
        self._degrees: dict[Decimal, int] = {}
        """How often each balance was left more often than it was entered."""
        self._gaps = 0

    def begin(self, a: Decimal, b: Decimal) -> None:
        """Take the balances before the first transfer."""
        self.start, self.total = a, add(a, b)
        self._enter(a)

    def maybe(self, delta: Decimal, *, is_so: bool) -> None:
        """Let a transfer possibly have been executed, or no longer so."""
        change = delta if is_so else delta.copy_negate()
        if delta > 0:
            self._maybe_gained = add(self._maybe_gained, change)
        else:
            self._maybe_lost = add(self._maybe_lost, change)

    def moved(self, delta: Decimal) -> None:
        """Take a transfer that was surely executed."""
        now = self.standing
        self.standing = Standing(
            add(now.moved, delta),
            add(now.gained, delta) if delta > 0 else now.gained,
            now.lost if delta > 0 else add(now.lost, delta),
        )

    def bounds(self, then: Standing) -> tuple[Decimal, Decimal] | None:
        """Return the lowest and the highest balance of a that could be seen between `then` and now; None where unknown."""
        if self.start is None:
            return None
        surely, now = add(self.start, then.moved), self.standing
        lowest = add(add(surely, subtract(now.lost, then.lost)), self._maybe_lost)
        highest = add(add(surely, subtract(now.gained, then.gained)), self._maybe_gained)
        return lowest, highest

    def highest(self, then: Standing, *, is_a: bool) -> Decimal | None:
        """Return the highest balance that a party can have had at some time between `then` and now; None where unknown."""
        if self.start is None or self.total is None:
            return None
        surely, now = add(self.start, then.moved), self.standing
        if is_a:
            moved = (
                self._maybe_gained
                if now is then
                else add(subtract(now.gained, then.gained), self._maybe_gained)
            )
            return add(surely, moved)
        moved = self._maybe_lost if now is then else add(subtract(now.lost, then.lost), self._maybe_lost)
        return subtract(self.total, add(surely, moved))

    def told(self, after: Decimal, delta: Decimal) -> None:
        """Take the balance of a that was told with a transfer."""
        self._leave(subtract(after, delta))
        self._enter(after)

    def is_first(self, delta: Decimal) -> bool:
        """Tell whether a transfer was surely executed and no other can have been."""
        now = self.standing
        is_alone = now.moved == now.gained + now.lost == delta and ZERO in {now.gained, now.lost}
        return is_alone and not (self._maybe_gained or self._maybe_lost)

    def fits(self, untold: int) -> bool:
        """Tell whether what was told is a path, with at most so many transfers that were not told."""
        return self._gaps <= untold + (0 if self.start is not None else 1)

    def _leave(self, balance: Decimal) -> None:
        degree = self._degrees.get(balance, 0) + 1
        self._gaps += degree > 0
        self._set(balance, degree)

    def _enter(self, balance: Decimal) -> None:
        degree = self._degrees.get(balance, 0) - 1
        self._gaps -= degree >= 0
        self._set(balance, degree)

    def _set(self, balance: Decimal, degree: int) -> None:
        if degree:
            self._degrees[balance] = degree
        else:
            self._degrees.pop(balance, None)


def amount_of(value: Any) -> Decimal | None:
    """Return the amount that a JSON value stands for; None where it is none."""
    return _amount_of_text(value) if type(value) is str else _amount_of(value)


@lru_cache(maxsize=4096)
def _amount_of_text(text: str) -> Decimal | None:
    # Everybody is told the same, and parties often pay the same.
    return _amount_of(text)


def _amount_of(value: Any) -> Decimal | None:
    try:
        return parse_amount(value)
    except NotAnAmount:
        return None


def amount_in(payload: Any) -> Decimal | None:
    """Return the amount that a payload has; None where it has none."""
    return amount_of(payload.get("amount")) if isinstance(payload, dict) else None
