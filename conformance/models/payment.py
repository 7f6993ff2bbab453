"""One payment channel (`reading.md` section 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from conformance.models.expectation import EITHER, Expectation, Push, accept, refuse
from specs.amounts import add, parse_amount, subtract

ACCEPTED = "payment/signed-event-accepted"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A transfer that waits for the other party."""

    nonce: int
    by: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Channel:
    """How a payment channel stands."""

    a: Decimal
    b: Decimal
    pending: tuple[Proposal, ...] = ()
    """By nonce."""
    executed: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()
    """Nonces of proposals that were rejected or ended by a dispute."""
    taken: frozenset[tuple[str, int]] = frozenset()
    """Party and nonce of every proposal that was ever accepted."""
    has_dropped_by_dispute: bool = False
    """Whether a dispute has found proposals pending; whether these still are is open."""
    refused_nonces: frozenset[int] = frozenset()
    """Nonces of proposals that were refused; whether these are spent is open."""
    status: str = "open"

    def balance(self, party: str) -> Decimal:
        """Return what a party owns."""
        return self.a if party == "a" else self.b

    def free(self, party: str) -> Decimal:
        """Return what a party owns less what it has proposed to pay."""
        left = self.balance(party)
        for proposal in self.pending:
            if proposal.by == party:
                left = subtract(left, proposal.amount)
        return left

    def proposal(self, nonce: object) -> Proposal | None:
        """Return the pending proposal with a nonce."""
        return next((each for each in self.pending if each.nonce == nonce), None)

    def oldest_for(self, party: str) -> Proposal | None:
        """Return the oldest proposal that a party may answer."""
        return next((each for each in self.pending if each.by != party), None)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is accepted."""
        return self.status == "closed"

    def expects(self, push: Push) -> Expectation:
        """Say what has to become of a push."""
        if self.status == "closed":
            return refuse("payment/closed-is-final", "comes after the channel was closed")
        if self.status == "disputed" and push.event != "close":
            return refuse("payment/disputed-stops-transfers", "comes after the channel was disputed")
        if push.flaw is not None:
            return refuse(push.flaw, "is not signed as it has to be")
        match push.event:
            case "propose_transfer":
                return self._expects_proposal(push)
            case "acknowledge_transfer":
                return self._expects_acknowledgement(push)
            case "reject_transfer":
                return self._expects_rejection(push)
            case "close":
                return self._expects_close(push)
        return accept("payment/dispute-accepted")

    def _expects_proposal(self, push: Push) -> Expectation:
        nonce, amount = push.payload["nonce"], parse_amount(push.payload["amount"])
        if nonce <= max([*self.executed, *(each.nonce for each in self.pending)], default=0):
            return self._refuses_nonce(push.by, nonce)
        free = self.free(push.by)
        if amount > self.balance(push.by):
            return refuse(
                "payment/propose-within-balance", f"is above the sender's balance of {self.balance(push.by)}"
            )
        if amount > free:
            rule = "payment/propose-free-balance-refused"
            return refuse(rule, f"is above the {free} that the sender's pending proposals leave")
        if nonce <= max(self.dropped | self.refused_nonces, default=0):
            # Whether a proposal that was rejected or refused spends its nonce is open.
            return EITHER
        return self._accepts_proposal(nonce, amount, free)

    def _refuses_nonce(self, party: str, nonce: int) -> Expectation:
        # Whether the parties share one sequence of nonces is an interpretation.
        executed = max((each for each in self.executed if (party, each) in self.taken), default=0)
        pending = max((each.nonce for each in self.pending if each.by == party), default=0)
        if nonce <= executed:
            return refuse("payment/nonce-increasing", f"has the nonce {nonce}, and {executed} was executed")
        if nonce <= pending:
            return refuse("payment/nonce-above-pending", f"has the nonce {nonce}, and {pending} is pending")
        return refuse(
            "payment/nonce-shared-by-parties",
            f"has a nonce, {nonce}, that is not above all of the other party",
        )

    def _accepts_proposal(self, nonce: int, amount: Decimal, free: Decimal) -> Expectation:
        used = [0, *self.executed, *self.dropped, *(each.nonce for each in self.pending)]
        if nonce > max(used) + 1:
            return accept("payment/nonce-may-skip", "has a nonce above all others")
        if amount == free:
            return accept("payment/propose-whole-balance-accepted", "is of all that the sender has free")
        return accept(ACCEPTED)

    def _expects_acknowledgement(self, push: Push) -> Expectation:
        nonce = push.payload["nonce"]
        proposal = self.proposal(nonce)
        if proposal is None:
            if nonce in self.executed:
                return refuse("payment/acknowledge-again-refused", f"names {nonce}, which was executed")
            if nonce in self.dropped:
                return refuse("payment/reject-drops-proposal", f"names {nonce}, which was rejected")
            return refuse("payment/acknowledge-names-pending", f"names {nonce}, which nobody has proposed")
        if proposal.by == push.by:
            return refuse("payment/acknowledge-by-other-party", "is of the sender's own proposal")
        if parse_amount(push.payload["amount"]) != proposal.amount:
            return refuse(
                "payment/acknowledge-same-amount", f"has not the amount {proposal.amount} of the proposal"
            )
        if proposal.amount > self.balance(proposal.by):
            # Only where a server takes proposals beyond what is free; it may refuse them here.
            return EITHER
        return accept(ACCEPTED)

    def _expects_rejection(self, push: Push) -> Expectation:
        nonce = push.payload.get("nonce")
        if nonce is None:
            if self.oldest_for(push.by) is None:
                return refuse(
                    "payment/reject-needs-pending", "comes while the other party has nothing pending"
                )
            return accept("payment/reject-accepted")
        proposal = self.proposal(nonce)
        if proposal is None:
            return refuse("payment/reject-nonce", f"names {nonce}, which is not pending")
        if proposal.by == push.by:
            return refuse("payment/reject-by-other-party", "is of the sender's own proposal")
        return accept("payment/reject-accepted")

    def _expects_close(self, push: Push) -> Expectation:
        a, b = (parse_amount(push.payload[f"final_balance_{party}"]) for party in ("a", "b"))
        if add(a, b) != add(self.a, self.b):
            return refuse("payment/close-conserves", f"has not the sum {add(self.a, self.b)}")
        if self.pending:
            return refuse("payment/close-nothing-pending", "comes while a proposal is pending")
        if self.has_dropped_by_dispute:
            return EITHER
        if self.status == "disputed":
            if (a, b) != (self.a, self.b):
                return accept(
                    "payment/close-disputed-may-redistribute", "is signed by both and has the same sum"
                )
            return accept(ACCEPTED)
        if (a, b) != (self.a, self.b):
            return refuse(
                "payment/close-current-balances", f"has not the current balances {self.a} and {self.b}"
            )
        return accept(ACCEPTED)

    def after(self, push: Push) -> Channel:
        """Return how the channel stands once a push was accepted."""
        match push.event:
            case "propose_transfer":
                proposal = Proposal(push.payload["nonce"], push.by, parse_amount(push.payload["amount"]))
                kept = [each for each in self.pending if each.nonce != proposal.nonce]
                pending = tuple(sorted([*kept, proposal], key=lambda each: each.nonce))
                taken = self.taken | {(push.by, proposal.nonce)}
                return replace(self, pending=pending, dropped=self.dropped - {proposal.nonce}, taken=taken)
            case "acknowledge_transfer":
                return self._executed(push.payload["nonce"])
            case "reject_transfer":
                oldest = self.oldest_for(push.by)
                nonce = push.payload.get("nonce", oldest.nonce if oldest else None)
                return self if nonce is None else self._dropped(nonce)
            case "dispute":
                nonces = frozenset(each.nonce for each in self.pending)
                return replace(
                    self,
                    status="disputed",
                    pending=(),
                    dropped=self.dropped | nonces,
                    has_dropped_by_dispute=bool(nonces),
                )
            case "close":
                a, b = (parse_amount(push.payload[f"final_balance_{party}"]) for party in ("a", "b"))
                return replace(self, a=a, b=b, status="closed", pending=())
        return self

    def refused(self, push: Push) -> Channel:
        """Return how the channel stands once a push was refused."""
        if push.event != "propose_transfer":
            return self
        return replace(self, refused_nonces=self.refused_nonces | {push.payload["nonce"]})

    def _executed(self, nonce: int) -> Channel:
        proposal = self.proposal(nonce)
        if proposal is None:
            return self
        delta = proposal.amount if proposal.by == "b" else proposal.amount.copy_negate()
        return replace(
            self,
            a=add(self.a, delta),
            b=subtract(self.b, delta),
            pending=tuple(each for each in self.pending if each is not proposal),
            executed=self.executed | {nonce},
        )

    def _dropped(self, nonce: int) -> Channel:
        pending = tuple(each for each in self.pending if each.nonce != nonce)
        return replace(self, pending=pending, dropped=self.dropped | {nonce})
