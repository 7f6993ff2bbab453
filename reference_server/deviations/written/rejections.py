"""Payment rejections and disputes: what they drop, what they stop, and who hears of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.money import (
    ACKNOWLEDGE,
    DISPUTE,
    PAYMENT,
    PROPOSALS,
    PROPOSE,
    REJECT,
    TRANSFER_COMPLETE,
    balances,
    move,
    other_party,
)
from reference_server.deviations.pretending import after_event, seeing
from reference_server.deviations.replacing import around, around_effect, with_event
from reference_server.outcome import Broadcast

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly


def _around_rejection(server: Assembly, wrapper: Callable[..., Any]) -> None:
    around_effect(server, PAYMENT, REJECT, wrapper)


def _rejected_first(honest: Any, ctx: Any) -> tuple[Any, int, Any]:
    """Reject honestly; return the response, the nonce of what was rejected and the proposal."""
    before = dict(ctx.store.entries(ctx.channel.topic, PROPOSALS))
    response = honest(ctx)
    return response, response["nonce"], before[response["nonce"]]


@deviation("payment/reject-drops-proposal", shows="A rejected proposal can still be acknowledged.")
def keeps_rejected_proposal(server: Assembly) -> None:
    """Relay a rejection and keep the proposal."""

    def reject(honest: Any, ctx: Any) -> Any:
        pending = ctx.resource.pending_nonces
        response, nonce, proposal = _rejected_first(honest, ctx)
        ctx.store.put_entry(ctx.channel.topic, PROPOSALS, nonce, proposal)
        ctx.put(replace(ctx.resource, pending_nonces=pending))
        return response

    _around_rejection(server, reject)


@deviation("payment/reject-moves-nothing", shows="A rejected amount is gone from the proposer's balance.")
def moves_rejected_amount(server: Assembly) -> None:
    """Book a rejected proposal as if it had been acknowledged, and tell nobody."""

    def reject(honest: Any, ctx: Any) -> Any:
        response, _, proposal = _rejected_first(honest, ctx)
        move(ctx, proposal["by"], Decimal(proposal["amount"]))
        return response

    _around_rejection(server, reject)


@deviation(
    "payment/reject-frees-amount", shows="What a rejected proposal had bound cannot be proposed again."
)
def binds_rejected_amount(server: Assembly) -> None:
    """Drop the nonce of a rejected proposal, and go on counting its amount."""

    def reject(honest: Any, ctx: Any) -> Any:
        response, nonce, proposal = _rejected_first(honest, ctx)
        ctx.store.put_entry(ctx.channel.topic, PROPOSALS, nonce, proposal)
        return response

    _around_rejection(server, reject)


@deviation("payment/reject-by-other-party", shows="A party can reject its own proposal.")
def lets_proposer_reject(server: Assembly) -> None:
    """Let a party take its own proposal back where it has nothing of the other party's to reject."""

    def reject(honest: Any, ctx: Any) -> Any:
        try:
            return honest(ctx)
        except Refused:
            with seeing(ctx, channel=replace(ctx.channel, role=other_party(ctx.role))):
                return honest(ctx)

    _around_rejection(server, reject)


@deviation("payment/reject-oldest-first", shows="A rejection without a nonce is of the latest proposal.")
def rejects_latest_first(server: Assembly) -> None:
    """Take the highest nonce of the other party where none is named."""

    def reject(honest: Any, ctx: Any) -> Any:
        theirs = [
            nonce
            for nonce, proposal in ctx.store.entries(ctx.channel.topic, PROPOSALS)
            if proposal["by"] != ctx.role
        ]
        named = {"nonce": max(theirs)} if theirs else {}
        with seeing(ctx, payload={**named, **ctx.payload}):
            return honest(ctx)

    _around_rejection(server, reject)


@deviation("payment/reject-nonce", shows="A rejection is of the oldest proposal, whichever it names.")
def ignores_nonce_of_rejection(server: Assembly) -> None:
    """Look at no nonce in a rejection."""

    def reject(honest: Any, ctx: Any) -> Any:
        with seeing(ctx, payload={key: value for key, value in ctx.payload.items() if key != "nonce"}):
            return honest(ctx)

    _around_rejection(server, reject)


@deviation("payment/reject-needs-pending", shows="A rejection is answered with ok while nothing is pending.")
def takes_rejection_of_nothing(server: Assembly) -> None:
    """Have nothing to do where nothing is pending."""

    def reject(honest: Any, ctx: Any) -> Any:
        if ctx.resource.pending_nonces or "nonce" in ctx.payload:
            return honest(ctx)
        ctx.is_relayed = False
        return None

    _around_rejection(server, reject)


@deviation("payment/reject-accepted", shows="A rejection whose reason is not plain ASCII is refused.")
def refuses_rejection_beyond_ascii(server: Assembly) -> None:
    """Take reasons in ASCII only."""

    def reject(honest: Any, ctx: Any) -> Any:
        if not ctx.payload["reason"].isascii():
            raise Refused("invalid_payload")
        return honest(ctx)

    _around_rejection(server, reject)


@deviation(
    "payment/no-transfer-without-acknowledge", shows="transfer_complete is told of a rejected proposal."
)
def tells_transfer_when_rejected(server: Assembly) -> None:
    """Tell both parties that a proposal is done with, however it ended."""

    def reject(honest: Any, ctx: Any) -> Any:
        response, nonce, proposal = _rejected_first(honest, ctx)
        told = {"channel_id": ctx.resource.id, "nonce": nonce, "amount": proposal["amount"]}
        told_to_both = {**told, **balances(ctx)}
        ctx.broadcasts.append(Broadcast(ctx.channel.topic, TRANSFER_COMPLETE, told_to_both))
        return response

    _around_rejection(server, reject)


@deviation("payment/malformed-payload-refused", shows="A dispute without its evidence is taken.")
def takes_dispute_without_evidence(server: Assembly) -> None:
    """Put nothing in the place of evidence that is missing."""

    def check(honest: Any, self: Any, topic: Any, event: Any, payload: Any) -> Any:
        if (topic.name, event.event) == (PAYMENT, DISPUTE) and isinstance(payload, dict):
            return honest(self, topic, event, {"evidence": None, **payload})
        return honest(self, topic, event, payload)

    server.enforcement = around(server.enforcement, "check_payload", check)


@deviation("payment/dispute-accepted", shows="A dispute is refused whose evidence is an empty object.")
def refuses_dispute_without_proof(server: Assembly) -> None:
    """Ask that there is something in the evidence."""

    def dispute(honest: Any, ctx: Any) -> Any:
        if not ctx.payload["evidence"]:
            raise Refused("invalid_payload")
        return honest(ctx)

    around_effect(server, PAYMENT, DISPUTE, dispute)


@deviation(
    "payment/refusal-has-no-effect",
    shows="A dispute with evidence is answered with an error, and the other party is told of it.",
)
def answers_error_to_opened_dispute(server: Assembly) -> None:
    """Fail to store the evidence when the dispute has been opened."""

    def answer(_application: Any, _channel: Any, payload: Any, outcome: Any) -> Any:
        has_failed = outcome.status == "ok" and bool(payload["evidence"])
        return replace(outcome, status="error", response={"reason": "internal"}) if has_failed else outcome

    after_event(server, PAYMENT, DISPUTE, answer)


@deviation(
    "payment/disputed-stops-transfers", shows="What was pending is executed though the channel is disputed."
)
def executes_pending_while_disputed(server: Assembly) -> None:
    """Keep what is pending when a dispute is opened, and let it be acknowledged."""
    server.api = with_event(server.api, PAYMENT, ACKNOWLEDGE, states=("open", "disputed"))

    def dispute(honest: Any, ctx: Any) -> Any:
        pending = ctx.resource.pending_nonces
        with seeing(ctx, resource=replace(ctx.resource, pending_nonces=())):
            response = honest(ctx)
            data = ctx.resource.data
        ctx.put(replace(ctx.resource, data=data, pending_nonces=pending))
        return response

    around_effect(server, PAYMENT, DISPUTE, dispute)


@deviation("payment/channels-isolated", shows="A dispute freezes every channel of the same two agents.")
def disputes_all_channels_of_the_parties(server: Assembly) -> None:
    """Freeze all that a dispute might be about."""
    channels: dict[frozenset[str], set[str]] = {}

    def join(honest: Any, self: Any, channel: Any, payload: Any) -> Any:
        outcome = honest(self, channel, payload)
        if channel.family.name == PAYMENT and outcome.status == "ok":
            parties = frozenset(self.store.resource_by_topic(channel.topic).roles.values())
            channels.setdefault(parties, set()).add(channel.topic)
        return outcome

    def dispute(honest: Any, ctx: Any) -> Any:
        for topic in channels[frozenset(ctx.resource.roles.values())] - {ctx.channel.topic}:
            ctx.store.put_resource(replace(ctx.store.resource_by_topic(topic), state="disputed"))
        return honest(ctx)

    server.application = around(server.application, "join", join)
    around_effect(server, PAYMENT, DISPUTE, dispute)


@deviation("payment/channels-isolated", shows="A proposal of one channel can be acknowledged on another one.")
def executes_proposals_of_other_channels(server: Assembly) -> None:
    """Look for a proposal by its nonce and its two agents."""
    proposals: dict[tuple[frozenset[str], int], Any] = {}

    def keep(application: Any, channel: Any, payload: Any, outcome: Any) -> Any:
        if outcome.status == "ok":
            key = frozenset(application.store.resource_by_topic(channel.topic).roles.values())
            proposal = {"by": channel.role, "amount": str(payload["amount"])}
            proposals[key, payload["nonce"]] = (channel.topic, proposal)
        return outcome

    def found(ctx: Any) -> Any:
        key = (frozenset(ctx.resource.roles.values()), ctx.payload["nonce"])
        topic, proposal = proposals.get(key, (ctx.channel.topic, None))
        return None if topic == ctx.channel.topic else proposal

    def check(honest: Any, self: Any, ctx: Any, nonce: Any) -> None:
        if nonce.rule != "pending" or found(ctx) is None:
            honest(self, ctx, nonce)

    def acknowledge(honest: Any, ctx: Any) -> Any:
        nonce, elsewhere = ctx.payload["nonce"], found(ctx)
        if elsewhere is not None and ctx.store.entry(ctx.channel.topic, PROPOSALS, nonce) is None:
            ctx.store.put_entry(ctx.channel.topic, PROPOSALS, nonce, elsewhere)
        return honest(ctx)

    after_event(server, PAYMENT, PROPOSE, keep)
    server.enforcement = around(server.enforcement, "check_nonce", check)
    around_effect(server, PAYMENT, ACKNOWLEDGE, acknowledge)
