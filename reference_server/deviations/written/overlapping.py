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
from reference_server.outcome import Broadcast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from reference_server.assembly import Assembly
    from reference_server.context import Context
    from reference_server.records import Resource

WINDOW_S = 0.002
"""From the decision on a push to its effect: what a few questions to a database take."""

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

    def entries(self, topic: str, collection: str) -> Any:
        """Return a collection's entries by rising number."""
        seen = self._entries.get((topic, collection))
        return self._store.entries(topic, collection) if seen is None else sorted(seen.items())

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
    shows="Proposals of one moment are taken that the balance covers each, but not together.",
)
def covers_overlapping_proposals_apart(server: Assembly) -> None:
    """Leave out of a party's promises what it has proposed while a proposal was on its way."""
    _overlaps(server, PAYMENT, {PROPOSE}, collections={PROPOSALS})


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
    shows="Of offers that both sides make at once only the last one counts.",
)
def loses_overlapping_offers(server: Assembly) -> None:
    """Put an offer beside those that were kept when it came."""
    _overlaps(server, "negotiation", {"offer"}, _former_data)


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
    shows="A report or a chunk that comes just before a cancellation is relayed and yet refused.",
)
def relays_before_it_decides(server: Assembly) -> None:
    """Relay at once, and look at the state of the task a moment later."""
    relayed = {"progress", "output_stream", "input_stream"}

    def push(honest: Any, self: Any, message: Any, membership: Any) -> None:
        channel = membership.channel
        if channel.family.name != "task" or message.event not in relayed:
            honest(self, message, membership)
            return
        if self._application.store.resource_by_topic(channel.topic).state == "open":
            self._broker.broadcast(Broadcast(channel.topic, message.event, message.payload, exclude=channel))

        def carry_out() -> None:
            if is_joined(self, membership):
                honest(self, message, membership)

        asyncio.get_running_loop().call_later(WINDOW_S, carry_out)

    def context(honest: Any, self: Any, channel: Any, payload: Any, event: Any = None) -> Context:
        ctx: Context = honest(self, channel, payload, event)
        if channel.family.name == "task" and event is not None and event.event in relayed:
            ctx.is_relayed = False
        return ctx

    around_connection(server, "_push", push)
    server.application = around(server.application, "_context", context)


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
