"""Acknowledging and rejecting messages: of the agent's own pending ones only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.cases.messages import (
    WAYS,
    come_back,
    delivered,
    deliveries,
    flush,
    post,
    recipient_of,
    settle_message,
    take,
)
from conformance.faults import Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.written import case


@case("messages/settling/unknown-id", "messages/unknown-id-refused", "messages/unknown-id-reason")
def unknown_id(lab: Lab) -> None:
    """An id that no message has can neither be acknowledged nor rejected, and the pending message stays pending."""
    stage = Stage.build(lab, "messages")
    posted = post(lab, recipient_of(stage))
    got = delivered(stage, stage.peers["recipient"], posted, "messages/delivered", "the message")
    unknown = 2**31 - 1 if isinstance(got["id"], int) else lab.unique("unknown")
    for way in WAYS:
        _demand_unknown(stage, way, unknown, "an id that no message has")
    delivered(
        stage,
        come_back(stage, "recipient again"),
        posted,
        "messages/pending-redelivered",
        "the message, still pending",
    )
    take(stage, "acknowledge", got)


@case("messages/settling/twice", "messages/unknown-id-refused", "messages/unknown-id-reason")
def twice(lab: Lab) -> None:
    """A message that is acknowledged or rejected can neither be acknowledged nor rejected again."""
    stage = Stage.build(lab, "messages")
    for way in WAYS:
        posted = post(lab, recipient_of(stage))
        got = delivered(stage, stage.peers["recipient"], posted, "messages/delivered", "the message")
        take(stage, way, got)
        for again in WAYS:
            _demand_unknown(stage, again, got["id"], f"an id on which {way} was accepted")
        # A refusal may have ended the channel, which the next message is to reach.
        stage.settle()


def _demand_unknown(stage: Stage, way: str, message_id: Any, what: str) -> None:
    answer = settle_message(stage, way, message_id)
    stage.lab.demand(
        answer.kind == "error", "messages/unknown-id-refused", f"{way} of {what} is refused", answer
    )
    if answer.kind == "error":
        reason = answer.response.get("reason") if isinstance(answer.response, Mapping) else None
        stage.lab.demand(reason == "not_found", "messages/unknown-id-reason", "reason not_found", answer)


@case("messages/settling/foreign", "messages/foreign-message-refused", "messages/delivered")
def foreign(lab: Lab) -> None:
    """What another agent acknowledges or rejects stays pending for its addressee."""
    stage, other = Stage.build(lab, "messages"), Stage.build(lab, "messages")
    posted = {way: post(lab, recipient_of(stage), f"for {way}") for way in (*WAYS, "nothing")}
    got = {
        way: delivered(stage, stage.peers["recipient"], each, "messages/delivered", "the message")
        for way, each in posted.items()
    }
    for way in WAYS:
        answer = settle_message(other, way, got[way]["id"])
        lab.demand(
            answer.kind != "ok", "messages/unknown-id-refused", f"{way} by another agent is refused", answer
        )
        flush(other, other.peers["recipient"])
    back = come_back(stage, "recipient again")
    is_redelivered = deliveries(stage, back, posted["nothing"]) > 0
    for way in WAYS:
        if is_redelivered and not deliveries(stage, back, posted[way]):
            raise Violation(
                "messages/foreign-message-refused",
                f"{way} by another agent leaves the message pending",
                "it is gone",
            )
        answer = settle_message(stage, way, got[way]["id"])
        if answer.kind == "error":
            take(stage, way, got["nothing"])
            raise Violation(
                "messages/foreign-message-refused",
                f"the addressee can {way} the message afterwards",
                str(answer),
            )
