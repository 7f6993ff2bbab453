"""What a negotiation is for: offers within their bound, and an agreement on exactly the average of the latest two."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from conformance.faults import Violation
from conformance.verbs.acting import done, let_arrive, refuses, staged, traces, tried
from conformance.verbs.expectations import accepted, join_refused
from conformance.verbs.ledger import ODD_AMOUNTS, amount_of
from conformance.written import case
from specs.amounts import average, format_amount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.fixtures.lab import Lab
    from conformance.fixtures.provision import Agent
    from conformance.fixtures.stage import Stage

OFFER = "offer"
ACCEPT = "accept"
REJECT = "reject"
COMPLETE = "negotiation_complete"
SIDES = ("client", "provider")

_UNIT = Decimal("0.00000001")
_OFFERS_A_SIDE = 10


def session(lab: Lab, base_price: str = "100", agents: Mapping[str, Agent] | None = None) -> Stage:
    """Open a session at a base price, both sides joined."""
    return staged(lab, "negotiation", values={"base_price": base_price}, agents=agents)


def offered(lab: Lab, client: str, provider: str, base_price: str = "100") -> Stage:
    """Open a session on which both sides have made an offer."""
    stage = session(lab, base_price)
    done(stage, "client", OFFER, amount=client)
    done(stage, "provider", OFFER, amount=provider)
    return stage


def _middle(first: str, second: str) -> Decimal:
    return average(Decimal(first), Decimal(second))


def _demand_accepted(stage: Stage, requirement: str, expected: str, by: str, event: str, amount: str) -> bool:
    """Report a breach unless an event is taken; tell whether it is."""
    sent = tried(stage, by, event, amount=amount)
    answer = stage.peers[by].answer(sent.message)
    is_taken = answer.kind in {"ok", "silence"}
    stage.lab.demand(is_taken, requirement, expected, answer)
    if is_taken:
        let_arrive(stage, sent)
    return is_taken


@case("negotiation/unknown-session", "negotiation/unknown-session-refused")
def unknownsession(lab: Lab) -> None:
    """The topic of a session that does not exist cannot be joined."""
    stage = session(lab)
    topic = stage.family.topic_of(lab.unique("session"))
    join_refused(
        stage.peers["client"], topic, "negotiation/unknown-session-refused", "a client of another session"
    )


@case("negotiation/offer-at-bound", "negotiation/offer-at-bound-accepted")
def offer_at_bound(lab: Lab) -> None:
    """An offer of exactly twice the base price is accepted, from either side and whatever the digits."""
    for base, twice in (
        ("100", "200"),
        ("0.1", "0.2"),
        ("33.33333333", "66.66666666"),
        ("0.00000001", "0.00000002"),
    ):
        stage = session(lab, base)
        for side in SIDES:
            expected = f"an offer of {twice} at a base price of {base} is accepted from the {side}"
            _demand_accepted(stage, "negotiation/offer-at-bound-accepted", expected, side, OFFER, twice)


@case("negotiation/offer-above-bound", "negotiation/offer-bound")
def offer_above_bound(lab: Lab) -> None:
    """An offer far above twice the base price is refused, from either side."""
    stage = session(lab)
    for side in SIDES:
        for amount in ("201", "1000", "100000000000000000000"):
            what = f"{amount} at a base price of 100"
            refuses(stage, "negotiation/offer-bound", what, side, OFFER, amount=amount)
        done(stage, side, OFFER, amount="199")


@case("negotiation/offer-just-above-bound", "negotiation/offer-bound-exact")
def offer_just_above_bound(lab: Lab) -> None:
    """An offer above twice the base price by the smallest amount is refused, also beyond the digits of a float."""
    for base in ("100", "0.1", "33.33333333", "4503599627370496"):
        stage, twice = session(lab, base), Decimal(base) * 2
        amount = format_amount(twice + _UNIT)
        done(stage, "client", OFFER, amount=base)
        what = f"{amount} at a base price of {base}"
        refuses(stage, "negotiation/offer-bound-exact", what, "client", OFFER, amount=amount)
        done(stage, "client", OFFER, amount=base)


@case("negotiation/negative-offer", "negotiation/amount-not-negative")
def negative_offer(lab: Lab) -> None:
    """An offer of a negative amount is refused."""
    stage = session(lab)
    for amount in ("-1", "-0.00000001", "-100", -1):
        what = f"the amount {amount!r}"
        refuses(
            stage, "negotiation/amount-not-negative", what, "client", OFFER, may_crash=True, amount=amount
        )
    done(stage, "client", OFFER, amount="1")


@case("negotiation/zero-offer", "negotiation/amount-positive")
def zero_offer(lab: Lab) -> None:
    """An offer of zero is refused."""
    stage = session(lab)
    for amount in ("0", "0.00000000", 0):
        refuses(
            stage,
            "negotiation/amount-positive",
            f"the amount {amount!r}",
            "client",
            OFFER,
            may_crash=True,
            amount=amount,
        )
    done(stage, "client", OFFER, amount="1")


@case("negotiation/odd-amount-forms", "negotiation/amount-form")
def odd_amount_forms(lab: Lab) -> None:
    """Amounts with an exponent, a sign, a leading zero, white space, a bare point or nine fraction digits are refused."""
    stage = session(lab)
    for amount in ODD_AMOUNTS:
        refuses(
            stage,
            "negotiation/amount-form",
            f"the amount {amount!r}",
            "client",
            OFFER,
            may_crash=True,
            amount=amount,
        )
    done(stage, "client", OFFER, amount="1")


@case("negotiation/accept-without-offers", "negotiation/accept-needs-both-offers")
def accept_without_offers(lab: Lab) -> None:
    """An acceptance is refused while there is no offer, or only one side's, however many."""
    rule = "negotiation/accept-needs-both-offers"
    for lonely in SIDES:
        stage = session(lab)
        for offer in (None, "100", "120"):
            if offer is not None:
                done(stage, lonely, OFFER, amount=offer)
            for side in SIDES:
                for amount in ("100", "110", "120", "50", "60"):
                    what = f"only {offer or 'nothing'} offered by the {lonely}, and nothing by the other side"
                    refuses(stage, rule, what, side, ACCEPT, amount=amount)
        done(stage, "provider" if lonely == "client" else "client", OFFER, amount="100")
        done(stage, "client", ACCEPT, amount="110")


@case("negotiation/accept-other-than-average", "negotiation/accept-is-average")
def accept_other_than_average(lab: Lab) -> None:
    """An acceptance of anything but the average, such as either offer or their sum, is refused."""
    stage = offered(lab, "80", "120")
    for side in SIDES:
        for amount in ("80", "120", "200", "40", "99", "101", "100.1", "1"):
            what = f"{amount} where 80 and 120 are offered"
            refuses(stage, "negotiation/accept-is-average", what, side, ACCEPT, amount=amount)
    done(stage, "client", ACCEPT, amount="100")


@case("negotiation/accept-off-by-least", "negotiation/average-exact", "negotiation/accept-is-average")
def accept_off_by_least(lab: Lab) -> None:
    """An acceptance that is off the average by the smallest amount is refused."""
    for client, provider in (("80", "120"), ("0.1", "0.2"), ("33.33333333", "66.66666667")):
        stage, exact = offered(lab, client, provider), _middle(client, provider)
        for off in (exact + _UNIT, exact - _UNIT):
            what = f"{format_amount(off)} where {client} and {provider} are offered"
            refuses(stage, "negotiation/average-exact", what, "client", ACCEPT, amount=format_amount(off))
        done(stage, "client", ACCEPT, amount=format_amount(exact))


@case("negotiation/exact-averages", "negotiation/average-exact", "negotiation/agreement-amount")
def exact_averages(lab: Lab) -> None:
    """The exact average is accepted where floats would miss it, halve a unit, or run out of digits."""
    pairs = (
        ("100", "101", "100"),
        ("0.1", "0.2", "1"),
        ("0.7", "0.1", "1"),
        ("1.1", "2.2", "10"),
        ("0.00000001", "0.00000003", "1"),
        ("9007199254740993", "9007199254740994", "9007199254740993"),
        ("4503599627370496.5", "4503599627370497.00000002", "4503599627370497"),
    )
    for client, provider, base in pairs:
        stage, amount = offered(lab, client, provider, base), format_amount(_middle(client, provider))
        expected = f"{amount} is accepted where {client} and {provider} are offered"
        _demand_accepted(stage, "negotiation/average-exact", expected, "client", ACCEPT, amount)
        for name, peer in stage.peers.items():
            told = peer.wait_event(stage.topic, COMPLETE)
            named = amount_of(told.payload.get("amount")) if told and isinstance(told.payload, dict) else None
            is_right = named is None or named == Decimal(amount)
            lab.demand(is_right, "negotiation/agreement-amount", f"{name} is told of {amount}", f"{told}")


@case("negotiation/accept-from-each-side", "negotiation/accept-by-either", "negotiation/agreement-broadcast")
def accept_from_each_side(lab: Lab) -> None:
    """The client and the provider can each accept; both are told."""
    for side in SIDES:
        stage = offered(lab, "100", "120")
        sent = tried(stage, side, ACCEPT, amount="110")
        try:
            accepted(stage, sent, exactly_once=True)
        except Violation as exc:
            if exc.breach.requirement != sent.event.rules["accepted"]:
                raise
            lab.report("negotiation/accept-by-either", f"the {side} can accept", exc.breach.observed)


@case("negotiation/latest-offers-count", "negotiation/offer-replaces")
def latest_offers_count(lab: Lab) -> None:
    """The average is that of the latest offer of each side; the earlier ones count no more."""
    stage, rule = offered(lab, "100", "120"), "negotiation/offer-replaces"
    for side, amount in (("client", "90"), ("provider", "119"), ("client", "95")):
        done(stage, side, OFFER, amount=amount)
    for amount in ("110", "105", "109.5", "104.5", "101", "102.5"):
        what = f"{amount} where 95 and 119 are the latest offers"
        refuses(stage, rule, what, "client", ACCEPT, amount=amount)
    _demand_accepted(stage, rule, "107 is accepted, the average of 95 and 119", "client", ACCEPT, "107")


@case("negotiation/eleventh-offer", "negotiation/offer-count-limit")
def eleventh_offer(lab: Lab) -> None:
    """Ten offers a side are taken; whether the eleventh is or not, the session goes on by the latest one taken."""
    stage, rule = session(lab), "negotiation/offer-count-limit"
    done(stage, "provider", OFFER, amount="100")
    for number in range(1, _OFFERS_A_SIDE + 1):
        if not _demand_accepted(stage, rule, f"offer {number} is taken", "client", OFFER, f"{number}"):
            return
    eleventh = tried(stage, "client", OFFER, amount="50")
    answer = stage.peers["client"].answer(eleventh.message)
    stage.settle()
    is_taken = answer.kind == "ok" or traces(stage, eleventh, OFFER)["provider"] > 0
    amount = "75" if is_taken else "55"
    expected = f"{amount} is accepted, the average by the latest offer taken ({answer} to the eleventh)"
    _demand_accepted(stage, rule, expected, "client", ACCEPT, amount)
