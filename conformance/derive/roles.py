"""Events sent in a role that may not send them are refused."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from conformance.case import Case
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.verbs.expectations import control, control_on_fresh_stage, refused, still_usable
from specs.model import Event, Topic


def cases(topic: Topic, event: Event) -> Iterator[Case]:
    """Return a case for every member of the cast whose role does not send the event."""
    for name, role in topic.fixture.cast.items():
        if role not in event.roles:
            yield Case(
                f"{topic.name}/{event.event}/refuses/role/{name}",
                topic.name,
                (event.rules["role"],),
                f"{event.event} sent by {name} ({role}) is refused",
                partial(_refuses, topic=topic, event=event, name=name),
            )


def _refuses(lab: Lab, topic: Topic, event: Event, name: str) -> None:
    stage = Stage.build(lab, topic.name)
    stage.perform(event.setup)
    by, rule = stage.sender_of(event), event.rules["role"]
    if event.is_repeatable:
        control(stage, event, by)
    else:
        control_on_fresh_stage(stage, event)
    what = f"a sender who is {stage.role_of(name)}"
    refused(stage, stage.push(name, event, stage.valid(event, name)), rule, what)
    still_usable(stage, event, by, rule, f"{event.event} with {what} changes nothing")
