"""Payment transfers: who may acknowledge what and how often, how money moves, and what both parties are told of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.money import (
    ACKNOWLEDGE,
    LEAST,
    PAYMENT,
    PROPOSALS,
    TRANSFER_COMPLETE,
    balance_of,
    balances,
    move,
    other_party,
    tell_balances,
)
from reference_server.deviations.pretending import (
    after_event,
    retells,
    retold,
    seeing,
    with_data,
    without,
)
from reference_server.deviations.replacing import around, around_effect
from specs.amounts import format_amount, parse_amount, subtract

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_CENT = Decimal("0.01")
_COPY = "copy"


def _around_acknowledgement(server: Assembly, wrapper: Callable[..., Any]) -> None:
    around_effect(server, PAYMENT, ACKNOWLEDGE, wrapper)


def _after_transfer(server: Assembly, then: Callable[[Any, dict[str, str]], None]) -> None:
    """Let `then(ctx, balances before)` follow on every transfer, and tell the balances as it leaves them."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        before = balances(ctx)
        response = honest(ctx)
        then(ctx, before)
        tell_balances(ctx)
        return response

    _around_acknowledgement(server, acknowledge)


def _retells_transfer(server: Assembly, retell: Callable[[Any, Any], tuple[Any, ...]]) -> None:
    """Send what `retell(ctx, broadcast)` makes of each transfer_complete."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        response = honest(ctx)
        retells(ctx, TRANSFER_COMPLETE, lambda told: retell(ctx, told))
        return response

    _around_acknowledgement(server, acknowledge)


def _pending(ctx: Any) -> Any:
    return ctx.store.entry(ctx.channel.topic, PROPOSALS, int(ctx.payload["nonce"]))


def _propose_again(ctx: Any, proposal: Any) -> None:
    """Keep a proposal under the nonce of an acknowledgement."""
    ctx.store.put_entry(ctx.channel.topic, PROPOSALS, int(ctx.payload["nonce"]), proposal)


def _keeps_copy(server: Assembly, copied: Callable[[Any, str], Any]) -> None:
    """Let each connection keep what `copied(application, topic)` gives when it joins and after what it sends."""

    def join(honest: Any, self: Any, channel: Any, payload: Any) -> Any:
        outcome = honest(self, channel, payload)
        if channel.family.name == PAYMENT and outcome.status == "ok":
            channel.assigns[_COPY] = copied(self, channel.topic)
        return outcome

    def handle(honest: Any, self: Any, channel: Any, event: Any, payload: Any) -> Any:
        outcome = honest(self, channel, event, payload)
        if channel.family.name == PAYMENT:
            channel.assigns[_COPY] = copied(self, channel.topic)
        return outcome

    server.application = around(around(server.application, "join", join), "handle", handle)


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
        if _pending(ctx) is None:
            amount = format_amount(parse_amount(ctx.payload["amount"]))
            _propose_again(ctx, {"by": other_party(ctx.role), "amount": amount})
        return honest(ctx)

    server.enforcement = around(server.enforcement, "check_nonce", check)
    _around_acknowledgement(server, acknowledge)


@deviation(
    "payment/acknowledge-same-amount",
    shows="An acknowledgement of another amount executes the proposed one.",
)
def ignores_acknowledged_amount(server: Assembly) -> None:
    """Look at the nonce of an acknowledgement alone."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        with seeing(ctx, payload={**ctx.payload, "amount": _pending(ctx)["amount"]}):
            return honest(ctx)

    _around_acknowledgement(server, acknowledge)


@deviation(
    "payment/acknowledge-same-amount",
    shows="Whoever is paid chooses the amount when acknowledging.",
)
def executes_acknowledged_amount(server: Assembly) -> None:
    """Execute the amount that the acknowledgement names."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        amount = format_amount(parse_amount(ctx.payload["amount"]))
        _propose_again(ctx, {**_pending(ctx), "amount": amount})
        return honest(ctx)

    _around_acknowledgement(server, acknowledge)


@deviation("payment/acknowledge-by-other-party", shows="A party can acknowledge its own proposal.")
def lets_proposer_acknowledge(server: Assembly) -> None:
    """Ask for somebody's acknowledgement, be it the proposer's."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        payee = other_party(_pending(ctx)["by"])
        with seeing(ctx, channel=replace(ctx.channel, role=payee)):
            return honest(ctx)

    _around_acknowledgement(server, acknowledge)


@deviation("payment/acknowledge-executes", shows="A transfer is told, and both balances are as before.")
def tells_transfer_without_executing(server: Assembly) -> None:
    """Tell of a transfer and move nothing."""
    _after_transfer(server, lambda ctx, before: ctx.save(**before))


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

    _after_transfer(server, backwards)


@deviation(
    "payment/acknowledge-once", shows="Every further acknowledgement of a transfer moves the money once more."
)
def executes_every_acknowledgement(server: Assembly) -> None:
    """Keep a proposal after it has been executed, and check no nonce of an acknowledgement."""

    def check(honest: Any, self: Any, ctx: Any, nonce: Any) -> None:
        if nonce.rule != "pending":
            honest(self, ctx, nonce)

    def acknowledge(honest: Any, ctx: Any) -> Any:
        proposal = _pending(ctx)
        response = honest(ctx)
        _propose_again(ctx, {**proposal, "executed": True})
        return response

    server.enforcement = around(server.enforcement, "check_nonce", check)
    _around_acknowledgement(server, acknowledge)


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


@deviation(
    "payment/concurrent-acknowledge-executes-once",
    shows="Acknowledgements that are sent at once on several connections are all executed.",
)
def acknowledges_from_stale_copy(server: Assembly) -> None:
    """Look for a proposal in the copy that each connection made when it last joined or sent."""

    def copied(application: Any, topic: str) -> Any:
        return dict(application.store.entries(topic, PROPOSALS))

    def check(honest: Any, self: Any, ctx: Any, nonce: Any) -> None:
        value = ctx.payload[nonce.member]
        if nonce.rule != "pending" or value not in ctx.channel.assigns[_COPY]:
            honest(self, ctx, nonce)

    def acknowledge(honest: Any, ctx: Any) -> Any:
        if _pending(ctx) is None:
            _propose_again(ctx, ctx.channel.assigns[_COPY][int(ctx.payload["nonce"])])
        return honest(ctx)

    _keeps_copy(server, copied)
    server.enforcement = around(server.enforcement, "check_nonce", check)
    _around_acknowledgement(server, acknowledge)


@deviation(
    "payment/transfer-complete-exact",
    shows="Balances are computed from what the connection saw last, so that a transfer in between is lost.",
)
def loses_update_of_balances(server: Assembly) -> None:
    """Compute balances from the copy that each connection made when it last joined or sent."""

    def copied(application: Any, topic: str) -> Any:
        data = application.store.resource_by_topic(topic).data
        return {name: data[name] for name in ("balance_a", "balance_b")}

    def acknowledge(honest: Any, ctx: Any) -> Any:
        ctx.resource = with_data(ctx, **ctx.channel.assigns[_COPY])
        return honest(ctx)

    _keeps_copy(server, copied)
    _around_acknowledgement(server, acknowledge)


@deviation("payment/transfer-complete-exact", shows="Balances are off by what binary floats cannot hold.")
def computes_balances_by_float(server: Assembly) -> None:
    """Add and subtract binary floats."""

    def by_float(ctx: Any, before: dict[str, str]) -> None:
        amount = float(ctx.payload["amount"])
        signs = {ctx.role: 1, other_party(ctx.role): -1}
        figures = {name: float(text) + signs[name[-1]] * amount for name, text in before.items()}
        ctx.save(**{name: format_amount(Decimal(abs(figure))) for name, figure in figures.items()})

    _after_transfer(server, by_float)


@deviation(
    "payment/transfer-complete-exact", shows="Balances are told to the cent, though kept to the last digit."
)
def tells_balances_to_the_cent(server: Assembly) -> None:
    """Round balances where they are told."""

    def rounded(ctx: Any, told: Any) -> tuple[Any, ...]:
        return (retold(told, **{name: f"{Decimal(text):.2f}" for name, text in balances(ctx).items()}),)

    _retells_transfer(server, rounded)


@deviation("payment/money-conserved", shows="The least amount gets lost in every transfer.")
def loses_money_by_rounding(server: Assembly) -> None:
    """Book a little less to the party that is paid than the other one has paid."""

    def less(ctx: Any, _before: dict[str, str]) -> None:
        left = subtract(balance_of(ctx, ctx.role), LEAST)
        ctx.save(**{f"balance_{ctx.role}": format_amount(left)})

    _after_transfer(server, less)


@deviation("payment/money-conserved", shows="Amounts are rounded to the cent for the party that is paid.")
def rounds_what_is_paid_in(server: Assembly) -> None:
    """Book to the cent what a party gets, and to the last digit what a party pays."""

    def to_the_cent(ctx: Any, before: dict[str, str]) -> None:
        amount = parse_amount(ctx.payload["amount"]).quantize(_CENT)
        grown = Decimal(before[f"balance_{ctx.role}"]) + amount
        ctx.save(**{f"balance_{ctx.role}": format_amount(grown)})

    _after_transfer(server, to_the_cent)


@deviation("payment/transfer-broadcast", shows="Only the party that was acknowledged is told of a transfer.")
def tells_transfer_to_payer_only(server: Assembly) -> None:
    """Take the reply for enough to the party that acknowledges."""
    _retells_transfer(server, lambda ctx, told: (replace(told, exclude=ctx.channel),))


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
