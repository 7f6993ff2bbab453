"""One negotiation session (`reading.md` section 6)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from conformance.models.expectation import EITHER, Expectation, Push, accept, refuse
from specs.amounts import add, average, parse_amount, subtract

ACCEPTED = "negotiation/signed-event-accepted"
SMALLEST = Decimal("0.00000001")
FREE_OFFERS = 10
"""Offers of a side that nobody may refuse for their number."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one side has offered, the latest last."""

    offers: tuple[Decimal, ...] = ()

    @property
    def latest(self) -> Decimal | None:
        """The offer that counts."""
        return self.offers[-1] if self.offers else None


@dataclass(frozen=True, slots=True)
class Session:
    """How a session stands."""

    base_price: Decimal
    client: Side = field(default_factory=Side)
    provider: Side = field(default_factory=Side)
    status: str = "open"

    @property
    def bound(self) -> Decimal:
        """The highest amount that may be offered."""
        return add(self.base_price, self.base_price)

    @property
    def middle(self) -> Decimal | None:
        """The exact average of both latest offers; None while a side has made none."""
        if self.client.latest is None or self.provider.latest is None:
            return None
        return average(self.client.latest, self.provider.latest)

    def side(self, role: str) -> Side:
        """Return a side by its role."""
        return self.client if role == "client" else self.provider

    @property
    def is_over(self) -> bool:
        """Whether nothing more is accepted."""
        return self.status != "open"

    def expects(self, push: Push) -> Expectation:
        """Say what has to become of a push."""
        if self.status == "agreed":
            return refuse("negotiation/settled-is-final", "comes after the agreement")
        if self.status == "rejected":
            return refuse("negotiation/ended-is-final", "comes after a rejection")
        if push.flaw is not None:
            return refuse(push.flaw, "is not signed as it has to be")
        match push.event:
            case "offer":
                return self._expects_offer(push)
            case "accept":
                return self._expects_acceptance(push)
        return accept("negotiation/reject-accepted")

    def _expects_offer(self, push: Push) -> Expectation:
        amount = parse_amount(push.payload["amount"])
        if amount > self.bound:
            is_close = subtract(amount, self.bound) < 1
            rule = "negotiation/offer-bound-exact" if is_close else "negotiation/offer-bound"
            return refuse(rule, f"is above {self.bound}")
        if len(self.side(push.by).offers) >= FREE_OFFERS:
            return EITHER
        if amount == self.bound:
            return accept("negotiation/offer-at-bound-accepted", f"is of exactly {self.bound}")
        if len(self.side(push.by).offers) == FREE_OFFERS - 1:
            return accept("negotiation/offer-count-limit", f"is offer {FREE_OFFERS} of its side")
        return accept(ACCEPTED)

    def _expects_acceptance(self, push: Push) -> Expectation:
        amount, middle = parse_amount(push.payload["amount"]), self.middle
        if middle is None:
            return refuse(
                "negotiation/accept-needs-both-offers", "comes before both sides have made an offer"
            )
        if amount != middle:
            return refuse(self._rule_of_wrong_average(amount, middle), f"is not of the average {middle}")
        if len(self.client.offers) > 1 or len(self.provider.offers) > 1:
            return accept("negotiation/offer-replaces", f"is of the average {middle} of both latest offers")
        return accept(ACCEPTED, f"is of the average {middle}")

    def _rule_of_wrong_average(self, amount: Decimal, middle: Decimal) -> str:
        if subtract(amount, middle).copy_abs() < Decimal("0.01"):
            return "negotiation/average-exact"
        former = (average(mine, yours) for mine in self.client.offers for yours in self.provider.offers)
        return "negotiation/offer-replaces" if amount in former else "negotiation/accept-is-average"

    def after(self, push: Push) -> Session:
        """Return how the session stands once a push was accepted."""
        match push.event:
            case "offer":
                side = Side((*self.side(push.by).offers, parse_amount(push.payload["amount"])))
                return replace(self, client=side) if push.by == "client" else replace(self, provider=side)
            case "accept":
                return replace(self, status="agreed")
            case "reject":
                return replace(self, status="rejected")
        return self

    def refused(self, _push: Push) -> Session:
        """Return how things stand once a push was refused: as before."""
        return self
