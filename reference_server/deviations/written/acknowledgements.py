"""Who may acknowledge which transfer, with what amount, and how often."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.money import (
    ACKNOWLEDGE,
    PAYMENT,
    other_party,
    pending_proposal,
    propose_again,
)
from reference_server.deviations.pretending import after_event, seeing
from reference_server.deviations.replacing import around, around_effect
from specs.amounts import format_amount, parse_amount

if TYPE_CHECKING:
    from reference_server.assembly import Assembly


@deviation(
    "payment/acknowledge-names-pending",
    shows="An acknowledgement of a transfer that nobody has proposed moves money.",
)
def executes_what_nobody_proposed(server: Assembly) -> None:
    """Take an acknowledgement with a fresh nonce for the proposal as well."""

    def check(honest: Any, self: Any, ctx: Any, nonce: Any) -> None:
        if nonce.rule != "pending" or ctx.payload[nonce.member] <= ctx.resource.highest_nonce:
            honest(self, ctx, nonce)

    def acknowledge(honest: Any, ctx: Any) -> Any:
        if pending_proposal(ctx) is None:
            amount = format_amount(parse_amount(ctx.payload["amount"]))
            propose_again(ctx, {"by": other_party(ctx.role), "amount": amount})
        return honest(ctx)

    server.enforcement = around(server.enforcement, "check_nonce", check)
    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


@deviation(
    "payment/acknowledge-same-amount",
    shows="An acknowledgement of another amount executes the proposed one.",
)
def ignores_acknowledged_amount(server: Assembly) -> None:
    """Look at the nonce of an acknowledgement alone."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        with seeing(ctx, payload={**ctx.payload, "amount": pending_proposal(ctx)["amount"]}):
            return honest(ctx)

    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


@deviation(
    "payment/acknowledge-same-amount",
    shows="Whoever is paid chooses the amount when acknowledging.",
)
def executes_acknowledged_amount(server: Assembly) -> None:
    """Execute the amount that the acknowledgement names."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        amount = format_amount(parse_amount(ctx.payload["amount"]))
        propose_again(ctx, {**pending_proposal(ctx), "amount": amount})
        return honest(ctx)

    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


@deviation("payment/acknowledge-by-other-party", shows="A party can acknowledge its own proposal.")
def lets_proposer_acknowledge(server: Assembly) -> None:
    """Ask for somebody's acknowledgement, be it the proposer's."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        payee = other_party(pending_proposal(ctx)["by"])
        with seeing(ctx, channel=replace(ctx.channel, role=payee)):
            return honest(ctx)

    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


@deviation(
    "payment/acknowledge-once", shows="Every further acknowledgement of a transfer moves the money once more."
)
def executes_every_acknowledgement(server: Assembly) -> None:
    """Keep a proposal after it has been executed, and check no nonce of an acknowledgement."""

    def check(honest: Any, self: Any, ctx: Any, nonce: Any) -> None:
        if nonce.rule != "pending":
            honest(self, ctx, nonce)

    def acknowledge(honest: Any, ctx: Any) -> Any:
        proposal = pending_proposal(ctx)
        response = honest(ctx)
        propose_again(ctx, {**proposal, "executed": True})
        return response

    server.enforcement = around(server.enforcement, "check_nonce", check)
    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


@deviation(
    "payment/acknowledge-again-refused",
    shows="A second acknowledgement of a transfer is answered with ok, though nothing happens.",
)
def answers_ok_to_second_acknowledgement(server: Assembly) -> None:
    """Take an acknowledgement for a repetition where its nonce has been executed."""

    def answer(application: Any, channel: Any, payload: Any, outcome: Any) -> Any:
        resource = application.store.resource_by_topic(channel.topic)
        is_unknown = outcome.status == "error" and outcome.response["reason"] == "unknown_transfer"
        is_repeated = is_unknown and payload["nonce"] == resource.executed_nonce
        return replace(outcome, status="ok", response={}) if is_repeated else outcome

    after_event(server, PAYMENT, ACKNOWLEDGE, answer)
