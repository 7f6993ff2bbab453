"""Pushes of several connections that overlap: each is decided on what was kept when it came, and carried out a moment later.

So does a server whose processes read, decide and write without a lock, each of which takes a database its time. One push at
a time is carried out as by an honest server.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.connections import around_connection, is_joined
from reference_server.deviations.deviation import deviation
from reference_server.deviations.money import ACKNOWLEDGE, CLOSE, DISPUTE, PAYMENT, PROPOSALS, PROPOSE, REJECT
from reference_server.deviations.replacing import around

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from reference_server.assembly import Assembly
    from reference_server.context import Context
    from reference_server.records import Resource

WINDOW_S = 0.002
"""From the decision on a push to its effect: what a few questions to a database take."""

SOON_S = 1.0
"""Within which a connection is cut off soon after a push."""

_SEEN = "seen"


class _Seen:
    """A store of which some collections, and the messages, are as they were at some time; it writes into the true one."""

    def __init__(self, store: Any, topic: str, collections: Collection[str], agent_id: str) -> None:
        self._store = store
        self.resource = store.resource_by_topic(topic)
        self._entries = {(topic, name): dict(store.entries(topic, name)) for name in collections}
        self._messages = {message.id: message for message in store.pending_messages(agent_id)}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def entry(self, topic: str, collection: str, number: int) -> Any:
        """Return one entry."""
        seen = self._entries.get((topic, collection))
        return self._store.entry(topic, collection, number) if seen is None else seen.get(number)

    def message(self, message_id: str) -> Any:
        """Return a message."""
        return self._messages.get(message_id) or self._store.message(message_id)


def _overlaps(
    server: Assembly,
    family: str,
    events: Collection[str],
    merge: Callable[[Resource, Resource], Resource] = lambda now, _seen: now,
    collections: Collection[str] = (),
) -> None:
    """Decide some events on what was kept when they came.

    Args:
        server: The server.
        family: The topic family.
        events: Its events.
        merge: Returns what is seen of the topic's resource, given what it is now and what it was.
        collections: Which collections are seen as they were.

    """

    def push(honest: Any, self: Any, message: Any, membership: Any) -> None:
        channel = membership.channel
        if channel.family.name != family or message.event not in events:
            honest(self, message, membership)
            return
        seen = _Seen(self._application.store, channel.topic, collections, channel.identity.agent_id)

        def carry_out() -> None:
            if is_joined(self, membership):
                channel.assigns[_SEEN] = seen
                honest(self, message, membership)
                channel.assigns.pop(_SEEN, None)

        asyncio.get_running_loop().call_later(WINDOW_S, carry_out)

    def context(honest: Any, self: Any, channel: Any, *rest: Any) -> Context:
        ctx: Context = honest(self, channel, *rest)
        seen = channel.assigns.get(_SEEN)
        if seen is not None:
            if seen.resource is not None:
                ctx.resource = merge(ctx.resource, seen.resource)
            ctx.surroundings = replace(ctx.surroundings, store=seen)
        return ctx

    around_connection(server, "_push", push)
    server.application = around(server.application, "_context", context)


def _former_nonces(now: Resource, seen: Resource) -> Resource:
    return replace(now, pending_nonces=seen.pending_nonces, executed_nonce=seen.executed_nonce)


def _former_pending(now: Resource, seen: Resource) -> Resource:
    return replace(now, pending_nonces=seen.pending_nonces)


def _former_state(now: Resource, seen: Resource) -> Resource:
    return replace(now, state=seen.state, pending_nonces=seen.pending_nonces)


def _former_data(now: Resource, seen: Resource) -> Resource:
    return replace(now, data=seen.data)


# Payments


@deviation(
    "payment/concurrent-nonce-taken-once",
    shows="Two proposals with one nonce are both taken when they are sent at once.",
)
def takes_nonce_twice_at_once(server: Assembly) -> None:
    """Compare the nonce of a proposal with those that were known when it came."""
    _overlaps(server, PAYMENT, {PROPOSE}, _former_nonces)


@deviation(
    "payment/concurrent-acknowledge-executes-once",
    shows="A transfer that is acknowledged on several connections at once is executed by each of them.",
)
def executes_overlapping_acknowledgements(server: Assembly) -> None:
    """Look for the proposal of an acknowledgement where it was when the acknowledgement came."""
    _overlaps(server, PAYMENT, {ACKNOWLEDGE}, _former_pending, {PROPOSALS})


@deviation(
    "payment/concurrent-transfers-all-count",
    shows="Of transfers that are acknowledged at once only the last one counts in the balances.",
)
def loses_overlapping_transfers(server: Assembly) -> None:
    """Compute balances from those that were kept when the acknowledgement came."""
    _overlaps(server, PAYMENT, {ACKNOWLEDGE}, _former_data)


@deviation(
    "payment/concurrent-decisions-exclude",
    shows="A transfer that is acknowledged and rejected at once is executed, and its rejection is told as well.",
)
def executes_what_is_being_rejected(server: Assembly) -> None:
    """Look for the proposal that is answered where it was when the answer came."""
    _overlaps(server, PAYMENT, {ACKNOWLEDGE, REJECT}, _former_pending, {PROPOSALS})


@deviation(
    "payment/concurrent-pushes-ordered",
    shows="A channel is closed although a transfer is proposed at the same time, and that proposal is taken, too.",
)
def closes_while_something_is_proposed(server: Assembly) -> None:
    """Look at the state of the channel as it was when a close or a proposal came."""
    _overlaps(server, PAYMENT, {CLOSE, PROPOSE}, _former_state)


@deviation(
    "payment/concurrent-decisions-exclude",
    shows="A transfer that is acknowledged while a dispute is opened is executed although the dispute came first.",
)
def executes_what_is_being_disputed(server: Assembly) -> None:
    """Look for the proposal, and at the state, as they were when an acknowledgement came; a dispute takes effect at once."""
    _overlaps(server, PAYMENT, {ACKNOWLEDGE}, _former_state, {PROPOSALS})


@deviation(
    "payment/concurrent-pushes-ordered",
    shows="A channel that is closed and disputed at once is disputed in the end, though the close was taken.",
)
def disputes_what_is_being_closed(server: Assembly) -> None:
    """Look at the state of the channel as it was when a close or a dispute came."""
    _overlaps(server, PAYMENT, {CLOSE, DISPUTE}, _former_state)


# Other families


@deviation(
    "negotiation/concurrent-pushes-ordered",
    shows="A session that is accepted and rejected at once is both agreed and rejected.",
)
def agrees_while_being_rejected(server: Assembly) -> None:
    """Look at the state of the session as it was when an acceptance or a rejection came."""
    _overlaps(server, "negotiation", {"accept", "reject"}, _former_state)


@deviation(
    "negotiation/concurrent-pushes-ordered",
    shows="An acceptance of the average that was true before an offer of the same moment settles the session.",
)
def agrees_on_former_average(server: Assembly) -> None:
    """Compare an acceptance with the offers that were kept when it came; an offer takes effect at once."""
    _overlaps(server, "negotiation", {"accept"}, _former_data)


@deviation(
    "task/concurrent-pushes-ordered",
    shows="A task that is completed and cancelled at once is answered ok to both.",
)
def completes_what_is_being_cancelled(server: Assembly) -> None:
    """Look at the state of the task as it was when its end came."""
    _overlaps(server, "task", {"complete", "cancel", "error"}, _former_state)


@deviation(
    "task/concurrent-pushes-ordered",
    shows="What is sent while a task is cancelled is relayed and answered ok, and the task is open again.",
)
def relays_while_being_cancelled(server: Assembly) -> None:
    """Look at the state of the task as it was when a report, a chunk or a cancellation came."""
    _overlaps(server, "task", {"progress", "output_stream", "cancel"}, _former_state)


@deviation(
    "task/concurrent-pushes-ordered",
    shows="Of two checkpoints that are saved at once the one with the lower seq may stay.",
)
def keeps_lower_of_overlapping_checkpoints(server: Assembly) -> None:
    """Compare a checkpoint with the one that was there when it came."""
    _overlaps(server, "task", {"checkpoint"}, _former_data)


@deviation(
    "task/concurrent-pushes-ordered",
    shows="Two texts for one seq that are sent at once are both taken and relayed.",
)
def takes_overlapping_chunks(server: Assembly) -> None:
    """Look for another text of a seq where it was when the chunk came."""
    _overlaps(server, "task", {"input_stream", "output_stream"}, collections={"input", "output"})


@deviation(
    "messages/concurrent-settling-ordered",
    shows="A message can be acknowledged and rejected at once, each answered ok.",
)
def settles_message_twice_at_once(server: Assembly) -> None:
    """Take a message for pending that was so when its settling came."""
    _overlaps(server, "messages", {"acknowledge", "reject"})


# The Phoenix layer


@deviation(
    "joining/concurrent-joins-answered",
    shows="Of joins that an agent sends at once on several connections only the last one hears what is broadcast.",
)
def subscribes_last_of_overlapping_joins(server: Assembly) -> None:
    """Let a join take the subscription of one that the same agent has just made elsewhere."""
    latest: dict[tuple[str, str], tuple[float, Any]] = {}

    def subscribe(honest: Any, self: Any, channel: Any, receiver: Any) -> None:
        honest(self, channel, receiver)
        key, now_s = (channel.topic, channel.identity.agent_id), asyncio.get_running_loop().time()
        former_s, former = latest.get(key, (0.0, None))
        if former is not None and now_s - former_s < WINDOW_S:
            self.unsubscribe(former)
        latest[key] = now_s, channel

    server.broker = around(server.broker, "subscribe", subscribe)


@deviation(
    "leaving/concurrent-leave-ordered",
    shows="What is broadcast just when somebody leaves does not reach one of those who stay.",
)
def skips_receiver_while_somebody_leaves(server: Assembly) -> None:
    """Go through the channels of a topic by their places while one is taken out."""
    left_s: dict[str, float] = {}

    def unsubscribe(honest: Any, self: Any, channel: Any) -> None:
        honest(self, channel)
        left_s[channel.topic] = asyncio.get_running_loop().time()

    def receivers(honest: Any, self: Any, broadcast: Any) -> list[Any]:
        found: list[Any] = honest(self, broadcast)
        since_s = asyncio.get_running_loop().time() - left_s.get(broadcast.topic, 0.0)
        return found[:-1] if since_s < WINDOW_S else found

    server.broker = around(around(server.broker, "unsubscribe", unsubscribe), "_receivers", receivers)


@deviation(
    "sockets/concurrent-disconnect-ordered",
    shows="What an agent has pushed last before its disconnect is relayed once more.",
)
def repeats_last_relay_of_disconnected(server: Assembly) -> None:
    """Relay a push again whose connection was cut off soon after it."""
    last: dict[Any, tuple[float, Any]] = {}

    def broadcast(honest: Any, self: Any, broadcasts: Any) -> None:
        honest(self, broadcasts)
        if broadcasts:
            last[self] = asyncio.get_running_loop().time(), broadcasts

    def disconnect(honest: Any, self: Any) -> None:
        told_s, broadcasts = last.pop(self, (0.0, ()))
        if asyncio.get_running_loop().time() - told_s < SOON_S:
            self._broadcast(broadcasts)
        honest(self)

    around_connection(server, "_broadcast", broadcast)
    around_connection(server, "disconnect", disconnect)
