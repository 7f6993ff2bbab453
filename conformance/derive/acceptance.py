"""Valid events are accepted and have their documented effect, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from conformance.case import Case
from conformance.faults import CannotTell, Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.stage import Stage
from conformance.verbs.expectations import accepted, control, control_on_fresh_stage, refused
from specs.model import Event, Requirement, Topic


def cases(topic: Topic, event: Event, requirements: Mapping[str, Requirement]) -> Iterator[Case]:
    """Return the positive cases of an event: minimal and full payload, each role, and the state that it leads to."""
    rules = [event.rules["accepted"], event.rules["reply"], topic.answer_rule(event)]
    rules += [event.rules["relay"]] if event.relay else []
    rules += [event.rules["broadcast"]] if event.broadcasts else []
    rules += [topic.events[told].rules["payload"] for told in event.broadcasts]
    rules += [event.rules["refusal"]] if "refusal" in event.rules else []
    if event.relay and event.signatures and "relayed_signature" in event.rules:
        rules.append(event.rules["relayed_signature"])
    for which in ("minimal", "full"):
        yield Case(
            f"{topic.name}/{event.event}/accepts/{which}",
            topic.name,
            tuple(dict.fromkeys(rules)),
            f"{event.event} with a {which} valid payload is accepted",
            partial(_accepts, topic=topic, event=event, which=which),
        )
    senders = [name for name, role in topic.fixture.cast.items() if role in event.roles]
    if not event.setup and len(senders) > 1:
        for name in senders:
            may_send = _sender_rule(topic, event, name, requirements)
            yield Case(
                f"{topic.name}/{event.event}/accepts/from-{name}",
                topic.name,
                tuple(dict.fromkeys([may_send, *rules])),
                f"{event.event} is accepted from {name}",
                partial(_accepts_from, topic=topic, event=event, by=name, requirement=may_send),
            )
    if event.next_state and topic.states[event.next_state].terminal:
        yield Case(
            f"{topic.name}/{event.event}/moves-to/{event.next_state}",
            topic.name,
            (event.rules["next_state"],),
            f"after {event.event} the topic is {event.next_state} and takes no more events",
            partial(_moves, topic=topic, event=event),
        )


def _sender_rule(topic: Topic, event: Event, name: str, requirements: Mapping[str, Requirement]) -> str:
    """Return what a refusal of a sender breaks: that a second role may send at all is for the rule about roles to say."""
    is_first = topic.fixture.cast[name] == event.roles[0]
    role = event.rules["role"]
    return event.rules["accepted"] if is_first or requirements[role].excluded else role


def _accepts(lab: Lab, topic: Topic, event: Event, which: str) -> None:
    stage = Stage.build(lab, topic.name)
    stage.perform(event.setup)
    sender = stage.sender_of(event)
    accepted(stage, stage.push(sender, event, stage.valid(event, sender, which)), exactly_once=True)


def _accepts_from(lab: Lab, topic: Topic, event: Event, by: str, requirement: str) -> None:
    stage = Stage.build(lab, topic.name)
    try:
        accepted(stage, stage.push(by, event, stage.valid(event, by)), exactly_once=True)
    except Violation as exc:
        if exc.breach.requirement != event.rules["accepted"]:
            raise
        raise Violation(requirement, exc.breach.expected, exc.breach.observed) from exc


def _moves(lab: Lab, topic: Topic, event: Event) -> None:
    """After the event, an event that the state before took is refused."""
    stage = Stage.build(lab, topic.name)
    stage.perform(event.setup)
    probe = probe_of(topic, event)
    control_on_fresh_stage(stage, probe)
    control(stage, event, stage.sender_of(event))
    by = stage.sender_of(probe)
    sent = stage.push(by, probe, stage.valid(probe, by))
    refused(stage, sent, event.rules["next_state"], f"the topic {event.next_state}")


def probe_of(topic: Topic, event: Event) -> Event:
    """Return a repeatable event that needs no setup and is not taken in the state to which `event` leads.

    Raises:
        CannotTell: If the topic has none.

    """
    for probe in topic.inbound():
        is_free = probe.is_repeatable and not probe.setup
        if is_free and topic.initial_state in probe.states and event.next_state not in probe.states:
            return probe
    raise CannotTell(f"no event of {topic.name} shows whether it is {event.next_state}")
