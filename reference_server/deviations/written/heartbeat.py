"""Heartbeats on the topic phoenix: always answered, and nothing but an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around
from specs.message import HEARTBEAT, PHOENIX_TOPIC, PHX_JOIN, Message
from specs.serializer import V1

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly


def _beats(server: Assembly, answer: Callable[[Any, Any, Message], None]) -> None:
    """Replace the reply to a heartbeat by `answer(honest, connection, message)`."""

    def reply(honest: Any, self: Any, message: Message, *rest: Any) -> None:
        if message.topic == PHOENIX_TOPIC and message.event == HEARTBEAT:
            answer(honest, self, message)
        else:
            honest(self, message, *rest)

    server.connection = around(server.connection, "_reply", reply)


def _takes_unmatched(server: Assembly, is_taken: Callable[[Message], bool]) -> None:
    """Answer ok to some of the messages that belong to no channel."""

    def unmatched(honest: Any, self: Any, message: Message) -> None:
        if is_taken(message):
            self._reply(message, None, "ok", {})
        else:
            honest(self, message)

    server.connection = around(server.connection, "_unmatched", unmatched)


@deviation(
    "heartbeat/answered", shows="The reply to a heartbeat says how many channels are joined, where any is."
)
def counts_channels_in_heartbeat_reply(server: Assembly) -> None:
    """Put the number of channels into the reply."""

    def answer(honest: Any, connection: Any, message: Message) -> None:
        count = connection.channel_count
        honest(connection, message, None, "ok", {"channels": count} if count else {})

    _beats(server, answer)


@deviation(
    "heartbeat/before-join", shows="A heartbeat before the first join is not answered under serializer 1.0.0."
)
def ignores_heartbeat_before_join_under_v1(server: Assembly) -> None:
    """Answer no heartbeat of a connection without channels."""

    def answer(honest: Any, connection: Any, message: Message) -> None:
        if connection.channel_count or connection.serializer.vsn != V1.vsn:
            honest(connection, message, None, "ok", {})

    _beats(server, answer)


@deviation(
    "heartbeat/null-join-ref-in-reply", shows="The reply to a heartbeat carries the heartbeat's join_ref."
)
def echoes_join_ref_of_heartbeat(server: Assembly) -> None:
    """Echo both refs of a heartbeat."""
    _beats(
        server, lambda honest, connection, message: honest(connection, message, message.join_ref, "ok", {})
    )


@deviation("heartbeat/payload-ignored", shows="A heartbeat whose payload is no object is not answered.")
def demands_object_in_heartbeat(server: Assembly) -> None:
    """Answer heartbeats with an object, or binary ones, as payload alone."""

    def answer(honest: Any, connection: Any, message: Message) -> None:
        if isinstance(message.payload, (dict, bytes)):
            honest(connection, message, None, "ok", {})

    _beats(server, answer)


@deviation("heartbeat/other-event-unmatched", shows="The topic phoenix can be joined.")
def lets_phoenix_topic_be_joined(server: Assembly) -> None:
    """Answer ok to a join of the topic of heartbeats."""
    _takes_unmatched(server, lambda message: message.topic == PHOENIX_TOPIC and message.event == PHX_JOIN)


@deviation(
    "heartbeat/only-on-phoenix-topic", shows="A heartbeat on any topic that is not joined is answered ok."
)
def answers_heartbeat_on_any_topic(server: Assembly) -> None:
    """Look at the event of a heartbeat, not at its topic."""
    _takes_unmatched(server, lambda message: message.event == HEARTBEAT)
