"""Deviations derived from the documents: for every event and every rule, a server that does not keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import Deviation
from reference_server.deviations.replacing import around, with_event
from reference_server.membership import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference_server.assembly import Assembly
    from specs.model import Api, Event, Topic


def generated(api: Api) -> Iterator[Deviation]:
    """Return the deviations of every inbound event of every topic family."""
    for topic in api.topics.values():
        if api.sockets[topic.socket].identity == OPERATOR:
            # The operator's topic is no part of what is checked.
            continue
        for event in topic.inbound():
            yield from _of_event(topic, event)


def _of_event(topic: Topic, event: Event) -> Iterator[Deviation]:
    if len(event.roles) < len(topic.roles):
        yield _skips_role(topic, event)
    yield _drops_reply(topic, event)


def _skips_role(topic: Topic, event: Event) -> Deviation:
    def install(server: Assembly) -> None:
        server.api = with_event(server.api, topic.name, event.event, roles=tuple(topic.roles))

    return Deviation(
        f"{topic.name}/{event.event}/skips-role-check",
        (event.rules["role"],),
        f"{event.event} is taken from every role.",
        install,
        is_generated=True,
    )


def _drops_reply(topic: Topic, event: Event) -> Deviation:
    def reply(honest: Any, self: Any, message: Any, membership: Any, outcome: Any) -> None:
        if (membership.channel.family.name, message.event) != (topic.name, event.event):
            honest(self, message, membership, outcome)

    def install(server: Assembly) -> None:
        server.connection = around(server.connection, "_reply_of_channel", reply)

    return Deviation(
        f"{topic.name}/{event.event}/drops-reply",
        (event.rules["reply"],),
        f"{event.event} is never answered.",
        install,
        is_generated=True,
    )
