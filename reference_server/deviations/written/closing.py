"""The close of a payment channel, and what a closed channel and closed connections leave of the money."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.money import (
    ACKNOWLEDGE,
    CLOSE,
    PAYMENT,
    any_number,
    balance_of,
    balances,
    reads_amounts,
    unsigned,
)
from reference_server.deviations.pretending import reads, with_data
from reference_server.deviations.replacing import around, around_effect
from specs.amounts import add, format_amount, parse_amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_FINAL = ("final_balance_a", "final_balance_b")


def _around_close(server: Assembly, wrapper: Callable[..., Any]) -> None:
    around_effect(server, PAYMENT, CLOSE, wrapper)


def _final(ctx: Any) -> tuple[Decimal, Decimal]:
    a, b = (parse_amount(ctx.payload[name]) for name in _FINAL)
    return a, b


def _current(ctx: Any) -> tuple[Decimal, Decimal]:
    return balance_of(ctx, "a"), balance_of(ctx, "b")


def _closes_if(server: Assembly, is_fine: Callable[[Any], bool]) -> None:
    """Take the final balances for the current ones where `is_fine(ctx)` says so."""

    def close(honest: Any, ctx: Any) -> Any:
        if is_fine(ctx):
            a, b = (format_amount(balance) for balance in _final(ctx))
            ctx.resource = with_data(ctx, balance_a=a, balance_b=b)
        return honest(ctx)

    _around_close(server, close)


@deviation("payment/balance-form", shows="A close is taken with a line feed behind a final balance.")
def closes_with_any_number(server: Assembly) -> None:
    """Read final balances as a number parser does."""
    reads_amounts(server, PAYMENT, [CLOSE], any_number, _FINAL)


@deviation("payment/close-conserves", shows="A close whose final balances are of another sum is taken.")
def closes_with_another_sum(server: Assembly) -> None:
    """Take what both parties have signed, whatever the sum."""

    def is_of_another_sum(ctx: Any) -> bool:
        return add(*_final(ctx)) != add(*_current(ctx))

    _closes_if(server, is_of_another_sum)


@deviation("payment/close-no-negative", shows="A close with final balances of -1 and 151 is taken.")
def closes_with_negative_balance(server: Assembly) -> None:
    """Ask for nothing but the right sum where a final balance is negative."""

    def read(sent: dict[str, Any]) -> dict[str, Any]:
        return {**sent, **{name: unsigned(sent[name]) for name in _FINAL if name in sent}}

    def close(honest: Any, ctx: Any) -> Any:
        sent = getattr(ctx.payload, "sent", ctx.payload)
        final = [Decimal(str(sent[name])) for name in _FINAL]
        if min(final) >= 0:
            return honest(ctx)
        if sum(final) != add(*_current(ctx)) or ctx.resource.pending_nonces:
            raise Refused("balance_mismatch")
        ctx.save(balance_a=f"{final[0]:f}", balance_b=f"{final[1]:f}")
        return None

    reads(server, PAYMENT, CLOSE, read)
    _around_close(server, close)


@deviation("payment/close-current-balances", shows="An undisputed close can give everything to one party.")
def redistributes_without_dispute(server: Assembly) -> None:
    """Ask only that the sum of an open channel is right."""
    _closes_if(server, lambda ctx: add(*_final(ctx)) == add(*_current(ctx)))


@deviation(
    "payment/close-disputed-may-redistribute",
    shows="A disputed channel cannot be closed with other balances, though both parties signed them.",
)
def closes_disputed_with_current_balances_only(server: Assembly) -> None:
    """Treat a disputed channel like an open one when it is closed."""

    def close(honest: Any, ctx: Any) -> Any:
        if _final(ctx) != _current(ctx):
            raise Refused("balance_mismatch")
        return honest(ctx)

    _around_close(server, close)


@deviation("payment/close-nothing-pending", shows="A channel is closed while a proposal is pending.")
def closes_while_pending(server: Assembly) -> None:
    """Let a close drop what is pending."""

    def close(honest: Any, ctx: Any) -> Any:
        ctx.resource = replace(ctx.resource, pending_nonces=())
        return honest(ctx)

    _around_close(server, close)


@deviation(
    "payment/balances-across-reconnects",
    shows="When both parties have gone, the last transfer is undone.",
)
def forgets_last_transfer_when_all_disconnect(server: Assembly) -> None:
    """Write the balances a transfer late, and what is unwritten with nobody there is lost."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        written = balances(ctx)
        response = honest(ctx)
        ctx.save(written=written)
        return response

    def closed(honest: Any, self: Any) -> None:
        store, topics = self._application.store, tuple(self._memberships)
        honest(self)
        for topic in topics:
            resource = store.resource_by_topic(topic)
            is_left = resource is not None and topic not in self._broker._topics  # noqa: SLF001
            if is_left and "written" in resource.data:
                with store.transaction():
                    store.put_resource(replace(resource, data={**resource.data, **resource.data["written"]}))

    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)
    server.connection = around(server.connection, "closed", closed)
