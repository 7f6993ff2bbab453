"""Broadcasts and the order of things: to everyone on the topic, once, in order, and to nobody else."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from reference_server.deviations.connections import (
    around_connection,
    around_within,
    frames_of,
    is_joined,
    later,
    send_all,
)
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_codec
from specs.message import PHOENIX_TOPIC
from specs.serializer import V1

if TYPE_CHECKING:
    from reference_server.assembly import Assembly


@deviation(
    "broadcast/once-per-channel", shows="Who has joined a topic a second time receives every broadcast twice."
)
def keeps_subscription_of_replaced_join(server: Assembly) -> None:
    """Let the replaced channel hear on."""

    def end(honest: Any, self: Any, membership: Any) -> Any:
        honest(self, membership)
        if membership is not None:
            self._broker.subscribe(membership.channel, self)
        return membership

    around_within(server, "_join", "_end", end)


@deviation(
    "broadcast/once-per-channel",
    shows="Of an agent's connections on a topic only one receives what is broadcast.",
)
def broadcasts_to_one_connection_of_an_agent(server: Assembly) -> None:
    """Subscribe no second connection of an agent that acts in a part given to it."""

    def subscribe(honest: Any, self: Any, channel: Any, receiver: Any) -> None:
        is_assigned = channel.family.roles[channel.role].origin == "resource"
        agents = {other.identity.agent_id for other in self._topics.get(channel.topic, ())}
        if not (is_assigned and channel.identity.agent_id in agents):
            honest(self, channel, receiver)

    server.broker = around(server.broker, "subscribe", subscribe)


@deviation(
    "broadcast/order-per-sender", shows="Under serializer 1.0.0 what is relayed arrives in another order."
)
def reorders_relays_under_v1(server: Assembly) -> None:
    """Put every other relay off for connections under serializer 1.0.0."""

    def init(
        honest: Any, self: Any, backend: Any, identity: Any, serializer: Any, send: Any, close: Any
    ) -> None:
        places = count()

        def send_unevenly(frame: Any) -> None:
            is_late = isinstance(serializer, V1) and b'"ref":null' in frame.data and next(places) % 2
            later(send, frame) if is_late else send(frame)

        honest(self, backend, identity, serializer, send_unevenly, close)

    server.connection = around(server.connection, "__init__", init)


@deviation("broadcast/joined-only", shows="Who has left a topic goes on hearing what is said on it.")
def broadcasts_to_channels_that_left(server: Assembly) -> None:
    """Leave a channel subscribed when it is left."""

    def end(honest: Any, self: Any, membership: Any) -> Any:
        honest(self, membership)
        if membership is not None:
            self._broker.subscribe(membership.channel, self)
        return membership

    around_within(server, "_leave", "_end", end)


@deviation(
    "broadcast/own-topic-only", shows="What is relayed on one topic is relayed on others of its family, too."
)
def relays_to_sibling_topics(server: Assembly) -> None:
    """Send a relay to every topic with the same prefix, under that topic."""

    def broadcast(honest: Any, self: Any, sent: Any) -> None:
        honest(self, sent)
        prefix = sent.topic.partition(":")[0]
        if sent.exclude is not None:
            for topic in [
                one for one in self._topics if one.partition(":")[0] == prefix and one != sent.topic
            ]:
                honest(self, replace(sent, topic=topic))

    server.broker = around(server.broker, "broadcast", broadcast)


@deviation(
    "broadcast/v1-and-v2-receivers",
    shows="Under serializer 1.0.0 relays have a member that others do not have.",
)
def adds_member_to_relays_under_v1(server: Assembly) -> None:
    """Put the version of the serializer into what is broadcast under 1.0.0."""

    def encode(honest: Any, self: Any, message: Any) -> Any:
        if message.ref is None and message.join_ref is None and isinstance(message.payload, dict):
            message = replace(message, payload={**message.payload, "vsn": self.vsn})
        return honest(self, message)

    around_codec(server, "encode_server", encode, vsn="1.0.0")


@deviation("broadcast/v1-and-v2-receivers", shows="Connections under serializer 1.0.0 receive no broadcast.")
def broadcasts_to_v2_only(server: Assembly) -> None:
    """Subscribe nobody who speaks serializer 1.0.0."""

    def subscribe(honest: Any, self: Any, channel: Any, receiver: Any) -> None:
        if not isinstance(receiver.serializer, V1):
            honest(self, channel, receiver)

    server.broker = around(server.broker, "subscribe", subscribe)


@deviation(
    "ordering/push-order-kept", shows="Of pushes sent in one go the second takes effect before the first."
)
def handles_pushes_in_swapped_pairs(server: Assembly) -> None:
    """Put a push off until the next one is handled, or a while has passed."""

    def carry_out(self: Any, honest: Any, held: list[Any]) -> None:
        while held:
            message, membership = held.pop()
            if is_joined(self, membership):
                honest(self, message, membership)

    def push(honest: Any, self: Any, message: Any, membership: Any) -> None:
        held = self.__dict__.setdefault("pushes", [])
        held.append((message, membership))
        if len(held) > 1:
            carry_out(self, honest, held)
        else:
            later(carry_out, self, honest, held)

    around_connection(server, "_push", push)


@deviation(
    "ordering/connection-replies-in-order", shows="Replies to heartbeats come behind those to later requests."
)
def answers_heartbeats_late(server: Assembly) -> None:
    """Put the replies to heartbeats off."""

    def reply(honest: Any, self: Any, message: Any, *answer: Any) -> None:
        if message.topic == PHOENIX_TOPIC:
            later(send_all, self, frames_of(self, lambda: honest(self, message, *answer)))
        else:
            honest(self, message, *answer)

    around_connection(server, "_reply", reply)


@deviation("ordering/requests-answered-once", shows="Every push gets its reply twice.")
def answers_pushes_twice(server: Assembly) -> None:
    """Send the reply to a push once more."""

    def reply(honest: Any, self: Any, *answer: Any) -> None:
        honest(self, *answer)
        honest(self, *answer)

    around_connection(server, "_reply_of_channel", reply)
