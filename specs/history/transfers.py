"""Whatever was tried with one nonce of a payment channel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

    from specs.history.facts import Fact, Received
    from specs.history.holders import Call


@dataclass(slots=True, eq=False)
class Transfer:
    """The proposals with a nonce, and what became of them."""

    proposals: list[Call] = field(default_factory=list)
    """Those that may have been accepted."""
    acknowledgements: list[Call] = field(default_factory=list)
    """Those that may have been accepted."""
    rejections: list[Call] = field(default_factory=list)
    """Those that name the nonce, in their push or its answer, and may have been accepted."""
    executed: Fact | None = None
    """What shows that it was executed."""
    told: tuple[Decimal, Received] | None = None
    """The balance of a that was first told with it."""

    @property
    def executed_again(self) -> str:
        """The requirement that a second execution breaks, by what may have caused it."""
        calls = self.acknowledgements
        if len(self.proposals) > 1 or len(calls) <= 1:
            return "payment/nonce-executed-once"
        first, second = calls[-2:]
        is_at_once = first.accepted_at is None or first.accepted_at > second.at
        return "payment/concurrent-acknowledge-executes-once" if is_at_once else "payment/acknowledge-once"

    @property
    def is_open(self) -> bool:
        """Whether it may still be executed, or something is not known of it."""
        if any(call.accepted_at is None for call in self.acknowledgements):
            return True
        if self.executed is not None or not self.proposals:
            return False
        is_rejected = any(call.status == "ok" for call in self.rejections)
        return len(self.proposals) > 1 or not is_rejected


def nonce_in(payload: Any) -> int | None:
    """Return the nonce that a payload has; None where it has none."""
    return whole_number(payload.get("nonce")) if isinstance(payload, dict) else None


def whole_number(value: Any) -> int | None:
    """Return the integer that a JSON value is; None where it is none. JSON calls 7.0 an integer, too."""
    if type(value) is int:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None
