"""Events in a state that does not take them are refused."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from conformance.case import Case
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.verbs.expectations import control_on_fresh_stage, refused
from specs.model import Event, State, Topic


def cases(topic: Topic, event: Event) -> Iterator[Case]:
    """Return a case for every reachable state in which the event is not taken."""
    for state in topic.states.values():
        if state.name not in event.states and state.reach and state.name not in event.impossible_in:
            yield Case(
                f"{topic.name}/{event.event}/refuses/state/{state.name}",
                topic.name,
                (state.rule or event.rules["state"],),
                f"{event.event} is refused once the topic is {state.name}",
                partial(_refuses, topic=topic, event=event, state=state),
            )


def _refuses(lab: Lab, topic: Topic, event: Event, state: State) -> None:
    stage = Stage.build(lab, topic.name)
    stage.perform(event.setup)
    by = stage.sender_of(event)
    # On a fixture of its own: what the twin leaves behind could be in the way of the state.
    control_on_fresh_stage(stage, event)
    stage.perform(state.reach)
    stage.settle()
    sent = stage.push(by, event, stage.valid(event, by))
    refused(stage, sent, state.rule or event.rules["state"], f"the topic {state.name}")
