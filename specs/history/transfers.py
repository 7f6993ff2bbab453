"""Whatever was tried with one nonce of a payment channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specs.history.facts import Fact, Received
    from specs.history.holders import Call


class Transfer:
    """The proposals with a nonce, and what became of them."""

    __slots__ = ("acknowledgements", "executed", "proposals", "rejections", "told")

    def __init__(self) -> None:
        self.proposals: list[Call] = []
        """Those that may have been accepted."""
        self.acknowledgements: list[Call] = []
        """Those that may have been accepted."""
        self.rejections: list[Call] | tuple[()] = ()
        """Those that name the nonce, in their push or its answer, and may have been accepted."""
        self.executed: Fact | None = None
        """What shows that it was executed."""
        self.told: tuple[int, Received] | None = None
        """The balance of a that was first told with it, in units."""

    @property
    def deltas(self) -> list[int]:
        """What its acknowledgements may add to the balance of a, each once."""
        calls = self.acknowledgements
        if len(calls) == 1:
            delta = calls[0].memo.delta
            return [] if delta is None else [delta]
        return list({call.memo.delta: None for call in calls if call.memo.delta is not None})

    def proposed_to(self, agent: str) -> list[Call]:
        """Return the proposals that an agent may acknowledge, without those surely rejected unless there are no others."""
        others = [each for each in self.proposals if each.agent != agent]
        return [each for each in others if not self._is_rejected(each)] or others

    def _is_rejected(self, proposal: Call) -> bool:
        """Tell whether a proposal that was surely taken was rejected before there was any other one of the nonce."""
        taken_at = proposal.accepted_at
        for call in self.rejections:
            done_at = call.accepted_at if call.status == "ok" else None
            if taken_at is None or done_at is None or call.agent == proposal.agent or call.at < taken_at:
                continue
            if all(each is proposal or done_at < each.at for each in self.proposals):
                return True
        return False

    def may_stand_beside(self, proposal: Call) -> bool:
        """Tell whether the other party may have proposed the nonce, too, without having been rejected."""
        other = next((each.agent for each in self.proposals if each.agent != proposal.agent), None)
        is_rejected = any(call.status == "ok" and call.agent != other for call in self.rejections)
        return other is not None and not is_rejected

    @property
    def executed_again(self) -> str:
        """The requirement that a second execution breaks, by what may have caused it."""
        calls = self.acknowledgements
        if len(self.proposals) > 1 or len(calls) <= 1:
            return "payment/nonce-executed-once"
        first, second = calls[-2:]
        is_at_once = first.accepted_at is None or first.accepted_at > second.at
        return "payment/concurrent-acknowledge-executes-once" if is_at_once else "payment/acknowledge-once"

    def reject(self, call: Call) -> None:
        """Take a rejection."""
        if isinstance(self.rejections, list):
            self.rejections.append(call)
        else:
            self.rejections = [call]

    @property
    def is_open(self) -> bool:
        """Whether it may still be executed, or something is not known of it."""
        for call in self.acknowledgements:
            if call.accepted_at is None:
                return True
        if self.executed is not None or not self.proposals:
            return False
        is_rejected = any(call.status == "ok" for call in self.rejections)
        return len(self.proposals) > 1 or not is_rejected
