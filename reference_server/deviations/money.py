"""What deviations of payments and prices are written with: amounts read otherwise, and money moved as no honest server does."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from reference_server.deviations.pretending import reads, retells, retold
from reference_server.deviations.replacing import around_effect
from specs.amounts import add, subtract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reference_server.assembly import Assembly

PAYMENT = "payment"
PROPOSE = "propose_transfer"
ACKNOWLEDGE = "acknowledge_transfer"
REJECT = "reject_transfer"
DISPUTE = "dispute"
CLOSE = "close"
TRANSFER_COMPLETE = "transfer_complete"
PROPOSALS = "proposals"

LEAST = Decimal("0.00000001")


def other_party(role: str) -> str:
    """Return the role of the other party."""
    return "b" if role == "a" else "a"


def balance_of(ctx: Any, role: str) -> Decimal:
    """Return what a party of a payment channel has."""
    return Decimal(ctx.resource.data[f"balance_{role}"])


def balances(ctx: Any) -> dict[str, str]:
    """Return both balances as they are kept and told."""
    return {name: ctx.resource.data[name] for name in ("balance_a", "balance_b")}


def move(ctx: Any, payer: str, amount: Decimal) -> None:
    """Move an amount from a party to the other one, below zero if need be."""
    payee = other_party(payer)
    changed = {payer: subtract(balance_of(ctx, payer), amount), payee: add(balance_of(ctx, payee), amount)}
    ctx.save(**{f"balance_{role}": f"{balance:f}" for role, balance in changed.items()})


def tell_balances(ctx: Any) -> None:
    """Tell the balances as they are now, whatever an effect has collected before."""
    retells(ctx, TRANSFER_COMPLETE, lambda told: (retold(told, **balances(ctx)),))


def after_transfer(server: Assembly, then: Callable[[Any, dict[str, str]], None]) -> None:
    """Let `then(ctx, balances before)` follow on every transfer, and tell the balances as it leaves them."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        before = balances(ctx)
        response = honest(ctx)
        then(ctx, before)
        tell_balances(ctx)
        return response

    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


def pending_proposal(ctx: Any) -> Any:
    """Return the proposal that an acknowledgement names; None for none."""
    return ctx.store.entry(ctx.channel.topic, PROPOSALS, int(ctx.payload["nonce"]))


def propose_again(ctx: Any, proposal: Any) -> None:
    """Keep a proposal under the nonce of an acknowledgement."""
    ctx.store.put_entry(ctx.channel.topic, PROPOSALS, int(ctx.payload["nonce"]), proposal)


def reads_amounts(
    server: Assembly,
    family: str,
    events: Iterable[str],
    read: Callable[[Any], Any],
    members: tuple[str, ...] = ("amount",),
) -> None:
    """Take the amounts in some events for what `read` makes of them."""

    def read_all(sent: dict[str, Any]) -> dict[str, Any]:
        return {**sent, **{name: read(sent[name]) for name in members if name in sent}}

    for event in events:
        reads(server, family, event, read_all)


def any_number(text: Any) -> Any:
    """Write as an amount what Python's decimals read: exponents, signs, leading zeros, white space."""
    try:
        number = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        return text
    return f"{number.copy_abs():f}" if number.is_finite() and number >= 0 else text


def any_float(value: Any) -> Any:
    """Write a binary float as an amount."""
    return f"{value:.8f}" if isinstance(value, float) and value >= 0 else value


def unsigned(value: Any) -> Any:
    """Drop the sign of an amount."""
    if isinstance(value, str):
        return value.removeprefix("-")
    return -value if isinstance(value, int) and value < 0 else value


def at_least_the_least(value: Any) -> Any:
    """Read zero as the least amount there is."""
    is_zero = isinstance(value, int | str) and str(value) in {"0", "0.00000000"}
    return f"{LEAST:f}" if is_zero else value
