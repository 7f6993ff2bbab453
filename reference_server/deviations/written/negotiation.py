"""Offers of a price: their form and bound, which of them count, and who is told of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.money import (
    any_float,
    any_number,
    at_least_the_least,
    reads_amounts,
    unsigned,
)
from reference_server.deviations.pretending import after_event, with_data
from reference_server.deviations.replacing import around, around_effect
from specs.amounts import add, format_amount, parse_amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_FAMILY = "negotiation"
_OFFER = "offer"
_SIDES = ("client", "provider")
_HIGHER_THAN_ANY_BOUND = "9" * 29
_OFFERS_PER_SIDE = 10


def _around_offer(server: Assembly, wrapper: Callable[..., Any]) -> None:
    around_effect(server, _FAMILY, _OFFER, wrapper)


def _bound(ctx: Any) -> Decimal:
    base = Decimal(ctx.resource.data["base_price"])
    return add(base, base)


def _bounds_offers_by(server: Assembly, is_too_high: Callable[[Any, Decimal], bool]) -> None:
    """Ask `is_too_high(ctx, amount)` in place of the honest bound."""

    def offer(honest: Any, ctx: Any) -> Any:
        if is_too_high(ctx, parse_amount(ctx.payload["amount"])):
            raise Refused("offer_too_high")
        base_price = ctx.resource.data["base_price"]
        ctx.resource = with_data(ctx, base_price=_HIGHER_THAN_ANY_BOUND)
        response = honest(ctx)
        ctx.save(base_price=base_price)
        return response

    _around_offer(server, offer)


@deviation("negotiation/offer-bound", shows="Offers of any height are taken.")
def takes_offers_of_any_height(server: Assembly) -> None:
    """Compare an offer with nothing."""
    _bounds_offers_by(server, lambda _ctx, _amount: False)


@deviation("negotiation/offer-bound", shows="A provider can offer more than twice the base price.")
def bounds_offers_of_client_only(server: Assembly) -> None:
    """Compare the offers of a client with the bound, and those of a provider with nothing."""
    _bounds_offers_by(server, lambda ctx, amount: ctx.role == "client" and amount > _bound(ctx))


@deviation("negotiation/offer-bound", shows="Offers are taken up to twice the latest offer.")
def bounds_offers_by_latest_offer(server: Assembly) -> None:
    """Compare an offer with twice the highest of the base price and the offers so far."""

    def is_too_high(ctx: Any, amount: Decimal) -> bool:
        offers = [Decimal(text) for text in ctx.resource.data["offers"].values()]
        highest = max([Decimal(ctx.resource.data["base_price"]), *offers])
        return amount > add(highest, highest)

    _bounds_offers_by(server, is_too_high)


@deviation(
    "negotiation/offer-at-bound-accepted", shows="An offer of exactly twice the base price is refused."
)
def refuses_offer_at_bound(server: Assembly) -> None:
    """Ask that an offer is below twice the base price."""
    _bounds_offers_by(server, lambda ctx, amount: amount >= _bound(ctx))


@deviation(
    "negotiation/offer-bound-exact",
    shows="An offer is taken that is above the bound by less than a binary float tells.",
)
def bounds_offers_by_float(server: Assembly) -> None:
    """Compare binary floats."""
    _bounds_offers_by(server, lambda ctx, amount: float(amount) > 2 * float(ctx.resource.data["base_price"]))


@deviation("negotiation/offer-bound-exact", shows="An offer above the bound by less than a cent is taken.")
def bounds_offers_to_the_cent(server: Assembly) -> None:
    """Round an offer before it is compared."""
    _bounds_offers_by(server, lambda ctx, amount: round(amount, 2) > _bound(ctx))


@deviation("negotiation/amount-form", shows="An offer of 1e1, +1 or .5 is taken.")
def offers_any_number(server: Assembly) -> None:
    """Read the amount of an offer as a number parser does."""
    reads_amounts(server, _FAMILY, [_OFFER], any_number)


@deviation("negotiation/amount-form", shows="An offer whose amount is a JSON fraction such as 1.5 is taken.")
def offers_floats(server: Assembly) -> None:
    """Read the amount of an offer from a binary float."""
    reads_amounts(server, _FAMILY, [_OFFER], any_float)


@deviation("negotiation/amount-form", shows="An acceptance with a line feed behind its amount is taken.")
def accepts_any_number(server: Assembly) -> None:
    """Read the amount of an acceptance as a number parser does."""
    reads_amounts(server, _FAMILY, ["accept"], any_number)


@deviation("negotiation/amount-positive", shows="An offer of zero is taken.")
def offers_nothing(server: Assembly) -> None:
    """Read zero as the least amount."""
    reads_amounts(server, _FAMILY, [_OFFER], at_least_the_least)


@deviation("negotiation/amount-not-negative", shows="A negative offer is taken.")
def drops_sign_of_offer(server: Assembly) -> None:
    """Read an amount without its sign."""
    reads_amounts(server, _FAMILY, [_OFFER], unsigned)


@deviation(
    "negotiation/signed-event-accepted", shows="An offer with more than two fraction digits is refused."
)
def refuses_offer_of_parts_of_a_cent(server: Assembly) -> None:
    """Take no price that a bank would not."""

    def offer(honest: Any, ctx: Any) -> Any:
        if parse_amount(ctx.payload["amount"]) % Decimal("0.01"):
            raise Refused("invalid_payload")
        return honest(ctx)

    _around_offer(server, offer)


@deviation(
    "negotiation/offer-replaces", shows="The first offer of each side counts, whatever is offered later."
)
def counts_first_offers(server: Assembly) -> None:
    """Keep the offer that a side has made already."""

    def offer(honest: Any, ctx: Any) -> Any:
        first = ctx.resource.data["offers"]
        response = honest(ctx)
        ctx.save(offers={**ctx.resource.data["offers"], **first})
        return response

    _around_offer(server, offer)


@deviation("negotiation/offer-replaces", shows="Only an offer that is better than the last one counts.")
def counts_best_offers(server: Assembly) -> None:
    """Keep the highest offer of the client and the lowest one of the provider."""

    def offer(honest: Any, ctx: Any) -> Any:
        former = ctx.resource.data["offers"].get(ctx.role)
        response = honest(ctx)
        if former is not None:
            best = max if ctx.role == "client" else min
            kept = best(Decimal(former), Decimal(ctx.resource.data["offers"][ctx.role]))
            ctx.save(offers={**ctx.resource.data["offers"], ctx.role: format_amount(kept)})
        return response

    _around_offer(server, offer)


@deviation("negotiation/offer-replaces", shows="The average is that of all offers that were made.")
def averages_all_offers(server: Assembly) -> None:
    """Keep as a side's offer the average of all that it has offered."""

    def offer(honest: Any, ctx: Any) -> Any:
        role, made = ctx.role, ctx.resource.data["offer_counts"].get(ctx.role, 0)
        former = Decimal(ctx.resource.data["offers"].get(role, "0"))
        response = honest(ctx)
        latest = Decimal(ctx.resource.data["offers"][role])
        mean = round((former * made + latest) / (made + 1), 8)
        ctx.save(offers={**ctx.resource.data["offers"], role: format_amount(mean)})
        return response

    _around_offer(server, offer)


@deviation(
    "negotiation/offer-replaces", shows="A second offer of one side takes the place of the other side's."
)
def replaces_offer_of_other_side(server: Assembly) -> None:
    """Keep the two latest offers, whoever made them."""

    def offer(honest: Any, ctx: Any) -> Any:
        former = ctx.resource.data["offers"]
        other = _SIDES[1 - _SIDES.index(ctx.role)]
        response = honest(ctx)
        if ctx.role in former and other in former:
            ctx.save(offers={**ctx.resource.data["offers"], other: former[ctx.role]})
        return response

    _around_offer(server, offer)


@deviation("negotiation/offer-count-limit", shows="The tenth offer of a side is refused.")
def refuses_tenth_offer(server: Assembly) -> None:
    """Count from one where the limit counts from zero."""

    def offer(honest: Any, ctx: Any) -> Any:
        counts = ctx.resource.data["offer_counts"]
        if counts.get(ctx.role, 0) == _OFFERS_PER_SIDE - 1:
            raise Refused("too_many_offers")
        return honest(ctx)

    _around_offer(server, offer)


@deviation("negotiation/offer-count-limit", shows="An eleventh offer is refused, and counts all the same.")
def counts_refused_eleventh_offer(server: Assembly) -> None:
    """Keep an offer before the limit is looked at."""

    def keep(application: Any, channel: Any, payload: Any, outcome: Any) -> Any:
        if outcome.response.get("reason") == "too_many_offers":
            resource = application.store.resource_by_topic(channel.topic)
            offers = {**resource.data["offers"], channel.role: str(payload["amount"])}
            with application.store.transaction():
                application.store.put_resource(replace(resource, data={**resource.data, "offers": offers}))
        return outcome

    after_event(server, _FAMILY, _OFFER, keep)


@deviation("negotiation/malformed-payload-refused", shows="A rejection without a reason is taken.")
def takes_rejection_without_reason(server: Assembly) -> None:
    """Put an empty reason in the place of one that is missing."""

    def check(honest: Any, self: Any, topic: Any, event: Any, payload: Any) -> Any:
        if (topic.name, event.event) == (_FAMILY, "reject") and isinstance(payload, dict):
            return honest(self, topic, event, {"reason": "", **payload})
        return honest(self, topic, event, payload)

    server.enforcement = around(server.enforcement, "check_payload", check)
