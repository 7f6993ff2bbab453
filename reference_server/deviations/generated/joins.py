"""Servers that let the wrong agents join a topic, keep the right ones out, or answer a join wrongly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import Deviation, Install
from reference_server.deviations.generated.contents import broken
from reference_server.deviations.replacing import around, with_topic
from reference_server.outcome import Channel, Outcome
from specs import samples
from specs.faults import single_faults
from specs.model import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference_server.assembly import Assembly
    from specs.model import Topic

GUEST = "guest"


def deviations(topic: Topic) -> Iterator[Deviation]:
    """Return the deviations of the join of a topic family."""
    yield from _of_reply(topic)
    for role in dict.fromkeys(topic.fixture.cast.values()):
        if role in topic.join.roles:
            rest = tuple(other for other in topic.join.roles if not _includes(topic, other, role))
            yield _of_join(
                topic,
                f"refuses-{role}",
                topic.join.rules["join"],
                f"{role} may not join {topic.pattern}.",
                _restated(topic, roles=rest),
            )
    if any(topic.roles[role].origin == "any" for role in topic.join.roles):
        return
    outsider = topic.join.rules["outsider"]
    yield _of_join(
        topic, "admits-outsider", outsider, f"Anyone may join {topic.pattern}.", _admitting_guests(topic)
    )
    yield _of_join(
        topic,
        "admits-unknown",
        topic.join.rules.get("unknown", outsider),
        f"{topic.pattern} can be joined with an id that nobody has.",
        _answered(topic, _admit_unknown(topic)),
    )
    if any(event.relay or event.broadcasts for event in topic.inbound()):
        yield _of_join(
            topic,
            "overheard-by-refused",
            outsider,
            f"Who is refused at {topic.pattern} receives its events all the same.",
            _subscribing_the_refused(topic),
        )


def _includes(topic: Topic, wide: str, role: str) -> bool:
    """Tell whether whoever has a role has another one, too."""
    origins = topic.roles[role].origin, topic.roles[wide].origin
    return wide == role or origins in {("topic_agent", "same_owner"), ("topic_agent", "any")}


def _of_join(topic: Topic, what: str, rule: str, shows: str, install: Install) -> Deviation:
    return Deviation(f"{topic.name}/join/{what}", (rule,), shows, install, is_generated=True)


def _of_reply(topic: Topic) -> Iterator[Deviation]:
    schema = topic.join.reply
    for fault in single_faults(schema, samples.full(schema)):
        site = fault.site

        def change(outcome: Outcome, _app: Any, _channel: Channel, site: str = site) -> Outcome:
            is_meant = outcome.status == "ok"
            return replace(outcome, response=broken(schema, outcome.response, site)) if is_meant else outcome

        yield _of_join(
            topic,
            f"breaks-reply-{site}",
            topic.join.rules["reply"],
            f"The ok reply to a join of {topic.pattern} breaks {fault.keyword} at {fault.pointer or '/'}.",
            _answered(topic, change),
        )


def _restated(topic: Topic, **changes: Any) -> Install:
    def install(server: Assembly) -> None:
        join = replace(server.api.topics[topic.name].join, **changes)
        server.api = with_topic(server.api, topic.name, join=join)

    return install


def _admitting_guests(topic: Topic) -> Install:
    """Return an installation that gives everybody without a role one more, which may hear and not send."""

    def install(server: Assembly) -> None:
        family = server.api.topics[topic.name]
        guest = Role(GUEST, "any", "Whoever comes.")
        join = replace(family.join, roles=(*family.join.roles, GUEST))
        server.api = with_topic(server.api, topic.name, roles={**family.roles, GUEST: guest}, join=join)

    return install


def _answered(topic: Topic, change: Callable[[Outcome, Any, Channel], Outcome]) -> Install:
    def join(honest: Any, self: Any, channel: Channel, payload: Any) -> Outcome:
        outcome: Outcome = honest(self, channel, payload)
        return change(outcome, self, channel) if channel.family.name == topic.name else outcome

    def install(server: Assembly) -> None:
        server.application = around(server.application, "join", join)

    return install


def _admit_unknown(topic: Topic) -> Callable[[Outcome, Any, Channel], Outcome]:
    response = samples.minimal(topic.join.reply)

    def change(outcome: Outcome, application: Any, channel: Channel) -> Outcome:
        variable = topic.variable_of(channel.topic) or ""
        store = application.store
        known = store.resource_by_topic(channel.topic) or store.agent(variable)
        if outcome.status == "ok" or known or store.agents_of_owner(variable):
            return outcome
        channel.role = topic.join.roles[0]
        return Outcome(response=response)

    return change


def _subscribing_the_refused(topic: Topic) -> Install:
    def admit(honest: Any, self: Any, channel: Channel, message: Any) -> Any:
        outcome = honest(self, channel, message)
        if channel.family.name == topic.name and outcome is not None and outcome.status != "ok":
            self._broker.subscribe(channel, self)
        return outcome

    def install(server: Assembly) -> None:
        server.connection = around(server.connection, "_admit", admit)

    return install
