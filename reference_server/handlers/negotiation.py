"""Price negotiations: bounded offers, and the acceptance of their exact average (`reading.md` section 6)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.context import Context, Refused
from reference_server.registry import creates, handles, joins
from specs.amounts import NotAnAmount, add, average, format_amount, parse_amount

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_OFFERS_PER_SIDE = 10
SESSION_LENGTH = timedelta(minutes=30)

SIDES = ("client", "provider")


@creates("negotiation")
def create(_ctx: Context, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Begin with a base price and no offers."""
    return {"base_price": params["base_price"], "offers": {}, "offer_counts": {}}


@joins("negotiation")
def join(ctx: Context) -> Mapping[str, Any]:
    """Tell how the session stands."""
    return {"session": {"id": ctx.resource.id, "status": ctx.resource.state, **ctx.resource.data}}


@handles("negotiation", "offer")
def offer(ctx: Context) -> None:
    """Make this the sender's latest offer."""
    _require_in_time(ctx)
    amount = _amount(ctx)
    base_price = Decimal(ctx.resource.data["base_price"])
    if amount > add(base_price, base_price):
        raise Refused("offer_too_high")
    counts = ctx.resource.data["offer_counts"]
    made = counts.get(ctx.role, 0)
    if made >= MAX_OFFERS_PER_SIDE:
        raise Refused("too_many_offers")
    offers = {**ctx.resource.data["offers"], ctx.role: format_amount(amount)}
    ctx.save(offers=offers, offer_counts={**counts, ctx.role: made + 1})


@handles("negotiation", "accept")
def accept(ctx: Context) -> None:
    """Settle the session at the average of both sides' latest offers."""
    _require_in_time(ctx)
    offers = ctx.resource.data["offers"]
    if any(side not in offers for side in SIDES):
        raise Refused("offers_missing")
    middle = average(*(Decimal(offers[side]) for side in SIDES))
    # It may have one fraction digit more than an amount: then no amount equals it, and new offers are needed.
    if _amount(ctx) != middle:
        raise Refused("not_the_average")
    amount = format_amount(middle)
    ctx.save(agreed_amount=amount, accepted_by=ctx.agent_id)
    ctx.broadcast(
        "negotiation_complete",
        {"session_id": ctx.resource.id, "amount": amount, "accepted_by": ctx.agent_id, **ctx.resource.roles},
    )


@handles("negotiation", "reject")
def reject(ctx: Context) -> None:
    """Keep why the session was broken off."""
    ctx.save(rejection={"reason": ctx.payload["reason"], "by": ctx.agent_id})


def _require_in_time(ctx: Context) -> None:
    if ctx.now - ctx.resource.inserted_at > SESSION_LENGTH:
        raise Refused("session_closed")


def _amount(ctx: Context) -> Decimal:
    try:
        return parse_amount(ctx.payload["amount"])
    except NotAnAmount as exc:
        raise Refused("invalid_payload", detail={"pointer": "/amount", "keyword": "pattern"}) from exc
