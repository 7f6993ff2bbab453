"""How a negotiation ends: what is taken for the average, who may accept it, what is told, and what stays possible."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.pretending import after_event, retells, retold, seeing, with_data, without
from reference_server.deviations.replacing import around_effect, with_event
from reference_server.outcome import Broadcast
from specs.amounts import average, format_amount, parse_amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_FAMILY = "negotiation"
_OFFER = "offer"
_ACCEPT = "accept"
_REJECT = "reject"
_COMPLETE = "negotiation_complete"
_SIDES = ("client", "provider")


def _around_acceptance(server: Assembly, wrapper: Callable[..., Any]) -> None:
    around_effect(server, _FAMILY, _ACCEPT, wrapper)


def _accepts_also(server: Assembly, is_taken: Callable[[Decimal, Decimal, Decimal], bool]) -> None:
    """Settle at the accepted amount where `is_taken(amount, client's offer, provider's offer)` says so."""

    def accept(honest: Any, ctx: Any) -> Any:
        offers = ctx.resource.data["offers"]
        amount = parse_amount(ctx.payload["amount"])
        if len(offers) < len(_SIDES) or not is_taken(amount, *(Decimal(offers[side]) for side in _SIDES)):
            return honest(ctx)
        ctx.resource = with_data(ctx, offers=dict.fromkeys(_SIDES, format_amount(amount)))
        return honest(ctx)

    _around_acceptance(server, accept)


@deviation("negotiation/accept-is-average", shows="Either offer can be accepted as it stands.")
def accepts_either_offer(server: Assembly) -> None:
    """Take an acceptance of the other side's offer, or of one's own, for an agreement."""
    _accepts_also(server, lambda amount, client, provider: amount in {client, provider})


@deviation("negotiation/accept-is-average", shows="Every amount between both offers can be accepted.")
def accepts_anything_between_offers(server: Assembly) -> None:
    """Take an acceptance of what neither side would lose by."""
    _accepts_also(
        server, lambda amount, client, provider: min(client, provider) <= amount <= max(client, provider)
    )


@deviation(
    "negotiation/average-exact",
    shows="An acceptance is taken that is off the average by a hundred-millionth.",
)
def accepts_average_to_the_cent(server: Assembly) -> None:
    """Compare an acceptance with the average to the cent."""
    _accepts_also(
        server, lambda amount, client, provider: round(amount, 2) == round(average(client, provider), 2)
    )


@deviation("negotiation/average-exact", shows="The exact average is refused where binary floats miss it.")
def averages_by_float(server: Assembly) -> None:
    """Add binary floats and halve them."""

    def accept(honest: Any, ctx: Any) -> Any:
        offers = ctx.resource.data["offers"]
        if len(offers) == len(_SIDES):
            middle = sum(float(offers[side]) for side in _SIDES) / 2
            if Decimal(repr(middle)) != parse_amount(ctx.payload["amount"]):
                raise Refused("not_the_average")
        return honest(ctx)

    _around_acceptance(server, accept)


@deviation(
    "negotiation/accept-needs-both-offers",
    shows="An acceptance of the only offer settles the session.",
)
def accepts_with_one_offer(server: Assembly) -> None:
    """Take an acceptance of the only offer for an offer of the same amount."""

    def accept(honest: Any, ctx: Any) -> Any:
        offers = ctx.resource.data["offers"]
        if len(offers) == 1:
            ctx.resource = with_data(ctx, offers=dict.fromkeys(_SIDES, *offers.values()))
        return honest(ctx)

    _around_acceptance(server, accept)


@deviation(
    "negotiation/accept-needs-both-offers",
    shows="A side that has offered nothing counts as if it had offered zero.",
)
def counts_missing_offer_as_zero(server: Assembly) -> None:
    """Halve the only offer."""

    def accept(honest: Any, ctx: Any) -> Any:
        ctx.resource = with_data(ctx, offers={**dict.fromkeys(_SIDES, "0"), **ctx.resource.data["offers"]})
        return honest(ctx)

    _around_acceptance(server, accept)


@deviation("negotiation/accept-by-either", shows="A provider cannot accept.")
def lets_client_accept_only(server: Assembly) -> None:
    """Leave the last word to the client."""
    server.api = with_event(server.api, _FAMILY, _ACCEPT, roles=("client",))


def _retells_agreement(server: Assembly, retell: Callable[[Any, Any], tuple[Any, ...]]) -> None:
    """Send what `retell(ctx, broadcast)` makes of negotiation_complete."""

    def accept(honest: Any, ctx: Any) -> Any:
        response = honest(ctx)
        retells(ctx, _COMPLETE, lambda told: retell(ctx, told))
        return response

    _around_acceptance(server, accept)


@deviation("negotiation/agreement-broadcast-once", shows="Every agreement is told twice.")
def tells_agreement_twice(server: Assembly) -> None:
    """Send negotiation_complete for each side, each time to both."""
    _retells_agreement(server, lambda _ctx, told: (told, told))


@deviation("negotiation/agreement-content", shows="negotiation_complete does not say which session it is of.")
def tells_agreement_without_session(server: Assembly) -> None:
    """Leave the session to the topic of the message."""
    _retells_agreement(server, lambda _ctx, told: (without(told, "session_id"),))


@deviation(
    "negotiation/agreement-amount", shows="negotiation_complete tells the client's offer, not the average."
)
def tells_offer_as_agreed_amount(server: Assembly) -> None:
    """Tell what the client has offered."""
    _retells_agreement(
        server, lambda ctx, told: (retold(told, amount=ctx.resource.data["offers"]["client"]),)
    )


@deviation("negotiation/agreement-amount", shows="The agreed amount is told to the cent.")
def tells_agreed_amount_to_the_cent(server: Assembly) -> None:
    """Round the average where it is told."""
    _retells_agreement(
        server, lambda _ctx, told: (retold(told, amount=f"{Decimal(told.payload['amount']):.2f}"),)
    )


def _tell_agreement(ctx: Any, amount: str) -> None:
    payload = {"session_id": ctx.resource.id, "amount": amount}
    ctx.broadcasts.append(Broadcast(ctx.channel.topic, _COMPLETE, payload))


@deviation(
    "negotiation/no-agreement-without-accept",
    shows="An agreement is told as soon as both offers are the same.",
)
def tells_agreement_when_offers_meet(server: Assembly) -> None:
    """Take equal offers for an agreement, and leave the session open."""

    def offer(honest: Any, ctx: Any) -> Any:
        response = honest(ctx)
        offers = ctx.resource.data["offers"]
        if len(offers) == len(_SIDES) and len(set(offers.values())) == 1:
            _tell_agreement(ctx, offers[ctx.role])
        return response

    around_effect(server, _FAMILY, _OFFER, offer)


@deviation(
    "negotiation/no-agreement-without-accept", shows="An agreement is told when a session is rejected."
)
def tells_agreement_when_rejected(server: Assembly) -> None:
    """Tell both sides that a session is done with, however it ended."""

    def reject(honest: Any, ctx: Any) -> Any:
        response = honest(ctx)
        _tell_agreement(ctx, "0")
        return response

    around_effect(server, _FAMILY, _REJECT, reject)


@deviation("negotiation/reject-accepted", shows="A rejection whose reason is not plain ASCII is refused.")
def refuses_rejection_of_session_beyond_ascii(server: Assembly) -> None:
    """Take reasons in ASCII only."""

    def reject(honest: Any, ctx: Any) -> Any:
        if not ctx.payload["reason"].isascii():
            raise Refused("invalid_payload")
        return honest(ctx)

    around_effect(server, _FAMILY, _REJECT, reject)


@deviation(
    "negotiation/refusal-has-no-effect",
    shows="A rejection beyond ASCII is answered with an error, and the other side is told of it.",
)
def answers_error_to_rejection(server: Assembly) -> None:
    """Fail to log the reason when the rejection has been carried out."""

    def answer(_application: Any, _channel: Any, payload: Any, outcome: Any) -> Any:
        has_failed = outcome.status == "ok" and not payload["reason"].isascii()
        return replace(outcome, status="error", response={"reason": "internal"}) if has_failed else outcome

    after_event(server, _FAMILY, _REJECT, answer)


@deviation(
    "negotiation/sessions-isolated",
    shows="An offer on one session counts on another one of the same participants.",
)
def shares_offers_between_sessions(server: Assembly) -> None:
    """Keep the offers of two agents, whatever session they made them on."""
    offers: dict[frozenset[str], dict[str, str]] = {}

    def offer(honest: Any, ctx: Any) -> Any:
        response = honest(ctx)
        offers.setdefault(frozenset(ctx.resource.roles.values()), {}).update(ctx.resource.data["offers"])
        return response

    def accept(honest: Any, ctx: Any) -> Any:
        elsewhere = offers.get(frozenset(ctx.resource.roles.values()), {})
        with seeing(ctx, resource=with_data(ctx, offers={**elsewhere, **ctx.resource.data["offers"]})):
            response = honest(ctx)
            agreed = ctx.resource
        ctx.put(agreed)
        return response

    around_effect(server, _FAMILY, _OFFER, offer)
    _around_acceptance(server, accept)
