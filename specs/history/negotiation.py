"""Negotiations: bounded offers, and one agreement on the average of the latest ones (`reading.md` section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from specs.amounts import UNIT
from specs.amounts import format_units as text
from specs.history.balances import units_in, units_of
from specs.history.subject import Outline, Subject

if TYPE_CHECKING:
    from specs.history.deliveries import Key
    from specs.history.facts import Answered, Fact, Made, Received, Settled
    from specs.history.findings import Findings
    from specs.history.holders import Call, Member


CLOSE: Final = UNIT
"""What is off by less is so by the rounding of a server that does not reckon exactly, which is an interpretation."""


@dataclass(slots=True, eq=False)
class Offer:
    """What an offer that may have been accepted says; the memo of its call."""

    amount: int
    """In units."""
    replaced_at: int | None = None
    """Position from which it surely is not its side's latest any more."""


class Negotiation(Subject):
    """One session."""

    __slots__ = ("_accepts", "_bound", "_offers", "_told", "_unread")

    DOUBLED = "negotiation/agreement-broadcast-once"
    UNSENT = "negotiation/no-agreement-without-accept"

    def __init__(self, topic: str, outline: Outline, findings: Findings) -> None:
        super().__init__(topic, outline, findings)
        self._offers: dict[str, list[Call]] = {}
        """Those that may be the latest of a side, by agent."""
        self._bound: int | None = None
        """In units, as all money is."""
        self._accepts: list[Call] = []
        """Those that are open or were accepted."""
        self._told: tuple[int, Received] | None = None
        """The amount of the agreement, as it was last told."""
        self._unread = 0
        """Offers whose amount is in a form that is not understood here, and that may have been accepted."""

    def on_made(self, fact: Made) -> None:
        """Take the base price."""
        base_price = units_of(fact.params.get("base_price"))
        self._bound = None if base_price is None else 2 * base_price

    def on_invoked(self, call: Call, event: str, payload: Any) -> None:
        """Keep an offer for the averages that it may take part in."""
        if event == "accept":
            call.memo = units_in(payload)
            self._accepts.append(call)
        elif event == "offer":
            amount = units_in(payload)
            if amount is None:
                self._unread += 1
                return
            call.memo = Offer(amount)
            mine = self._offers.get(call.agent)
            if mine is None:
                self._offers[call.agent] = [call]
            else:
                mine.append(call)

    def on_refused(self, call: Call, _fact: Answered) -> None:
        """Forget what had no effect."""
        if call.memo is not None and call in self._offers.get(call.agent, ()):
            self._offers[call.agent].remove(call)
        elif call in self._accepts:
            self._accepts.remove(call)
            if self._told is not None:
                self._judge_told(*self._told)
        elif call.fact.event == "offer":
            self._unread -= 1

    def on_accepted(self, call: Call, fact: Fact) -> None:
        """Judge an offer by its bound, an acceptance by the offers."""
        if call.fact.event == "accept":
            self._settle_on(call, fact)
        elif call.memo is not None:
            offer: Offer = call.memo
            if self._bound is not None and offer.amount > self._bound:
                expected = f"an offer above {text(self._bound)} is refused"
                is_close = offer.amount - self._bound < CLOSE
                rule = "negotiation/offer-bound-exact" if is_close else "negotiation/offer-bound"
                self._accuse(rule, expected, f"{text(offer.amount)} accepted", call.fact, fact)
            self._replace_those_before(call)
            for accept in self._accepts:
                if accept.accepted_at is not None and accept.accepted_at > call.at:
                    self._come_before(accept, fact)

    def on_received(
        self, _member: Member | None, fact: Received, event: str, payload: Any, _key: Key | None
    ) -> None:
        """Hold the agreed amount against the acceptances."""
        told = units_in(payload) if event == "negotiation_complete" else None
        if told is not None:
            self._told = (told, fact)
            self._judge_told(told, fact)

    def on_settled(self, _fact: Settled) -> None:
        """Judge the acceptance that only the agreement shows, where nobody will know its answer."""
        if self._told is None or any(call.accepted_at is not None for call in self._accepts):
            return
        told, fact = self._told
        agreed = [call for call in self._accepts if call.memo == told]
        if len(agreed) == 1 and agreed[0].status == "unknown":
            self._settle_on(agreed[0], fact)

    def _judge_told(self, told: int, fact: Fact) -> None:
        amounts = [call.memo for call in self._accepts]
        if amounts and None not in amounts and told not in amounts:
            expected, cause = f"the accepted amount {text(amounts[0])}", self._accepts[0].fact
            self._accuse("negotiation/agreement-amount", expected, text(told), cause, fact)

    def _replace_those_before(self, offer: Call) -> None:
        """Let an offer that was surely made replace those of its side that surely came before."""
        mine = self._offers.get(offer.agent)
        if mine is None or (len(mine) == 1 and mine[0] is offer):
            return
        for other in mine:
            accepted_at = other.accepted_at
            is_before = accepted_at is not None and (accepted_at < offer.at or other.precedes(offer))
            if other.memo.replaced_at is None and is_before:
                other.memo.replaced_at = offer.accepted_at
        if not self._accepts:
            self._offers[offer.agent] = [each for each in mine if each.memo.replaced_at is None]

    def _settle_on(self, call: Call, fact: Fact) -> None:
        amount: int | None = call.memo
        if amount is None or self._unread or not self.lifecycle.is_fresh or len(self.insiders) != 2:
            return
        one, other = (self._candidates(agent, call) for agent in sorted(self.insiders))
        if not one or not other:
            expected = "an acceptance is refused until both sides have made an offer"
            self._accuse("negotiation/accept-needs-both-offers", expected, "accepted", call.fact, fact)
            return
        # Twice the amount is the sum of both offers, however many digits the average has.
        twice, sums = 2 * amount, {offer.memo.amount for offer in other}
        if not any(twice - offer.memo.amount in sums for offer in one):
            latest = (one[-1].fact, other[-1].fact)
            offered = (one[-1].memo.amount, other[-1].memo.amount)
            expected = "an acceptance is refused unless its amount is the average of both latest offers"
            observed = f"{text(amount)} accepted, with {text(offered[0])} and {text(offered[1])} offered"
            is_close = abs(twice - sum(offered)) < CLOSE
            rule = "negotiation/average-exact" if is_close else "negotiation/accept-is-average"
            self._accuse(rule, expected, observed, *latest, call.fact, fact)
        else:
            self._come_before(call, fact)

    def _come_before(self, call: Call, fact: Fact) -> None:
        """Judge an acceptance in view of what was sent at the same time: every offer that was taken came before it."""
        amount: int | None = call.memo
        if amount is None or self._unread or not self.lifecycle.is_fresh or len(self.insiders) != 2:
            return
        one, other = (
            [each for each in self._offers.get(agent, ()) if each.memo.replaced_at is None]
            for agent in sorted(self.insiders)
        )
        offs = [abs(2 * amount - a.memo.amount - b.memo.amount) for a in one for b in other]
        # An average that is only rounded is judged where it is accepted.
        if offs and min(offs) >= CLOSE:
            expected = "no offer is taken once the session is agreed, and no amount agreed on but the average of the latest ones"
            observed = f"{text(amount)} accepted, and offers of {text(one[-1].memo.amount)} and {text(other[-1].memo.amount)}"
            rule, latest = "negotiation/concurrent-pushes-ordered", (one[-1].fact, other[-1].fact)
            self._accuse(rule, expected, observed, *latest, call.fact, fact)

    def _candidates(self, agent: str, call: Call) -> list[Call]:
        offers = self._offers.get(agent, ())
        return [each for each in offers if each.memo.replaced_at is None or each.memo.replaced_at > call.at]

    def _accuse(self, requirement: str, expected: str, observed: str, *facts: Fact) -> None:
        self.findings.accuse(requirement, self.topic, expected, observed, *facts)
