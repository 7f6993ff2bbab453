"""What an endpoint says of money, held against what surely and what possibly moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specs.amounts import format_units as text
from specs.history.balances import Balances, Standing, units_in, units_told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from specs.history.facts import Fact, Received
    from specs.history.findings import Findings
    from specs.history.holders import Call
    from specs.history.transfers import Transfer


class Statements:
    """Judges what is said of the balances of one payment channel."""

    __slots__ = ("_balances", "_findings", "_topic")

    def __init__(self, topic: str, balances: Balances, findings: Findings) -> None:
        self._topic = topic
        self._balances = balances
        self._findings = findings

    def sum(self, shown: Mapping[str, Any], fact: Fact) -> int | None:
        """Judge a pair of balances: neither is negative, and their sum never changes. Returns that of a, if it can be read."""
        told_a, told_b = shown.get("balance_a"), shown.get("balance_b")
        a, b = units_told(told_a), units_told(told_b)
        if a is None or b is None:
            # What can be read is not negative.
            if _is_negative(told_a) or _is_negative(told_b):
                observed = f"{[told_a, told_b]}"
                self._accuse("payment/balances-not-negative", "no negative balance", observed, fact)
            return a
        total = a + b
        if self._balances.total is None:
            self._balances.total = total
        elif total != self._balances.total:
            expected = f"balances of {text(self._balances.total)} in sum"
            self._accuse("payment/money-conserved", expected, f"{text(a)} and {text(b)}", fact)
        return a

    def transfer(self, nonce: int, after: int, delta: int, fact: Received, untold: int) -> None:
        """Judge the first telling of a transfer, `untold` others being without one."""
        amount = units_in(fact.payload)
        if amount is not None and amount != abs(delta):
            expected = f"the amount {text(abs(delta))} of transfer {nonce}, as it was acknowledged"
            self._accuse("payment/transfer-complete-exact", expected, text(amount), fact)
        balances = self._balances
        balances.told(after, delta)
        range_ = balances.bounds((0, 0, 0))
        if (
            balances.start is not None
            and balances.is_first(delta)
            and balances.start in {after, after + delta}
        ):
            rule = "payment/acknowledge-executes"
            expected = f"the transfer {nonce} to move {text(delta)} to a"
            observed = f"{text(balances.start)} before it and {text(after)} after it"
            self._findings.accuse(rule, self._topic, expected, observed, fact)
        elif range_ is not None and not range_[0] <= after <= range_[1]:
            # Transfers that fit each other may fit nothing that was there before.
            rule, expected = (
                "payment/transfer-complete-exact",
                f"balance_a {_range(range_)}, by what can have been executed",
            )
            self._findings.accuse(rule, self._topic, expected, text(after), fact)
        else:
            self.path(untold, fact)

    def path(self, untold: int, fact: Fact) -> None:
        """Judge whether all balances that were told with transfers fit together in some order."""
        if not self._balances.fits(untold):
            expected = "each transfer's balances are those of another one with its amount moved"
            observed = "no order of the transfers leads through all balances that were told"
            self._findings.accuse("payment/transfer-complete-exact", self._topic, expected, observed, fact)

    def again(self, nonce: int, transfer: Transfer, after: int, fact: Received) -> None:
        """Judge a further telling of a transfer."""
        if transfer.told is None:
            return
        if transfer.told[0] == after:
            amount, amounts = units_in(fact.payload), [call.memo.amount for call in transfer.acknowledgements]
            if amount is not None and amounts and not {amount, None} & set(amounts):
                expected = f"the amount of transfer {nonce}, as it was acknowledged"
                self._accuse("payment/transfer-complete-exact", expected, text(amount), fact)
            return
        is_repeated = len(transfer.acknowledgements) > 1
        rule = transfer.executed_again if is_repeated else "payment/transfer-complete-same-for-both"
        expected = f"balance_a {text(transfer.told[0])} for everyone who is told of transfer {nonce}"
        self._findings.accuse(
            rule, self._topic, expected, text(after), transfer.told[1], fact, about=(fact.event, nonce)
        )

    def look(self, a: int, then: Standing, call: Call, fact: Fact) -> None:
        """Judge the balance that a join tells, `then` being what had surely moved when it was asked for."""
        bounds = self._balances.bounds(then)
        if bounds is not None and not bounds[0] <= a <= bounds[1]:
            expected = f"balance_a {_range(bounds)}, by what was executed"
            self._accuse("payment/balances-across-reconnects", expected, text(a), call.fact, fact)

    def closed(self, a: int, final: int, close: Call, call: Call, fact: Fact) -> None:
        """Judge the balance of a channel that was closed before it was asked for."""
        if a != final:
            expected = f"balance_a stays {text(final)} once the channel is closed"
            self._accuse("payment/closed-is-final", expected, text(a), close.fact, call.fact, fact)

    def close(
        self, final: tuple[int, int], then: Standing, call: Call, fact: Fact, *, is_disputed: bool
    ) -> None:
        """Judge final balances that were accepted."""
        total, bounds = sum(final), self._balances.bounds(then)
        if self._balances.total is not None and total != self._balances.total:
            expected = f"a close is refused unless the final balances are {text(self._balances.total)} in sum"
            self._accuse("payment/close-conserves", expected, f"{text(total)} accepted", call.fact, fact)
        elif not is_disputed and bounds is not None and not bounds[0] <= final[0] <= bounds[1]:
            expected = f"a close is refused unless balance_a is {_range(bounds)}"
            self._accuse("payment/close-current-balances", expected, text(final[0]), call.fact, fact)

    def _accuse(self, requirement: str, expected: str, observed: str, *facts: Fact) -> None:
        self._findings.accuse(requirement, self._topic, expected, observed, *facts, about=observed)


def _is_negative(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith("-") and value[1:2].isdigit() and any(digit in value for digit in "123456789")
    return isinstance(value, int | float) and value < 0


def _range(bounds: tuple[int, int]) -> str:
    lowest, highest = map(text, bounds)
    return lowest if lowest == highest else f"from {lowest} to {highest}"
