"""One event of a topic family as an operator sees it: what its deviations are called, and how to get at it in a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import Deviation, Install
from reference_server.deviations.replacing import around, with_event
from reference_server.outcome import Broadcast, Channel, Outcome

if TYPE_CHECKING:
    from reference_server.assembly import Assembly
    from specs.model import Event, Topic


@dataclass(frozen=True, slots=True)
class Subject:
    """An event, in the topic family that it belongs to."""

    topic: Topic
    event: Event

    def deviation(self, what: str, breaks: tuple[str, ...], shows: str, install: Install) -> Deviation:
        """Return a deviation of this event; a requirement that is named twice counts once."""
        name = f"{self.topic.name}/{self.event.event}/{what}"
        return Deviation(name, tuple(dict.fromkeys(breaks)), shows, install, is_generated=True)

    def is_event(self, channel: Channel, name: Any) -> bool:
        """Tell whether an event of that name on that channel is this one."""
        return channel.family.name == self.topic.name and bool(name == self.event.event)

    def restated(self, **changes: Any) -> Install:
        """Return an installation after which the server believes something else of this event."""

        def install(server: Assembly) -> None:
            server.api = with_event(server.api, self.topic.name, self.event.event, **changes)

        return install

    def answered(self, change: Callable[[Outcome, Channel, Any], Outcome]) -> Install:
        """Return an installation after which what comes of this event is `change(outcome, channel, payload)`."""

        def handle(honest: Any, self_: Any, channel: Channel, name: Any, payload: Any) -> Outcome:
            outcome: Outcome = honest(self_, channel, name, payload)
            return change(outcome, channel, payload) if self.is_event(channel, name) else outcome

        def install(server: Assembly) -> None:
            server.application = around(server.application, "handle", handle)

        return install

    def enforced(self, method: str, change: Callable[..., Any]) -> Install:
        """Return an installation after which a rule of this event is enforced by `change(honest, ctx, *rest)`.

        Args:
            method: A method of `Enforcement` whose first argument is the context.
            change: May call `honest()`, which raises `Refused` where the rule is broken.

        """

        def check(honest: Any, self_: Any, ctx: Any, *rest: Any) -> Any:
            if ctx.event is not None and self.is_event(ctx.channel, ctx.event.event):
                return change(lambda: honest(self_, ctx, *rest), ctx, *rest)
            return honest(self_, ctx, *rest)

        def install(server: Assembly) -> None:
            server.enforcement = around(server.enforcement, method, check)

        return install

    def taken(self, channel: Channel, payload: Any) -> Outcome:
        """Return what a server makes of a push that it should have refused: an ok reply and the relay."""
        relayed = self.event.relay is not None and isinstance(payload, dict)
        return Outcome(broadcasts=(self.relay_of(channel, payload),) if relayed else ())

    def relay_of(self, channel: Channel, payload: dict[str, Any]) -> Broadcast:
        """Return the relay of a payload to the others of the channel's topic."""
        added = dict.fromkeys(self.event.relay.add if self.event.relay else (), channel.identity.agent_id)
        return Broadcast(channel.topic, self.event.event, {**payload, **added}, exclude=channel)

    def is_relay(self, broadcast: Broadcast) -> bool:
        """Tell whether a broadcast that follows from this event is its relay."""
        return broadcast.exclude is not None and broadcast.event == self.event.event


def with_broadcasts(outcome: Outcome, change: Callable[[Broadcast], tuple[Broadcast, ...]]) -> Outcome:
    """Return an outcome with other broadcasts in the place of each."""
    return replace(outcome, broadcasts=tuple(made for one in outcome.broadcasts for made in change(one)))
