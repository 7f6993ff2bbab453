"""Nonces: each is spent once, in rising order, by either party and whatever the connection."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.pretending import after_event, reads, seeing
from reference_server.deviations.replacing import around

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_PROPOSALS = "proposals"
_PROPOSE = "propose_transfer"
_ACKNOWLEDGE = "acknowledge_transfer"
_GAP = 100
_UNNAMED = 2**53 - 1
"""Stands for a nonce that was not sent."""


@deviation("payment/nonce-above-pending", shows="A proposal is taken whatever its nonce.")
def accepts_replayed_nonce(server: Assembly) -> None:
    """Ask nothing of a nonce."""
    server.enforcement = around(server.enforcement, "check_nonce", lambda _honest, _self, _ctx, _nonce: None)


def _sees_in_proposals(server: Assembly, altered: Callable[[Any], Any]) -> None:
    """Check the nonce of a proposal against another resource than the one that is there."""

    def check(honest: Any, self: Any, ctx: Any, nonce: Any) -> None:
        with seeing(ctx, resource=altered(ctx.resource) if nonce.rule == "increasing" else ctx.resource):
            honest(self, ctx, nonce)

    server.enforcement = around(server.enforcement, "check_nonce", check)


@deviation("payment/nonce-above-pending", shows="A nonce is taken that is below one which is pending.")
def compares_nonce_with_executed_only(server: Assembly) -> None:
    """Forget the pending nonces when a new one comes."""
    _sees_in_proposals(server, lambda resource: replace(resource, pending_nonces=()))


@deviation("payment/nonce-increasing", shows="A nonce is taken that is below one which was executed.")
def compares_nonce_with_pending_only(server: Assembly) -> None:
    """Forget the executed nonces when a new one comes."""
    _sees_in_proposals(server, lambda resource: replace(resource, executed_nonce=0))


@deviation("payment/nonce-increasing", shows="The highest executed nonce is taken once more.")
def takes_highest_nonce_again(server: Assembly) -> None:
    """Ask that a nonce is not below the executed ones, where it must be above them."""
    _sees_in_proposals(
        server, lambda resource: replace(resource, executed_nonce=max(resource.executed_nonce - 1, 0))
    )


@deviation(
    "payment/nonce-may-skip", shows="A proposal whose nonce leaves a gap of over a hundred is refused."
)
def refuses_distant_nonce(server: Assembly) -> None:
    """Ask that a nonce is near the one before."""

    def check(honest: Any, self: Any, ctx: Any, nonce: Any) -> None:
        honest(self, ctx, nonce)
        if nonce.rule == "increasing" and ctx.payload[nonce.member] > ctx.resource.highest_nonce + _GAP:
            raise Refused("stale_nonce")

    server.enforcement = around(server.enforcement, "check_nonce", check)


def _counts_by(server: Assembly, key: Callable[[Any], Any], *, beside_honest: bool) -> None:
    """Ask that a nonce is above all accepted ones of the same key, instead of or beside the honest check."""
    highest: dict[Any, int] = {}

    def check(honest: Any, self: Any, ctx: Any, nonce: Any) -> None:
        if beside_honest or nonce.rule != "increasing":
            honest(self, ctx, nonce)
        if nonce.rule == "increasing" and ctx.payload[nonce.member] <= highest.get(key(ctx), 0):
            raise Refused("stale_nonce")

    def check_all(honest: Any, self: Any, ctx: Any, event: Any) -> None:
        honest(self, ctx, event)
        if event.nonce is not None and event.nonce.rule == "increasing":
            highest[key(ctx)] = ctx.payload[event.nonce.member]

    server.enforcement = around(around(server.enforcement, "check_nonce", check), "check", check_all)


@deviation("payment/nonce-shared-by-parties", shows="Each party counts its nonces by itself.")
def numbers_each_party_apart(server: Assembly) -> None:
    """Compare a nonce with those of its sender only."""
    _counts_by(server, lambda ctx: (ctx.channel.topic, ctx.role), beside_honest=False)


@deviation(
    "payment/nonces-per-channel", shows="A nonce is refused that the same parties used on another channel."
)
def numbers_all_channels_of_parties_together(server: Assembly) -> None:
    """Compare a nonce with those of all channels of the same two agents."""
    _counts_by(server, lambda ctx: frozenset(ctx.resource.roles.values()), beside_honest=True)


@deviation(
    "payment/nonce-executed-once",
    shows="An executed proposal that is sent again is refused, and yet can be acknowledged a second time.",
)
def revives_replayed_proposal(server: Assembly) -> None:
    """Keep a proposal before its nonce is checked."""

    def keep(application: Any, channel: Any, payload: Any, outcome: Any) -> Any:
        resource = application.store.resource_by_topic(channel.topic)
        is_stale = outcome.status == "error" and outcome.response["reason"] == "stale_nonce"
        if is_stale and payload["nonce"] == resource.executed_nonce:
            proposal = {"by": channel.role, "amount": str(payload["amount"])}
            pending = (*resource.pending_nonces, payload["nonce"])
            with application.store.transaction():
                application.store.put_entry(channel.topic, _PROPOSALS, payload["nonce"], proposal)
                application.store.put_resource(replace(resource, pending_nonces=pending))
        return outcome

    after_event(server, "payment", _PROPOSE, keep)


@deviation(
    "payment/nonce-spent-across-reconnects",
    shows="When a party comes back on a new connection, executed transfers can be replayed.",
)
def forgets_nonces_when_a_party_disconnects(server: Assembly) -> None:
    """Drop the executed nonces with the connection of a party."""

    def closed(honest: Any, self: Any) -> None:
        application = self._application
        left = [membership.channel for membership in self._memberships.values()]
        honest(self)
        for channel in left:
            resource = application.store.resource_by_topic(channel.topic)
            if channel.family.name == "payment" and resource is not None:
                with application.store.transaction():
                    application.store.put_resource(replace(resource, executed_nonce=0))

    server.connection = around(server.connection, "closed", closed)


@deviation("payment/nonce-required", shows="A proposal without a nonce is taken and gets one.")
def gives_missing_nonce(server: Assembly) -> None:
    """Number the proposals that come without a nonce."""
    numbers = count(10**9)

    def read(sent: dict[str, Any]) -> dict[str, Any]:
        return sent if sent.get("nonce") is not None else {**sent, "nonce": next(numbers)}

    reads(server, "payment", _PROPOSE, read)


@deviation("payment/nonce-required", shows="An acknowledgement without a nonce executes the oldest proposal.")
def acknowledges_oldest_without_nonce(server: Assembly) -> None:
    """Take an acknowledgement that names no nonce for one of the oldest proposal."""

    def read(sent: dict[str, Any]) -> dict[str, Any]:
        return sent if sent.get("nonce") is not None else {**sent, "nonce": _UNNAMED}

    def check(honest: Any, self: Any, ctx: Any, nonce: Any) -> None:
        is_unnamed = nonce.rule == "pending" and ctx.payload[nonce.member] == _UNNAMED
        if is_unnamed and ctx.resource.pending_nonces:
            ctx.payload[nonce.member] = min(ctx.resource.pending_nonces)
        honest(self, ctx, nonce)

    reads(server, "payment", _ACKNOWLEDGE, read)
    server.enforcement = around(server.enforcement, "check_nonce", check)


def _reads_nonces(server: Assembly, is_read: Callable[[Any], bool]) -> None:
    """Read nonces of a form that is none, where Python's `int` reads them."""

    def read(sent: dict[str, Any]) -> dict[str, Any]:
        with suppress(ValueError):
            return {**sent, "nonce": int(sent["nonce"])} if is_read(sent.get("nonce")) else sent
        return sent

    reads(server, "payment", _PROPOSE, read)


@deviation("payment/nonce-form", shows="A nonce is taken that is text.")
def reads_nonce_from_text(server: Assembly) -> None:
    """Read the digits of a text."""
    _reads_nonces(server, lambda nonce: isinstance(nonce, str))


@deviation("payment/nonce-form", shows="A nonce is taken that is a fraction.")
def cuts_fraction_off_nonce(server: Assembly) -> None:
    """Cut a number down to its whole part."""
    _reads_nonces(server, lambda nonce: isinstance(nonce, float))


@deviation("payment/nonce-form", shows="A negative nonce is taken.")
def drops_sign_of_nonce(server: Assembly) -> None:
    """Read a nonce without its sign."""

    def read(sent: dict[str, Any]) -> dict[str, Any]:
        nonce = sent.get("nonce")
        return {**sent, "nonce": -nonce} if isinstance(nonce, int) and nonce < 0 else sent

    reads(server, "payment", _PROPOSE, read)
