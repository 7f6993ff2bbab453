"""Payloads with one fault are refused: one case for every place where the schema of an event says anything."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from conformance.case import Case
from conformance.faults import CannotTell
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.verbs.expectations import refused_between_twins
from specs.blueprint import blueprint
from specs.faults import SchemaFault, single_faults
from specs.model import Event, Topic


def cases(topic: Topic, event: Event) -> Iterator[Case]:
    """Return a case for every site of the payload's schema that the fullest sample reaches."""
    for fault in single_faults(event.payload, blueprint(event)):
        yield Case(
            f"{topic.name}/{event.event}/refuses/payload/{fault.site}",
            topic.name,
            tuple(dict.fromkeys([requirement_of(event, fault), topic.answer_rule(event)])),
            f"{event.event} whose payload breaks {fault.keyword} at {fault.pointer or '/'} is refused",
            partial(_refuses, topic=topic, event=event, site=fault.site),
        )


def requirement_of(event: Event, fault: SchemaFault) -> str:
    """Return the requirement that a fault of the payload breaks."""
    return fault.requirement or event.rules["payload"]


def _refuses(lab: Lab, topic: Topic, event: Event, site: str) -> None:
    stage = Stage.build(lab, topic.name)
    stage.perform(event.setup)
    by = stage.sender_of(event)
    fault = _fault(event, blueprint(event), site)
    refused_between_twins(
        stage,
        event,
        lambda valid: _broken(stage, event, by, valid, site),
        requirement_of(event, fault),
        f"a payload that breaks {fault.keyword} at {fault.pointer or '/'}",
        may_crash=True,
    )


def _broken(stage: Stage, event: Event, by: str, valid: dict[str, Any], site: str) -> Any:
    """Put the fault into a valid payload, and sign what is sent so that the fault stays the only one."""
    fault = _fault(event, valid, site)
    signed = {f"/{rule.member}" for rule in event.signatures}
    if not isinstance(fault.value, dict) or fault.pointer in signed:
        return fault.value
    return stage.sign(event, by, fault.value)


def _fault(event: Event, payload: dict[str, Any], site: str) -> SchemaFault:
    for fault in single_faults(event.payload, payload):
        if fault.site == site:
            return fault
    raise CannotTell(f"the payload of {event.event} at this moment has no site {site}")
