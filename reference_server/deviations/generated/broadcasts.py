"""Servers that do not tell everyone on a topic what an event has brought about, once, and only when it is accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from reference_server.deviations.generated.payloads import refusable_rule
from reference_server.outcome import Broadcast, Channel, Outcome, Push
from specs import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference_server.deviations.deviation import Deviation
    from reference_server.deviations.generated.subject import Subject

Change: TypeAlias = Callable[[Broadcast, Channel], tuple[Broadcast | Push, ...]]
"""What takes the place of a broadcast: others, or pushes to the sender alone."""


def deviations(subject: Subject) -> Iterator[Deviation]:
    """Return the deviations of each broadcast of an event."""
    for told in subject.event.broadcasts:
        yield from _of_broadcast(subject, told)


def _of_broadcast(subject: Subject, told: str) -> Iterator[Deviation]:
    event, name = subject.event, subject.event.event
    ways: list[tuple[str, str, Change]] = [
        (f"drops-{told}", f"Nobody is sent {told} after {name}.", lambda _one, _channel: ()),
        (
            f"sends-{told}-twice",
            f"Everyone is sent {told} twice after {name}.",
            lambda one, _channel: (one, one),
        ),
    ]
    if len(subject.topic.fixture.cast) > 1:
        ways.append(
            (
                f"sends-{told}-to-sender-only",
                f"After {name} {told} reaches its sender and nobody else.",
                lambda one, _channel: (Push(one.event, one.payload),),
            )
        )
    if not event.sender_may_miss_broadcast:
        ways.append(
            (
                f"sends-{told}-to-others-only",
                f"After {name} {told} does not reach its sender.",
                lambda one, channel: (replace(one, exclude=channel),),
            )
        )
    for what, shows, change in ways:
        rule = event.rules["broadcast"]
        yield subject.deviation(what, (rule,), shows, subject.answered(_changed(told, change)))
    yield subject.deviation(
        f"sends-{told}-when-refused",
        (refusable_rule(subject), *([event.rules["refusal"]] if "refusal" in event.rules else [])),
        f"{told} is sent even where {name} is answered with an error.",
        subject.answered(_when_refused(subject, told)),
    )


def _changed(told: str, change: Change) -> Callable[[Outcome, Channel, Any], Outcome]:
    def changed(outcome: Outcome, channel: Channel, _payload: Any) -> Outcome:
        made = [
            one
            for sent in outcome.broadcasts
            for one in (change(sent, channel) if sent.event == told else (sent,))
        ]
        return replace(
            outcome,
            broadcasts=tuple(one for one in made if isinstance(one, Broadcast)),
            pushes=(*outcome.pushes, *(one for one in made if isinstance(one, Push))),
        )

    return changed


def _when_refused(subject: Subject, told: str) -> Callable[[Outcome, Channel, Any], Outcome]:
    payload = samples.minimal(subject.topic.events[told].payload)

    def change(outcome: Outcome, channel: Channel, _payload: Any) -> Outcome:
        if outcome.status == "ok":
            return outcome
        made_up = _about(channel.identity.agent_id, payload)
        return replace(outcome, broadcasts=(Broadcast(channel.topic, told, made_up),))

    return change


def _about(agent_id: str, value: Any) -> Any:
    """Put the sender in the place of every id of a made-up payload; what is told of strangers may be true."""
    if isinstance(value, dict):
        return {
            name: agent_id if name == "id" and isinstance(member, str) else _about(agent_id, member)
            for name, member in value.items()
        }
    return [_about(agent_id, item) for item in value] if isinstance(value, list) else value
