"""Connections that work on a copy of a payment channel which is no longer true."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.money import (
    ACKNOWLEDGE,
    PAYMENT,
    PROPOSALS,
    pending_proposal,
    propose_again,
)
from reference_server.deviations.pretending import with_data
from reference_server.deviations.replacing import around, around_effect

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_COPY = "copy"


def _keeps_copy(server: Assembly, copied: Callable[[Any, Any], Any]) -> None:
    """Let each connection keep what `copied(application, channel)` gives when it joins and after what it sends."""

    def join(honest: Any, self: Any, channel: Any, payload: Any) -> Any:
        outcome = honest(self, channel, payload)
        if channel.family.name == PAYMENT and outcome.status == "ok":
            channel.assigns[_COPY] = copied(self, channel)
        return outcome

    def handle(honest: Any, self: Any, channel: Any, event: Any, payload: Any) -> Any:
        outcome = honest(self, channel, event, payload)
        if channel.family.name == PAYMENT:
            channel.assigns[_COPY] = copied(self, channel)
        return outcome

    server.application = around(around(server.application, "join", join), "handle", handle)


def _balances_on(application: Any, channel: Any) -> Any:
    data = application.store.resource_by_topic(channel.topic).data
    return {name: data[name] for name in ("balance_a", "balance_b")}


@deviation(
    "payment/concurrent-acknowledge-executes-once",
    shows="Acknowledgements that are sent at once on several connections are all executed.",
)
def acknowledges_from_stale_copy(server: Assembly) -> None:
    """Look for a proposal in the copy that each connection made when it last joined or sent."""

    def copied(application: Any, channel: Any) -> Any:
        return dict(application.store.entries(channel.topic, PROPOSALS))

    def check(honest: Any, self: Any, ctx: Any, nonce: Any) -> None:
        value = ctx.payload[nonce.member]
        if nonce.rule != "pending" or value not in ctx.channel.assigns[_COPY]:
            honest(self, ctx, nonce)

    def acknowledge(honest: Any, ctx: Any) -> Any:
        if pending_proposal(ctx) is None:
            propose_again(ctx, ctx.channel.assigns[_COPY][int(ctx.payload["nonce"])])
        return honest(ctx)

    _keeps_copy(server, copied)
    server.enforcement = around(server.enforcement, "check_nonce", check)
    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


@deviation(
    "payment/transfer-complete-exact",
    shows="Balances are computed from what the connection saw last, so that a transfer in between is lost.",
)
def loses_update_of_balances(server: Assembly) -> None:
    """Compute balances from the copy that each connection made when it last joined or sent."""

    def acknowledge(honest: Any, ctx: Any) -> Any:
        ctx.resource = with_data(ctx, **ctx.channel.assigns[_COPY])
        return honest(ctx)

    _keeps_copy(server, _balances_on)
    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)


@deviation(
    "payment/transfer-complete-exact",
    shows="Of transfers that one party acknowledges on several connections at once, all but one are lost.",
)
def loses_concurrent_updates(server: Assembly) -> None:
    """Read the balances before the other connections of the same agent have written theirs."""
    steps: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def of_others(channel: Any) -> int:
        counts = steps[channel.topic]
        return counts.total() - counts[channel.identity.agent_id]

    def copied(application: Any, channel: Any) -> Any:
        return of_others(channel), _balances_on(application, channel)

    def handle(honest: Any, self: Any, channel: Any, event: Any, payload: Any) -> Any:
        # What another agent has done is seen at once; what the same one does elsewhere is not.
        if channel.family.name == PAYMENT and channel.assigns[_COPY][0] != of_others(channel):
            channel.assigns[_COPY] = copied(self, channel)
        steps[channel.topic][channel.identity.agent_id] += 1
        return honest(self, channel, event, payload)

    def acknowledge(honest: Any, ctx: Any) -> Any:
        ctx.resource = with_data(ctx, **ctx.channel.assigns[_COPY][1])
        return honest(ctx)

    _keeps_copy(server, copied)
    server.application = around(server.application, "handle", handle)
    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)
