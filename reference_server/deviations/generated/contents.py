"""Servers whose own events have another content than the documents say, or do not come after a join."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.replacing import around
from specs import samples
from specs.faults import SchemaFault, single_faults
from specs.schema_nodes import Unsupported, requirement_at
from specs.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference_server.assembly import Assembly
    from reference_server.deviations.deviation import Deviation, Install
    from reference_server.deviations.generated.subject import Subject
    from reference_server.outcome import Broadcast, Channel, Outcome, Push
    from specs.model import Schema


def deviations(subject: Subject) -> Iterator[Deviation]:
    """Return the deviations of an event that only the server sends."""
    event = subject.event
    for fault in single_faults(event.payload, samples.full(event.payload)):
        if not isinstance(fault.value, dict):
            # Phoenix has no frame for a push that is no object (`phoenix-wire.md` BC-5).
            continue
        yield subject.deviation(
            f"breaks-{fault.site}",
            (_requirement_of(event.payload, fault.value) or event.rules["payload"],),
            f"The payload of {event.event} breaks {fault.keyword} at {fault.pointer or '/'}.",
            _sent(subject, _breaking(event.payload, fault.site)),
        )
    if event.pushed_on_join:
        yield subject.deviation(
            "drops-after-join",
            (event.rules.get("join", event.rules["payload"]),),
            f"{event.event} does not come after a join.",
            _sent(subject, lambda _payload: ()),
        )


def broken(schema: Schema, value: Any, site: str) -> Any:
    """Return a valid value with the fault of a site in it.

    Where the value does not reach the site, the member around it is that of the fullest sample; a value that is not valid,
    for another deviation, stays as it is.
    """
    try:
        own = _fault_at(schema, value, site)
        if own is not None:
            return own.value
        other = _fault_at(schema, samples.full(schema), site)
    except (ValueError, Unsupported):
        return value
    if other is None or not isinstance(value, dict):
        return value
    member = other.pointer.split("/")[1]
    return {**value, member: other.value[member]}


def _fault_at(schema: Schema, value: Any, site: str) -> SchemaFault | None:
    return next((fault for fault in single_faults(schema, value) if fault.site == site), None)


def _breaking(schema: Schema, site: str) -> Callable[[Any], tuple[Any, ...]]:
    return lambda payload: (broken(schema, payload, site),)


def _requirement_of(schema: Schema, value: Any) -> str | None:
    """Return the requirement that the schema names where it finds a value faulty."""
    return requirement_at(schema, Validator(schema).faults(value)[0].pointer)


def _sent(subject: Subject, change: Callable[[Any], tuple[Any, ...]]) -> Install:
    """Return an installation after which each sending of the event has the payloads that `change` makes of its own."""
    topic, name = subject.topic, subject.event.event

    def told(one: Broadcast) -> tuple[Broadcast, ...]:
        if one.event != name or not topic.matches(one.topic):
            return (one,)
        return tuple(replace(one, payload=payload) for payload in change(one.payload))

    def pushed(one: Push, channel: Channel) -> tuple[Push, ...]:
        if one.event != name or channel.family.name != topic.name:
            return (one,)
        return tuple(replace(one, payload=payload) for payload in change(one.payload))

    def changed(honest: Any, self: Any, channel: Channel, *rest: Any) -> Outcome:
        outcome: Outcome = honest(self, channel, *rest)
        return replace(
            outcome,
            broadcasts=tuple(made for one in outcome.broadcasts for made in told(one)),
            late_broadcasts=tuple(made for one in outcome.late_broadcasts for made in told(one)),
            pushes=tuple(made for one in outcome.pushes for made in pushed(one, channel)),
        )

    def left(honest: Any, self: Any, channel: Channel) -> tuple[Broadcast, ...]:
        return tuple(made for one in honest(self, channel) for made in told(one))

    def install(server: Assembly) -> None:
        for method in ("join", "handle"):
            server.application = around(server.application, method, changed)
        server.application = around(server.application, "leave", left)

    return install
