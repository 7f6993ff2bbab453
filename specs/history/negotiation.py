"""Negotiations: bounded offers, and one agreement on the average of the latest ones (`reading.md` section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from specs.amounts import add, format_amount, subtract
from specs.history.balances import amount_in, amount_of
from specs.history.subject import Outline, Subject

if TYPE_CHECKING:
    from specs.history.facts import Answered, Fact, Made, Received
    from specs.history.findings import Findings
    from specs.history.holders import Call, Member


CLOSE: Final = Decimal(1)
"""What is off by less is so by the rounding of a server that does not reckon exactly, which is an interpretation."""


@dataclass(slots=True, eq=False)
class Offer:
    """An offer that may have been accepted."""

    call: Call
    amount: Decimal
    replaced_at: int | None = None
    """Position from which it surely is not its side's latest any more."""


class Negotiation(Subject):
    """One session."""

    DOUBLED = "negotiation/agreement-broadcast-once"
    UNSENT = "negotiation/no-agreement-without-accept"

    def __init__(self, topic: str, outline: Outline, findings: Findings) -> None:
        super().__init__(topic, outline, findings)
        self._offers: dict[str, list[Offer]] = {}
        """Those that may be the latest of a side, by agent."""
        self._bound: Decimal | None = None
        self._accepts: list[Call] = []
        """Those that are open or were accepted."""
        self._unread = 0
        """Offers whose amount is in a form that is not understood here, and that may have been accepted."""

    def on_made(self, fact: Made) -> None:
        """Take the base price."""
        base_price = amount_of(fact.params.get("base_price"))
        self._bound = None if base_price is None else add(base_price, base_price)

    def on_invoked(self, call: Call) -> None:
        """Keep an offer for the averages that it may take part in."""
        if call.fact.event == "accept":
            self._accepts.append(call)
            return
        if call.fact.event != "offer":
            return
        amount = amount_in(call.fact.payload)
        if amount is None:
            self._unread += 1
        else:
            call.memo = Offer(call, amount)
            self._offers.setdefault(call.agent, []).append(call.memo)

    def on_refused(self, call: Call, _fact: Answered) -> None:
        """Forget what had no effect."""
        if call.memo is not None and call.memo in self._offers.get(call.agent, ()):
            self._offers[call.agent].remove(call.memo)
        elif call in self._accepts:
            self._accepts.remove(call)
        elif call.fact.event == "offer":
            self._unread -= 1

    def on_accepted(self, call: Call, fact: Fact) -> None:
        """Judge an offer by its bound, an acceptance by the offers."""
        if call.fact.event == "accept":
            self._settle_on(call, fact)
        elif isinstance(call.memo, Offer):
            offer = call.memo
            if self._bound is not None and offer.amount > self._bound:
                expected = f"an offer above {format_amount(self._bound)} is refused"
                is_close = subtract(offer.amount, self._bound) < CLOSE
                rule = "negotiation/offer-bound-exact" if is_close else "negotiation/offer-bound"
                self._accuse(rule, expected, f"{offer.amount} accepted", call.fact, fact)
            self._replace_those_before(offer)

    def on_received(self, _member: Member | None, fact: Received) -> None:
        """Hold the agreed amount against the acceptances."""
        if fact.event != "negotiation_complete" or not isinstance(fact.payload, dict):
            return
        told, amounts = amount_in(fact.payload), [amount_in(call.fact.payload) for call in self._accepts]
        if told is not None and amounts and None not in amounts and told not in amounts:
            expected = f"the accepted amount {amounts[0]}"
            self._accuse("negotiation/agreement-amount", expected, f"{told}", self._accepts[0].fact, fact)

    def _replace_those_before(self, offer: Offer) -> None:
        """Let an offer that was surely made replace those of its side that surely came before."""
        mine = self._offers.get(offer.call.agent, [])
        for other in mine:
            accepted_at = other.call.accepted_at
            if other.replaced_at is None and accepted_at is not None and accepted_at < offer.call.at:
                other.replaced_at = offer.call.accepted_at
        if not self._accepts:
            self._offers[offer.call.agent] = [each for each in mine if each.replaced_at is None]

    def _settle_on(self, call: Call, fact: Fact) -> None:
        amount = amount_in(call.fact.payload)
        sides = sorted(set(self.roles.values()))
        if amount is None or self._unread or not self.lifecycle.is_fresh or len(sides) != 2:
            return
        one, other = (self._candidates(agent, call) for agent in sides)
        if not one or not other:
            expected = "an acceptance is refused until both sides have made an offer"
            self._accuse("negotiation/accept-needs-both-offers", expected, "accepted", call.fact, fact)
            return
        # Twice the amount is the sum of both offers, however many digits the average has.
        twice, sums = add(amount, amount), {offer.amount for offer in other}
        if not any(subtract(twice, offer.amount) in sums for offer in one):
            latest = (one[-1].call.fact, other[-1].call.fact)
            expected = "an acceptance is refused unless its amount is the average of both latest offers"
            observed = f"{amount} accepted, with {one[-1].amount} and {other[-1].amount} offered"
            off = subtract(twice, add(one[-1].amount, other[-1].amount)).copy_abs()
            rule = "negotiation/average-exact" if off < CLOSE else "negotiation/accept-is-average"
            self._accuse(rule, expected, observed, *latest, call.fact, fact)

    def _candidates(self, agent: str, call: Call) -> list[Offer]:
        offers = self._offers.get(agent, ())
        return [each for each in offers if each.replaced_at is None or each.replaced_at > call.at]

    def _accuse(self, requirement: str, expected: str, observed: str, *facts: Fact) -> None:
        self.findings.accuse(requirement, self.topic, expected, observed, *facts)
