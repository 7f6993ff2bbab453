"""Events whose signatures are not asked for, not checked, refused too late, or spoilt on the way to the others."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.pretending import after_event
from reference_server.deviations.replacing import around
from reference_server.outcome import Broadcast
from specs.amounts import format_amount, parse_amount
from specs.signing import SIGNATURE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_NO_SIGNATURE = base64.b64encode(bytes(SIGNATURE_BYTES)).decode()


def _leaves_unchecked(
    server: Assembly, family: str, event: str, is_unchecked: Callable[[Any, Any, Any], bool]
) -> None:
    """Check no signature of an event for which `is_unchecked(ctx, event, rule)` holds."""

    def check(honest: Any, self: Any, ctx: Any, known: Any, rule: Any) -> None:
        if (ctx.family.name, known.event) != (family, event) or not is_unchecked(ctx, known, rule):
            honest(self, ctx, known, rule)

    server.enforcement = around(server.enforcement, "check_signature", check)


def _takes_unsigned(server: Assembly, family: str, event: str, member: str = "signature") -> None:
    """Take an event that lacks a signature, and still verify one that is there."""

    def check_payload(honest: Any, self: Any, topic: Any, known: Any, payload: Any) -> Any:
        is_unsigned = isinstance(payload, dict) and member not in payload
        if (topic.name, known.event) != (family, event) or not is_unsigned:
            return honest(self, topic, known, payload)
        honest(self, topic, known, {**payload, member: "none"})
        return payload

    server.enforcement = around(server.enforcement, "check_payload", check_payload)
    _leaves_unchecked(
        server, family, event, lambda ctx, _event, rule: rule.member == member and member not in ctx.payload
    )


@deviation("negotiation/offer-signature-required", shows="An offer without a signature is taken.")
def takes_unsigned_offer(server: Assembly) -> None:
    """Make the signature of an offer optional."""
    _takes_unsigned(server, "negotiation", "offer")


@deviation(
    "negotiation/accept-signature-required", shows="An acceptance without a signature settles the session."
)
def takes_unsigned_acceptance(server: Assembly) -> None:
    """Make the signature of an acceptance optional."""
    _takes_unsigned(server, "negotiation", "accept")


@deviation("payment/propose-signature-required", shows="A proposal without a signature is taken.")
def takes_unsigned_proposal(server: Assembly) -> None:
    """Make the signature of a proposal optional."""
    _takes_unsigned(server, "payment", "propose_transfer")


@deviation(
    "payment/acknowledge-signature-required", shows="An acknowledgement without a signature moves money."
)
def takes_unsigned_acknowledgement(server: Assembly) -> None:
    """Make the signature of an acknowledgement optional."""
    _takes_unsigned(server, "payment", "acknowledge_transfer")


@deviation("payment/close-signatures-required", shows="A close is taken that one party alone has signed.")
def takes_close_without_second_signature(server: Assembly) -> None:
    """Make the signature of party b optional."""
    _takes_unsigned(server, "payment", "close", "signature_b")


def _trusts_signer(server: Assembly, family: str, event: str) -> None:
    """Verify the first signature of an agent on a topic, and trust the agent from then on."""
    trusted: set[tuple[str, str]] = set()

    def check(honest: Any, self: Any, ctx: Any, known: Any, rule: Any) -> None:
        who = (ctx.channel.topic, ctx.agent_id)
        if known.event != event or who not in trusted:
            honest(self, ctx, known, rule)
        if ctx.family.name == family:
            trusted.add(who)

    server.enforcement = around(server.enforcement, "check_signature", check)


@deviation(
    "negotiation/offer-signature-verified", shows="Only the first offer of each side must be rightly signed."
)
def trusts_negotiator_after_first_offer(server: Assembly) -> None:
    """Keep who has signed an offer, and verify no more of its offers."""
    _trusts_signer(server, "negotiation", "offer")


@deviation(
    "negotiation/accept-signature-verified", shows="Whoever has signed an offer can accept without signing."
)
def trusts_negotiator_to_accept(server: Assembly) -> None:
    """Take the signature of an offer for a login."""
    _trusts_signer(server, "negotiation", "accept")


@deviation(
    "payment/propose-signature-verified", shows="Only a party's first proposal must be rightly signed."
)
def trusts_payer_after_first_proposal(server: Assembly) -> None:
    """Keep who has signed a proposal, and verify no more of its proposals."""
    _trusts_signer(server, "payment", "propose_transfer")


@deviation(
    "signatures/refusal-has-no-effect",
    shows="An offer that is refused for its signature counts when the average is accepted.",
)
def keeps_offer_with_bad_signature(server: Assembly) -> None:
    """Keep an offer before its signature is checked."""

    def keep(application: Any, channel: Any, payload: Any, outcome: Any) -> Any:
        if outcome.response.get("reason") == "invalid_signature":
            resource = application.store.resource_by_topic(channel.topic)
            offers = {**resource.data["offers"], channel.role: format_amount(parse_amount(payload["amount"]))}
            with application.store.transaction():
                application.store.put_resource(replace(resource, data={**resource.data, "offers": offers}))
        return outcome

    after_event(server, "negotiation", "offer", keep)


@deviation(
    "signatures/refusal-has-no-effect",
    shows="A proposal that is refused for its signature reaches the other party all the same.",
)
def relays_proposal_with_bad_signature(server: Assembly) -> None:
    """Relay a proposal before its signature is checked."""

    def relay(_application: Any, channel: Any, payload: Any, outcome: Any) -> Any:
        if outcome.response.get("reason") != "invalid_signature":
            return outcome
        relayed = {**payload, "from": channel.identity.agent_id}
        told = Broadcast(channel.topic, "propose_transfer", relayed, exclude=channel)
        return replace(outcome, broadcasts=(told,))

    after_event(server, "payment", "propose_transfer", relay)


def _relays_amount_in_other_form(server: Assembly, family: str, event: str) -> None:
    def relay(_application: Any, _channel: Any, _payload: Any, outcome: Any) -> Any:
        broadcasts = tuple(
            replace(each, payload={**each.payload, "amount": f"{parse_amount(each.payload['amount']):.8f}"})
            if each.event == event
            else each
            for each in outcome.broadcasts
        )
        return replace(outcome, broadcasts=broadcasts)

    after_event(server, family, event, relay)


@deviation(
    "signatures/relayed-signature-fits",
    shows="An offer is relayed with its amount in another form than the one that was signed.",
)
def relays_offer_in_other_form(server: Assembly) -> None:
    """Write the amount of an offer anew, with all its digits, before it is relayed."""
    _relays_amount_in_other_form(server, "negotiation", "offer")


@deviation(
    "signatures/relayed-signature-fits",
    shows="A proposal is relayed with its amount in another form than the one that was signed.",
)
def relays_proposal_in_other_form(server: Assembly) -> None:
    """Write the amount of a proposal anew, with all its digits, before it is relayed."""
    _relays_amount_in_other_form(server, "payment", "propose_transfer")
