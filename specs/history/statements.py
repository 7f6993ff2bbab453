"""What an endpoint says of money, held against what surely and what possibly moved."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from specs.amounts import add
from specs.history.balances import Balances, Standing, amount_in, amount_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from specs.history.facts import Fact, Received
    from specs.history.findings import Findings
    from specs.history.holders import Call
    from specs.history.transfers import Transfer


class Statements:
    """Judges what is said of the balances of one payment channel."""

    def __init__(self, topic: str, balances: Balances, findings: Findings) -> None:
        self._topic = topic
        self._balances = balances
        self._findings = findings

    def sum(self, shown: Mapping[str, Any], fact: Fact) -> None:
        """Judge a pair of balances: neither is negative, and their sum never changes."""
        texts = [shown.get("balance_a"), shown.get("balance_b")]
        if any(_is_negative(text) for text in texts):
            self._accuse("payment/balances-not-negative", "no negative balance", f"{texts}", fact)
        a, b = amount_of(texts[0]), amount_of(texts[1])
        if a is None or b is None:
            return
        total = add(a, b)
        if self._balances.total is None:
            self._balances.total = total
        elif total != self._balances.total:
            expected = f"balances of {self._balances.total} in sum"
            self._accuse("payment/money-conserved", expected, f"{a} and {b}", fact)

    def transfer(self, nonce: int, after: Decimal, delta: Decimal, fact: Received, untold: int) -> None:
        """Judge the first telling of a transfer, `untold` others being without one."""
        amount = amount_in(fact.payload)
        if amount is not None and amount != delta.copy_abs():
            expected = f"the amount {delta.copy_abs()} of transfer {nonce}, as it was acknowledged"
            self._accuse("payment/transfer-complete-exact", expected, f"{amount}", fact)
        self._balances.told(after, delta)
        if self._balances.is_first(delta) and self._balances.start in {after, add(after, delta)}:
            rule, expected = "payment/acknowledge-executes", f"the transfer {nonce} to move {delta} to a"
            observed = f"{self._balances.start} before it and {after} after it"
            self._findings.accuse(rule, self._topic, expected, observed, fact)
        else:
            self.path(untold, fact)

    def path(self, untold: int, fact: Fact) -> None:
        """Judge whether all balances that were told with transfers fit together in some order."""
        if not self._balances.fits(untold):
            expected = "each transfer's balances are those of another one with its amount moved"
            observed = "no order of the transfers leads through all balances that were told"
            self._findings.accuse("payment/transfer-complete-exact", self._topic, expected, observed, fact)

    def again(self, nonce: int, transfer: Transfer, after: Decimal, fact: Received) -> None:
        """Judge a further telling of a transfer."""
        if transfer.told is None or transfer.told[0] == after:
            return
        is_repeated = len(transfer.acknowledgements) > 1
        rule = transfer.executed_again if is_repeated else "payment/transfer-complete-same-for-both"
        expected = f"balance_a {transfer.told[0]} for everyone who is told of transfer {nonce}"
        self._findings.accuse(
            rule, self._topic, expected, f"{after}", transfer.told[1], fact, about=(fact.event, nonce)
        )

    def look(self, a: Decimal, then: Standing, call: Call, fact: Fact) -> None:
        """Judge the balance that a join tells, `then` being what had surely moved when it was asked for."""
        bounds = self._balances.bounds(then)
        if bounds is not None and not bounds[0] <= a <= bounds[1]:
            expected = f"balance_a {_range(bounds)}, by what was executed"
            self._accuse("payment/balances-across-reconnects", expected, f"{a}", call.fact, fact)

    def closed(self, a: Decimal, final: Decimal, close: Call, call: Call, fact: Fact) -> None:
        """Judge the balance of a channel that was closed before it was asked for."""
        if a != final:
            expected = f"balance_a stays {final} once the channel is closed"
            self._accuse("payment/closed-is-final", expected, f"{a}", close.fact, call.fact, fact)

    def close(
        self, final: tuple[Decimal, Decimal], then: Standing, call: Call, fact: Fact, *, is_disputed: bool
    ) -> None:
        """Judge final balances that were accepted."""
        total, bounds = add(*final), self._balances.bounds(then)
        if self._balances.total is not None and total != self._balances.total:
            expected = f"a close is refused unless the final balances are {self._balances.total} in sum"
            self._accuse("payment/close-conserves", expected, f"{total} accepted", call.fact, fact)
        elif not is_disputed and bounds is not None and not bounds[0] <= final[0] <= bounds[1]:
            expected = f"a close is refused unless balance_a is {_range(bounds)}"
            self._accuse("payment/close-current-balances", expected, f"{final[0]}", call.fact, fact)

    def _accuse(self, requirement: str, expected: str, observed: str, *facts: Fact) -> None:
        self._findings.accuse(requirement, self._topic, expected, observed, *facts, about=observed)


def _is_negative(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith("-") and value[1:2].isdigit()
    return isinstance(value, int | float) and value < 0


def _range(bounds: tuple[Decimal, Decimal]) -> str:
    return f"{bounds[0]}" if bounds[0] == bounds[1] else f"from {bounds[0]} to {bounds[1]}"
