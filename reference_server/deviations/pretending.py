"""The ways to let honest code see something else than what is there, or tell something else than it has done.

An honest effect that is shown another payload, role or resource errs by itself: that keeps a deviation down to what it is about.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.replacing import around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reference_server.assembly import Assembly
    from reference_server.context import Context
    from reference_server.outcome import Broadcast


class Read(dict[str, Any]):
    """A payload as the server reads it."""

    sent: Any
    """As it was sent, which is what signatures cover."""


def reads(
    server: Assembly, family: str, event: str, read: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Take the payload of an event for what `read` makes of it; its signatures still cover what was sent."""

    def check_payload(honest: Any, self: Any, topic: Any, known: Any, payload: Any) -> Any:
        if (topic.name, known.event) != (family, event) or not isinstance(payload, dict):
            return honest(self, topic, known, payload)
        understood = Read(honest(self, topic, known, read(payload)))
        understood.sent = payload
        return understood

    server.enforcement = around(server.enforcement, "check_payload", check_payload)
    server.enforcement = around(server.enforcement, "check_signature", over_what_was_sent)


def over_what_was_sent(honest: Any, self: Any, ctx: Any, event: Any, signature: Any) -> None:
    """Verify a signature over the payload as it was sent, where the server reads another; wraps `check_signature`."""
    with seeing(ctx, payload=getattr(ctx.payload, "sent", ctx.payload)):
        honest(self, ctx, event, signature)


@contextmanager
def seeing(ctx: Context, **members: Any) -> Iterator[None]:
    """Show other members of a context for the length of a `with` block.

    Where `resource` is one of them, the store has what is put meanwhile, but the context shows the former one again: what comes
    after would be built on that. To go on with it, `put` it again.
    """
    former = {name: getattr(ctx, name) for name in members}
    for name, member in members.items():
        setattr(ctx, name, member)
    try:
        yield
    finally:
        for name, member in former.items():
            setattr(ctx, name, member)


def with_data(ctx: Context, **changes: Any) -> Any:
    """Return the resource of a context with other members in its data."""
    return replace(ctx.resource, data={**ctx.resource.data, **changes})


def retells(ctx: Context, event: str, retell: Callable[[Broadcast], Iterable[Broadcast]]) -> None:
    """Send what `retell` makes of each broadcast of an event that an effect has collected."""
    told = [retell(each) if each.event == event else (each,) for each in ctx.broadcasts]
    ctx.broadcasts[:] = [each for several in told for each in several]


def retold(broadcast: Broadcast, **members: Any) -> Broadcast:
    """Return a broadcast with other members in its payload."""
    return replace(broadcast, payload={**broadcast.payload, **members})


def without(broadcast: Broadcast, *names: str) -> Broadcast:
    """Return a broadcast without some members of its payload."""
    payload = {name: member for name, member in broadcast.payload.items() if name not in names}
    return replace(broadcast, payload=payload)


def after_event(server: Assembly, family: str, event: str, then: Callable[[Any, Any, Any, Any], Any]) -> None:
    """Put `then(application, channel, payload, outcome)` in the place of the outcome of an event, accepted or not.

    It runs behind the event's transaction, so what it changes it changes in one of its own.
    """

    def handle(honest: Any, self: Any, channel: Any, name: Any, payload: Any) -> Any:
        outcome = honest(self, channel, name, payload)
        if (channel.family.name, name) != (family, event):
            return outcome
        return then(self, channel, payload, outcome)

    server.application = around(server.application, "handle", handle)
