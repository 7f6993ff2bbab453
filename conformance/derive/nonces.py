"""Nonces that are not above all that were used are refused; gaps are allowed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from conformance.case import Case
from conformance.faults import Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.verbs.expectations import accepted, control, refused_between_twins
from specs.model import Event, Nonce, Topic

_GAP = 10


def cases(topic: Topic, event: Event) -> Iterator[Case]:
    """Return the nonce cases of an event whose nonces increase."""
    nonce = event.nonce
    if nonce is None or nonce.rule != "increasing":
        return
    rule = event.rules["nonce"]
    for kind, what, back in (("reused", "the nonce of the push before", 0), ("lower", "a lower nonce", 3)):
        yield Case(
            f"{topic.name}/{event.event}/refuses/nonce/{kind}",
            topic.name,
            (rule,),
            f"{event.event} with {what} is refused",
            partial(_refuses, topic=topic, event=event, nonce=nonce, back=back, what=what),
        )
    yield Case(
        f"{topic.name}/{event.event}/accepts/nonce-gap",
        topic.name,
        (event.rules.get("nonce_gap", rule),),
        f"{event.event} whose nonce leaves a gap is accepted",
        partial(_accepts_gap, topic=topic, event=event),
    )


def _refuses(lab: Lab, topic: Topic, event: Event, nonce: Nonce, back: int, what: str) -> None:
    stage = Stage.build(lab, topic.name)
    stage.perform(event.setup)
    stage.skip_nonces(_GAP)
    by = stage.sender_of(event)

    def reused(valid: dict[str, Any]) -> dict[str, Any]:
        # The valid payload has the next nonce: one less is that of the push before.
        return stage.sign(event, by, {**valid, nonce.member: valid[nonce.member] - 1 - back})

    refused_between_twins(stage, event, reused, event.rules["nonce"], what)


def _accepts_gap(lab: Lab, topic: Topic, event: Event) -> None:
    stage = Stage.build(lab, topic.name)
    stage.perform(event.setup)
    by = stage.sender_of(event)
    control(stage, event, by)
    stage.skip_nonces(_GAP)
    try:
        accepted(stage, stage.push(by, event, stage.valid(event, by)), exactly_once=True)
    except Violation as exc:
        rule = event.rules.get("nonce_gap", event.rules["nonce"])
        lab.report(rule, f"{event.event} whose nonce leaves a gap is accepted", exc.breach.observed)
