"""Payment proposals: what is taken for an amount, and what a party may promise of its balance."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.money import (
    ACKNOWLEDGE,
    LEAST,
    PAYMENT,
    PROPOSALS,
    PROPOSE,
    REJECT,
    any_float,
    any_number,
    at_least_the_least,
    balance_of,
    move,
    other_party,
    reads_amounts,
    tell_balances,
    unsigned,
)
from reference_server.deviations.pretending import seeing, with_data
from reference_server.deviations.replacing import around_effect
from specs.amounts import NotAnAmount, parse_amount, subtract

if TYPE_CHECKING:
    from reference_server.assembly import Assembly

_MORE_THAN_ANYBODY_HAS = "9" * 29


@deviation("payment/amount-form", shows="A proposal of 1e1, +1 or .5 is taken.")
def proposes_any_number(server: Assembly) -> None:
    """Read the amount of a proposal as a number parser does."""
    reads_amounts(server, PAYMENT, [PROPOSE], any_number)


@deviation("payment/amount-form", shows="A proposal whose amount is a JSON fraction such as 1.5 is taken.")
def proposes_floats(server: Assembly) -> None:
    """Read the amount of a proposal from a binary float."""
    reads_amounts(server, PAYMENT, [PROPOSE], any_float)


@deviation("payment/amount-form", shows="An acknowledgement with a line feed behind its amount is taken.")
def acknowledges_any_number(server: Assembly) -> None:
    """Read the amount of an acknowledgement as a number parser does."""
    reads_amounts(server, PAYMENT, [ACKNOWLEDGE], any_number)


@deviation("payment/amount-positive", shows="A proposal of zero is taken.")
def proposes_nothing(server: Assembly) -> None:
    """Read zero as the least amount."""
    reads_amounts(server, PAYMENT, [PROPOSE], at_least_the_least)


@deviation("payment/amount-not-negative", shows="A proposal of a negative amount is taken.")
def drops_sign_of_proposal(server: Assembly) -> None:
    """Read an amount without its sign."""
    reads_amounts(server, PAYMENT, [PROPOSE], unsigned)


@deviation("payment/signed-event-accepted", shows="A proposal with more than two fraction digits is refused.")
def refuses_parts_of_a_cent(server: Assembly) -> None:
    """Take no amounts that a bank would not."""

    def propose(honest: Any, ctx: Any) -> Any:
        if parse_amount(ctx.payload["amount"]) % Decimal("0.01"):
            raise Refused("invalid_payload")
        return honest(ctx)

    around_effect(server, PAYMENT, PROPOSE, propose)


def _unlimited(honest: Any, ctx: Any) -> Any:
    riches = {f"balance_{ctx.role}": _MORE_THAN_ANYBODY_HAS}
    with seeing(ctx, resource=with_data(ctx, **riches)):
        return honest(ctx)


def _is_covered(ctx: Any) -> bool:
    return parse_amount(ctx.payload["amount"]) <= balance_of(ctx, ctx.role)


@deviation("payment/propose-within-balance", shows="A proposal above the sender's balance is taken.")
def proposes_beyond_balance(server: Assembly) -> None:
    """Leave it to the acknowledgement whether a single proposal is covered."""
    around_effect(
        server,
        PAYMENT,
        PROPOSE,
        lambda honest, ctx: honest(ctx) if _is_covered(ctx) else _unlimited(honest, ctx),
    )


def _counts_no_pending(server: Assembly) -> None:
    """Compare a proposal with the whole balance, whatever has been promised of it."""
    around_effect(
        server,
        PAYMENT,
        PROPOSE,
        lambda honest, ctx: _unlimited(honest, ctx) if _is_covered(ctx) else honest(ctx),
    )


@deviation(
    "payment/propose-free-balance-refused",
    shows="Proposals are taken that together are above the balance; what is not covered cannot be acknowledged.",
)
def counts_no_pending_proposals(server: Assembly) -> None:
    """Look at the balance alone when a proposal comes, and at what is left of it when it is acknowledged."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        try:
            return honest(ctx)
        except NotAnAmount:
            raise Refused("insufficient_balance") from None

    _counts_no_pending(server)
    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


def _carries_through(server: Assembly, lowest: Decimal | None) -> None:
    """Execute what is not covered; the payer's balance stops at the lowest one, if there is one."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        payer = other_party(ctx.role)
        before = balance_of(ctx, payer)
        amount = parse_amount(ctx.payload["amount"])
        # The honest effect is made to pay without stopping; the balances are put right behind it.
        with_riches = with_data(ctx, **{f"balance_{payer}": _MORE_THAN_ANYBODY_HAS})
        ctx.resource = with_riches
        response = honest(ctx)
        left = subtract(before, amount)
        left = left if lowest is None else max(left, lowest)
        ctx.save(**{f"balance_{payer}": f"{left:f}"})
        tell_balances(ctx)
        return response

    _counts_no_pending(server)
    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


@deviation(
    "payment/balances-not-negative",
    shows="Two proposals of 60 out of 100 are both executed, and a balance of -20 is told.",
)
def lets_balance_become_negative(server: Assembly) -> None:
    """Neither count what is promised nor look at the balance when it is paid."""
    _carries_through(server, None)


@deviation(
    "payment/propose-within-free-balance",
    shows="Two proposals of 60 out of 100 are both executed, and the payer has nothing left.",
)
def stops_balance_at_zero(server: Assembly) -> None:
    """Let whoever cannot pay all of a transfer pay what is there, and the other party get it all."""
    _carries_through(server, Decimal(0))


@deviation("payment/propose-whole-balance-accepted", shows="A party cannot propose all that it has.")
def keeps_the_last_unit(server: Assembly) -> None:
    """Ask that the balance is above what is proposed, where it may be equal."""

    def propose(honest: Any, ctx: Any) -> Any:
        less = {f"balance_{ctx.role}": f"{subtract(balance_of(ctx, ctx.role), LEAST):f}"}
        with seeing(ctx, resource=with_data(ctx, **less)):
            return honest(ctx)

    around_effect(server, PAYMENT, PROPOSE, propose)


@deviation(
    "payment/propose-moves-nothing",
    shows="Money moves when it is proposed, and back when the proposal is rejected.",
)
def moves_money_when_proposed(server: Assembly) -> None:
    """Book a transfer with its proposal and only tell of it with the acknowledgement."""

    def propose(honest: Any, ctx: Any) -> Any:
        response = honest(ctx)
        move(ctx, ctx.role, parse_amount(ctx.payload["amount"]))
        return response

    def undo_first(honest: Any, ctx: Any) -> Any:
        named = ctx.payload.get("nonce")
        for nonce, proposal in ctx.store.entries(ctx.channel.topic, PROPOSALS):
            if named in {None, nonce} and proposal["by"] != ctx.role:
                move(ctx, ctx.role, Decimal(proposal["amount"]))
                break
        return honest(ctx)

    around_effect(server, PAYMENT, PROPOSE, propose)
    around_effect(server, PAYMENT, ACKNOWLEDGE, undo_first)
    around_effect(server, PAYMENT, REJECT, undo_first)
