"""How the money of an acknowledged transfer moves, and what both parties are told of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.money import (
    ACKNOWLEDGE,
    LEAST,
    PAYMENT,
    TRANSFER_COMPLETE,
    after_transfer,
    balance_of,
    balances,
    move,
    other_party,
)
from reference_server.deviations.pretending import retells, retold, without
from reference_server.deviations.replacing import around_effect
from specs.amounts import format_amount, parse_amount, subtract

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_CENT = Decimal("0.01")


@deviation("payment/acknowledge-executes", shows="A transfer is told, and both balances are as before.")
def tells_transfer_without_executing(server: Assembly) -> None:
    """Tell of a transfer and move nothing."""
    after_transfer(server, lambda ctx, before: ctx.save(**before))


@deviation(
    "payment/acknowledge-executes",
    shows="Money moves from the party that should be paid to the one that pays.",
)
def moves_money_backwards(server: Assembly) -> None:
    """Take the party that acknowledges for the one that pays."""

    def backwards(ctx: Any, before: dict[str, str]) -> None:
        moved = subtract(balance_of(ctx, ctx.role), Decimal(before[f"balance_{ctx.role}"]))
        ctx.save(**before)
        move(ctx, ctx.role, moved)

    after_transfer(server, backwards)


@deviation("payment/transfer-complete-exact", shows="Balances are off by what binary floats cannot hold.")
def computes_balances_by_float(server: Assembly) -> None:
    """Add and subtract binary floats."""

    def by_float(ctx: Any, before: dict[str, str]) -> None:
        amount = float(ctx.payload["amount"])
        signs = {ctx.role: 1, other_party(ctx.role): -1}
        figures = {name: float(text) + signs[name[-1]] * amount for name, text in before.items()}
        ctx.save(**{name: format_amount(Decimal(abs(figure))) for name, figure in figures.items()})

    after_transfer(server, by_float)


@deviation("payment/money-conserved", shows="The least amount gets lost in every transfer.")
def loses_money_by_rounding(server: Assembly) -> None:
    """Book a little less to the party that is paid than the other one has paid."""

    def less(ctx: Any, _before: dict[str, str]) -> None:
        left = subtract(balance_of(ctx, ctx.role), LEAST)
        ctx.save(**{f"balance_{ctx.role}": format_amount(left)})

    after_transfer(server, less)


@deviation("payment/money-conserved", shows="Amounts are rounded to the cent for the party that is paid.")
def rounds_what_is_paid_in(server: Assembly) -> None:
    """Book to the cent what a party gets, and to the last digit what a party pays."""

    def to_the_cent(ctx: Any, before: dict[str, str]) -> None:
        amount = parse_amount(ctx.payload["amount"]).quantize(_CENT)
        grown = Decimal(before[f"balance_{ctx.role}"]) + amount
        ctx.save(**{f"balance_{ctx.role}": format_amount(grown)})

    after_transfer(server, to_the_cent)


def _retells_transfer(server: Assembly, retell: Callable[[Any, Any], tuple[Any, ...]]) -> None:
    """Send what `retell(ctx, broadcast)` makes of each transfer_complete."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        response = honest(ctx)
        retells(ctx, TRANSFER_COMPLETE, lambda told: retell(ctx, told))
        return response

    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


@deviation(
    "payment/transfer-complete-exact", shows="Balances are told to the cent, though kept to the last digit."
)
def tells_balances_to_the_cent(server: Assembly) -> None:
    """Round balances where they are told."""

    def rounded(ctx: Any, told: Any) -> tuple[Any, ...]:
        return (retold(told, **{name: f"{Decimal(text):.2f}" for name, text in balances(ctx).items()}),)

    _retells_transfer(server, rounded)


@deviation("payment/transfer-broadcast-once", shows="Every transfer is told twice.")
def tells_transfer_twice(server: Assembly) -> None:
    """Send transfer_complete for the payer and for the payee, each time to both."""
    _retells_transfer(server, lambda _ctx, told: (told, told))


@deviation("payment/transfer-complete-balances", shows="transfer_complete carries no balances.")
def tells_transfer_without_balances(server: Assembly) -> None:
    """Tell what has moved, and not what there is now."""
    _retells_transfer(server, lambda _ctx, told: (without(told, "balance_a", "balance_b"),))


@deviation(
    "payment/transfer-complete-content", shows="transfer_complete does not say which channel it is of."
)
def tells_transfer_without_channel(server: Assembly) -> None:
    """Leave the channel to the topic of the message."""
    _retells_transfer(server, lambda _ctx, told: (without(told, "channel_id"),))


@deviation(
    "payment/transfer-complete-same-for-both",
    shows="Each party is told its own balance as balance_a.",
)
def tells_each_party_its_own_view(server: Assembly) -> None:
    """Name the balances from the side of whoever is told."""

    def views(_ctx: Any, told: Any) -> tuple[Any, ...]:
        a, b = told.payload["balance_a"], told.payload["balance_b"]
        mirrored = retold(told, balance_a=b, balance_b=a)
        return replace(told, only=frozenset({"a"})), replace(mirrored, only=frozenset({"b"}))

    _retells_transfer(server, views)
