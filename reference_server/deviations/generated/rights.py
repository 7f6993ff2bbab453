"""Servers that let the wrong role send, or that take an event in the wrong state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_server.deviations.replacing import around

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference_server.assembly import Assembly
    from reference_server.deviations.deviation import Deviation, Install
    from reference_server.deviations.generated.subject import Subject
    from reference_server.outcome import Channel, Outcome
    from specs.model import State


def deviations(subject: Subject) -> Iterator[Deviation]:
    """Return the deviations of the rules about roles and states."""
    yield from _of_roles(subject)
    for state in subject.topic.states.values():
        is_taken = state.name in subject.event.states or state.name in subject.event.impossible_in
        if state.reach and not is_taken:
            yield _skips_state(subject, state)
    yield from _of_next_state(subject)


def _of_roles(subject: Subject) -> Iterator[Deviation]:
    topic, event = subject.topic, subject.event
    if any(role not in event.roles for role in topic.fixture.cast.values()):
        yield subject.deviation(
            "skips-role-check",
            (event.rules["role"],),
            f"{event.event} is taken from every role.",
            subject.restated(roles=tuple(topic.roles)),
        )
    # With a setup nobody but the first sender can be sure to find what the event needs.
    senders = () if event.setup else event.roles[1:]
    for role in senders:
        if role in topic.fixture.cast.values():
            rest = tuple(other for other in event.roles if other != role)
            yield subject.deviation(
                f"refuses-role@{role}",
                (event.rules["role"], event.rules["accepted"]),
                f"{event.event} is refused from {role}, who may send it.",
                subject.restated(roles=rest),
            )


def _skips_state(subject: Subject, state: State) -> Deviation:
    event = subject.event
    # What an event needs may be gone in the other state: then it is refused again, for want of that.
    install = (
        _taken_in(subject, state) if event.consumes else subject.restated(states=(*event.states, state.name))
    )
    return subject.deviation(
        f"skips-state-check@{state.name}",
        (state.rule or event.rules["state"],),
        f"{event.event} is taken once the topic is {state.name}.",
        install,
    )


def _taken_in(subject: Subject, state: State) -> Install:
    def handle(honest: Any, self: Any, channel: Channel, name: Any, payload: Any) -> Outcome:
        resource = self.store.resource_by_topic(channel.topic)
        if subject.is_event(channel, name) and resource is not None and resource.state == state.name:
            return subject.taken(channel, payload)
        outcome: Outcome = honest(self, channel, name, payload)
        return outcome

    def install(server: Assembly) -> None:
        server.application = around(server.application, "handle", handle)

    return install


def _of_next_state(subject: Subject) -> Iterator[Deviation]:
    event = subject.event
    if event.next_state is not None:
        yield subject.deviation(
            "stays-in-state",
            (event.rules["next_state"],),
            f"After {event.event} the topic is not {event.next_state} and takes further events.",
            subject.restated(next_state=None),
        )
