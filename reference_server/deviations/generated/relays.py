"""Servers that do not relay an event as it was sent, to each of the others, once, and only when it is accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.generated.payloads import refusable_rule
from reference_server.deviations.generated.subject import with_broadcasts
from specs.blueprint import blueprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference_server.deviations.deviation import Deviation, Install
    from reference_server.deviations.generated.subject import Subject
    from reference_server.outcome import Broadcast, Channel, Outcome


def deviations(subject: Subject) -> Iterator[Deviation]:
    """Return the deviations of the relay of an event; none where it is not relayed."""
    event = subject.event
    if event.relay is None:
        return
    name, rule = event.event, event.rules["relay"]
    yield subject.deviation(
        "drops-relay", (rule,), f"{name} reaches nobody.", _relayed(subject, lambda _one: ())
    )
    yield subject.deviation(
        "relays-twice",
        (rule,),
        f"{name} reaches the others twice.",
        _relayed(subject, lambda one: (one, one)),
    )
    yield subject.deviation(
        "relays-when-refused",
        (refusable_rule(subject), *([event.rules["refusal"]] if "refusal" in event.rules else [])),
        f"{name} is relayed even where it is answered with an error.",
        subject.answered(_relay_refused(subject)),
    )
    for member in event.relay.add:
        yield subject.deviation(
            f"relays-other-sender@{member}",
            (rule,),
            f"The relayed {name} has another agent's id in {member}.",
            _relayed(subject, _with_member(member, lambda value: f"not-{value}")),
        )
    yield from _of_members(subject)


def _of_members(subject: Subject) -> Iterator[Deviation]:
    event = subject.event
    signed = {part for one in event.signatures for part in (one.member, *_signed_members(one.over.values()))}
    for member in blueprint(event):
        resigned = event.rules.get("relayed_signature") if member in signed else None
        breaks = (*filter(None, [resigned]), event.rules["relay"])
        yield subject.deviation(
            f"alters-relay@{member}",
            breaks,
            f"{event.event} reaches the others with another {member} than it was sent with.",
            _relayed(subject, _with_member(member, _altered)),
        )
        yield subject.deviation(
            f"relays-without@{member}",
            breaks,
            f"{event.event} reaches the others without its {member}.",
            _relayed(subject, _without_member(member)),
        )


def _signed_members(over: Any) -> set[str]:
    return {text.removeprefix("$payload.") for text in over if text.startswith("$payload.")}


def _relayed(subject: Subject, change: Callable[[Broadcast], tuple[Broadcast, ...]]) -> Install:
    def changed(outcome: Outcome, _channel: Channel, _payload: Any) -> Outcome:
        return with_broadcasts(outcome, lambda one: change(one) if subject.is_relay(one) else (one,))

    return subject.answered(changed)


def _relay_refused(subject: Subject) -> Callable[[Outcome, Channel, Any], Outcome]:
    def change(outcome: Outcome, channel: Channel, payload: Any) -> Outcome:
        if outcome.status == "ok" or not isinstance(payload, dict):
            return outcome
        return replace(outcome, broadcasts=(subject.relay_of(channel, payload),))

    return change


def _with_member(member: str, alter: Callable[[Any], Any]) -> Callable[[Broadcast], tuple[Broadcast, ...]]:
    def change(one: Broadcast) -> tuple[Broadcast, ...]:
        if member not in one.payload:
            return (one,)
        return (replace(one, payload={**one.payload, member: alter(one.payload[member])}),)

    return change


def _without_member(member: str) -> Callable[[Broadcast], tuple[Broadcast, ...]]:
    def change(one: Broadcast) -> tuple[Broadcast, ...]:
        rest = {name: value for name, value in one.payload.items() if name != member}
        return (replace(one, payload=rest),)

    return change


def _altered(value: Any) -> Any:
    """Return another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value[1:] if len(value) > 1 else f"{value}."
        case dict():
            return {**value, "altered": True}
        case list():
            return [*value, "altered"]
    return "altered"
