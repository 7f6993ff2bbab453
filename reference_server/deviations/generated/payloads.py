"""Servers that take payloads with a fault, or refuse payloads without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_server.outcome import Channel, Outcome
from specs.blueprint import blueprint
from specs.faults import SchemaFault, single_faults
from specs.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference_server.deviations.deviation import Deviation
    from reference_server.deviations.generated.subject import Subject

_MISSING = "missing"


def deviations(subject: Subject) -> Iterator[Deviation]:
    """Return a deviation for every place where the payload's schema says anything, and two for the whole of it."""
    event, rule = subject.event, subject.event.rules["payload"]
    faults = single_faults(event.payload, blueprint(event))
    if any(fault.requirement in {None, rule} for fault in faults):
        yield _skips_check(subject)
    for fault in faults:
        yield _ignores(subject, fault)
    yield subject.deviation(
        "refuses-valid",
        (event.rules["accepted"],),
        f"{event.event} is refused whatever its payload.",
        subject.answered(lambda _outcome, _channel, _payload: Outcome("error", {"reason": "unavailable"})),
    )


def _skips_check(subject: Subject) -> Deviation:
    validator = Validator(subject.event.payload)

    def take(outcome: Outcome, channel: Channel, payload: Any) -> Outcome:
        return outcome if validator.is_valid(payload) else subject.taken(channel, payload)

    return subject.deviation(
        "skips-payload-check",
        (subject.event.rules["payload"],),
        f"{subject.event.event} is answered ok whatever is wrong with its payload.",
        subject.answered(take),
    )


def _ignores(subject: Subject, fault: SchemaFault) -> Deviation:
    """Return a server that takes every payload which is broken in the same way as the fault's, and no other."""
    validator = Validator(subject.event.payload)
    way = _way(validator, fault.value, fault)

    def take(outcome: Outcome, channel: Channel, payload: Any) -> Outcome:
        is_meant = outcome.status != "ok" and _way(validator, payload, fault) == way
        return subject.taken(channel, payload) if is_meant else outcome

    return subject.deviation(
        f"ignores-{fault.site}",
        (fault.requirement or subject.event.rules["payload"],),
        f"{subject.event.event} is answered ok though its payload breaks {fault.keyword} at {fault.pointer or '/'}.",
        subject.answered(take),
    )


def refusable_rule(subject: Subject) -> str:
    """Return the requirement that taking a payload with a fault breaks, for one that is still an object."""
    event = subject.event
    faults = single_faults(event.payload, blueprint(event))
    found = (fault.requirement for fault in faults if isinstance(fault.value, dict))
    return next(found, None) or event.rules["payload"]


def _way(validator: Validator, payload: Any, fault: SchemaFault) -> tuple[Any, ...]:
    """Return how a payload is broken: what fails where, and the kind of value at the fault's place."""
    failed = {(found.pointer, found.keyword) for found in validator.faults(payload)}
    return failed, _kind(_value_at(payload, fault.pointer))


def _value_at(payload: Any, pointer: str) -> Any:
    value = payload
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name, _MISSING)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value


def _kind(value: Any) -> tuple[type, bool]:
    return type(value), isinstance(value, str) and value.endswith("\n")
