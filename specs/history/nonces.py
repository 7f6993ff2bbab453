"""The nonces of one payment channel: each proposal has a higher one than all that were executed or are pending before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from specs.history.facts import Fact
    from specs.history.findings import Findings
    from specs.history.holders import Call
    from specs.history.transfers import Transfer


Highest = tuple[int, int, int, int]
"""The highest nonces by some time, surely, 0 where there are none: of executed transfers that one agent proposed, of accepted
proposals of that agent, of all executed transfers, of all accepted proposals."""


class Nonces:
    """Judges the nonces of proposals. That both parties share one sequence is an interpretation."""

    __slots__ = ("_any", "_executed", "_findings", "_proposed", "_topic", "droppers")

    def __init__(self, topic: str, findings: Findings) -> None:
        self._topic = topic
        self._findings = findings
        self._executed: dict[str, int] = {}
        self._proposed: dict[str, int] = {}
        self._any = (0, 0)
        self.droppers = 0
        """Rejections without a nonce and disputes that may have dropped any proposal."""

    def highest(self, agent: str) -> Highest:
        """Return how things surely stand for an agent."""
        return (self._executed.get(agent, 0), self._proposed.get(agent, 0), *self._any)

    def executed(self, agent: str, nonce: int) -> None:
        """Take a transfer that was surely executed, and who proposed it."""
        if nonce > self._executed.get(agent, 0):
            self._executed[agent] = nonce
            executed, proposed = self._any
            if nonce > executed:
                self._any = (nonce, proposed)

    def proposed(
        self, nonce: int, call: Call, then: Highest, transfers: Mapping[int, Transfer], fact: Fact
    ) -> None:
        """Judge a proposal that was surely accepted, `then` being how things stood for its agent when it was made."""
        executed, proposed, any_executed, any_proposed = then
        if nonce <= executed:
            expected = f"a nonce above {executed}, which was executed before"
            self._accuse("payment/nonce-increasing", expected, nonce, call, fact)
        elif nonce <= proposed and self._is_surely_pending(transfers.get(proposed), call, call.agent):
            expected = f"a nonce above {proposed}, which was pending"
            self._accuse("payment/nonce-above-pending", expected, nonce, call, fact)
        elif self._is_surely_pending(transfers.get(nonce), call):
            others = [each for each in transfers[nonce].proposals if each is not call]
            is_own = any(each.agent == call.agent and each.accepted_at is not None for each in others)
            rule = "payment/nonce-above-pending" if is_own else "payment/nonce-shared-by-parties"
            self._accuse(rule, f"the nonce {nonce} once while it is pending", nonce, call, fact)
        elif nonce <= any_executed or (
            nonce <= any_proposed and self._is_surely_pending(transfers.get(any_proposed), call)
        ):
            expected = f"a nonce above {max(any_executed, any_proposed)}"
            self._accuse("payment/nonce-shared-by-parties", expected, nonce, call, fact)
        if nonce > self._proposed.get(call.agent, 0):
            self._proposed[call.agent] = nonce
            executed, proposed = self._any
            if nonce > proposed:
                self._any = (executed, nonce)

    def _is_surely_pending(self, transfer: Transfer | None, besides: Call, by: str | None = None) -> bool:
        """Tell whether another proposal, of one agent or of any, was surely accepted, and can only be pending or executed since."""
        if transfer is None or self.droppers or transfer.rejections:
            return False
        proposals = transfer.proposals
        if len(proposals) == 1 and proposals[0] is besides:
            return False
        others = [each for each in proposals if each.accepted_at is not None and each is not besides]
        return any(by in (None, each.agent) for each in others)

    def _accuse(self, requirement: str, expected: str, nonce: int, call: Call, fact: Fact) -> None:
        observed = f"{nonce} accepted"
        about = (expected, observed)
        self._findings.accuse(requirement, self._topic, expected, observed, call.fact, fact, about=about)
