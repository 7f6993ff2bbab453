"""Well-formed messages that nobody expects: where no channel is, and where the channel does not understand them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around
from reference_server.enforcement import UNKNOWN_EVENT
from reference_server.versions import CRASH_CLOSE_CODE
from specs.message import PHX_CLOSE, PHX_ERROR, PHX_JOIN, Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly


def _closes(server: Assembly, method: str, is_fatal: Callable[[Message], bool]) -> None:
    """Let some of the messages that a method of the connection is for end the connection."""

    def handle(honest: Any, self: Any, message: Message, *rest: Any) -> None:
        if is_fatal(message):
            self._close(CRASH_CLOSE_CODE)
        else:
            honest(self, message, *rest)

    server.connection = around(server.connection, method, handle)


def _is_unknown(message: Message, outcome: Any) -> bool:
    is_own = not isinstance(message.event, str) or message.event.startswith("phx_")
    return not is_own and outcome.status == "error" and outcome.response.get("reason") == UNKNOWN_EVENT


# Where no channel is


@deviation(
    "malformed/push-unjoined-unmatched", shows='The reply "unmatched topic" to a push carries its join_ref.'
)
def echoes_join_ref_of_unjoined_push(server: Assembly) -> None:
    """Answer a push as if its channel were there."""

    def unmatched(honest: Any, self: Any, message: Message) -> None:
        if message.event == PHX_JOIN or not isinstance(message.topic, str):
            honest(self, message)
        else:
            self._reply(message, message.join_ref, "error", {"reason": "unmatched topic"})

    server.connection = around(server.connection, "_unmatched", unmatched)


@deviation(
    "malformed/nonstring-topic-unmatched", shows="A push whose topic is no string closes the connection."
)
def closes_on_nonstring_topic(server: Assembly) -> None:
    """Take a topic that is no string for a malformed frame."""
    _closes(server, "_on_topic", lambda message: not isinstance(message.topic, str))


@deviation(
    "malformed/object-topic-join-contained", shows="A join of a topic that is an object is never answered."
)
def ignores_join_of_object(server: Assembly) -> None:
    """Ignore a join of what can be no topic."""

    def join(honest: Any, self: Any, message: Message) -> None:
        if not isinstance(message.topic, dict):
            honest(self, message)

    server.connection = around(server.connection, "_join", join)


# What a channel does not understand


@deviation("malformed/unknown-event-contained", shows="An event that no document names is answered twice.")
def answers_unknown_event_twice(server: Assembly) -> None:
    """Repeat the refusal of an unknown event."""

    def reply(honest: Any, self: Any, message: Message, membership: Any, outcome: Any) -> None:
        for _ in range(1 + _is_unknown(message, outcome)):
            honest(self, message, membership, outcome)

    server.connection = around(server.connection, "_reply_of_channel", reply)


@deviation("malformed/unknown-event-refused", shows="An event that no document names is answered ok.")
def accepts_unknown_event(server: Assembly) -> None:
    """Thank for an event that nothing is done about."""

    def reply(honest: Any, self: Any, message: Message, membership: Any, outcome: Any) -> None:
        is_unknown = _is_unknown(message, outcome)
        honest(
            self, message, membership, replace(outcome, status="ok", response={}) if is_unknown else outcome
        )

    server.connection = around(server.connection, "_reply_of_channel", reply)


@deviation(
    "malformed/error-leaves-unjoined",
    shows="An unknown event crashes its channel, which answers on after its phx_error.",
)
def keeps_crashed_channel(server: Assembly) -> None:
    """Crash on unknown events, as Phoenix does where no clause matches, but keep the channel."""

    def event_of(honest: Any, self: Any, *args: Any) -> Any:
        try:
            return honest(self, *args)
        except Refused as refusal:
            raise LookupError("no clause matches") from refusal

    def crash(_: Any, self: Any, membership: Any, _exc: Exception) -> None:
        self._announce_end(membership, PHX_ERROR, self._version.crash_payload)

    server.enforcement = around(server.enforcement, "event_of", event_of)
    server.connection = around(server.connection, "_crash", crash)


@deviation("malformed/reserved-events-are-ordinary", shows="phx_close from a client closes the channel.")
def obeys_close_of_client(server: Assembly) -> None:
    """Take phx_close from a client for a leave."""

    def push(honest: Any, self: Any, message: Message, membership: Any) -> None:
        if message.event != PHX_CLOSE:
            honest(self, message, membership)
        else:
            self._announce_end(membership, PHX_CLOSE, {})
            self._end(membership)

    server.connection = around(server.connection, "_push", push)


@deviation(
    "malformed/nonobject-payload-contained",
    shows="A push whose payload is no object closes the whole connection.",
)
def closes_on_nonobject_payload(server: Assembly) -> None:
    """Take a payload that is no object for a malformed frame."""
    _closes(server, "_push", lambda message: not isinstance(message.payload, (dict, bytes)))


@deviation(
    "malformed/nonstring-event-contained",
    shows="A push whose event is no string closes the whole connection.",
)
def closes_on_nonstring_event(server: Assembly) -> None:
    """Take an event that is no string for a malformed frame."""
    _closes(server, "_push", lambda message: not isinstance(message.event, str))
