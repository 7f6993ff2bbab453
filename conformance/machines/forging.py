"""Signatures that are good, and those that must be refused, by a word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from conformance.machines.moves import NotApplicable

if TYPE_CHECKING:
    from conformance.fixtures.stage import Stage

GOOD = "good"
FORGED = ("foreign-key", "other-amount", "other-nonce", "other-event", "other-topic")
SIGNATURES = frozenset(
    {
        "signatures/other-amount-refused",
        "signatures/other-nonce-refused",
        "signatures/other-event-refused",
        "signatures/other-topic-refused",
        "negotiation/offer-signature-verified",
        "negotiation/accept-signature-verified",
        "payment/propose-signature-verified",
        "payment/acknowledge-signature-verified",
    }
)
"""What may be broken where any signature is taken."""
EVENTS = {
    "offer": "accept",
    "accept": "offer",
    "propose_transfer": "acknowledge_transfer",
    "acknowledge_transfer": "propose_transfer",
}


def signed(
    stage: Stage, event: str, by: str, payload: Mapping[str, Any], how: str
) -> tuple[dict[str, Any], str | None]:
    """Return a payload with its signature, and the requirement by which that must be refused; None for a good one.

    Raises:
        NotApplicable: If the payload has nothing that could be forged so.

    """
    known = stage.event(event)
    if how == GOOD:
        return stage.sign(known, by, dict(payload)), None
    (rule,) = known.signatures
    covered, topic, name, signer = dict(payload), stage.topic, event, by
    requirement = f"signatures/{how}-refused"
    match how:
        case "foreign-key":
            signer = next(other for other in stage.agents if other != by)
            requirement = known.rules["signature"]
        case "other-amount":
            covered["amount"] = "2" if payload["amount"] != "2" else "3"
        case "other-nonce" if "nonce" in payload:
            covered["nonce"] = payload["nonce"] - 1
        case "other-event":
            name = EVENTS[event]
        case "other-topic":
            topic = f"{stage.topic}x"
        case _:
            raise NotApplicable
    data = stage.signed_bytes(known, rule, covered, topic=topic, name=name)
    return {**payload, rule.member: stage.agents[signer].participant.keys.sign(data)}, requirement


def signed_by_both(
    stage: Stage, event: str, payload: Mapping[str, Any], how: str
) -> tuple[dict[str, Any], str | None]:
    """Return a payload that needs the signatures of both parties, and the requirement by which it must be refused.

    Raises:
        NotApplicable: If there is no forgery of that name.

    """
    known = stage.event(event)
    good = stage.sign(known, next(iter(stage.agents)), dict(payload))
    if how == GOOD:
        return good, None
    first, second = (rule.member for rule in known.signatures)
    if how == "swapped":
        return {**good, first: good[second], second: good[first]}, "signatures/swapped-signers-refused"
    if how == "foreign-key":
        return {**good, second: good[first]}, known.rules["signature"]
    raise NotApplicable
