"""Joining again: the second replaces the first, which is closed under its own join_ref; and joining too many topics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.connections import (
    around_connection,
    around_within,
    frames_of,
    later,
    send_all,
)
from reference_server.deviations.deviation import deviation
from reference_server.versions import identical
from specs.message import PHX_ERROR

if TYPE_CHECKING:
    from reference_server.assembly import Assembly


@deviation(
    "joining/duplicate-join-replaces", shows="After a second join replies still carry the first join_ref."
)
def keeps_first_join_ref(server: Assembly) -> None:
    """Let the second channel answer under the join_ref of the first."""

    def join(honest: Any, self: Any, message: Any) -> None:
        former = self._memberships.get(message.topic)
        honest(self, message)
        joined = self._memberships.get(message.topic)
        if former is not None and joined is not None and joined is not former:
            self._memberships[message.topic] = replace(joined, channel_ref=former.channel_ref)

    around_connection(server, "_join", join)


@deviation("joining/duplicate-join-closes-old", shows="A second join brings no phx_close of the first.")
def replaces_join_in_silence(server: Assembly) -> None:
    """End the replaced channel without a word."""
    around_within(server, "_join", "_announce_end", lambda _honest, _self, _former, _event, _payload: None)


@deviation("joining/duplicate-join-closes-old", shows="A second join brings phx_error for the first.")
def calls_replaced_join_an_error(server: Assembly) -> None:
    """End the replaced channel as one that has crashed."""

    def announce(honest: Any, self: Any, membership: Any, _event: str, payload: Any) -> None:
        honest(self, membership, PHX_ERROR, payload)

    around_within(server, "_join", "_announce_end", announce)


@deviation(
    "joining/duplicate-join-closes-old", shows="The phx_close behind a second join names the second join."
)
def closes_new_join_for_old(server: Assembly) -> None:
    """Close the replaced channel under the join_ref that has just been given."""

    def announce(honest: Any, self: Any, membership: Any, event: str, payload: Any) -> None:
        joined = membership and self._memberships.get(membership.channel.topic)
        honest(self, joined or membership, event, payload)

    around_within(server, "_join", "_announce_end", announce)


@deviation(
    "joining/duplicate-join-closes-old",
    shows="phx_close of the first join comes before the reply to the second.",
)
def closes_old_join_before_reply(server: Assembly) -> None:
    """Close the old channel first and answer the new join then."""

    def join(honest: Any, self: Any, message: Any) -> None:
        former = self._memberships.get(message.topic)
        frames = frames_of(self, lambda: honest(self, message))
        if former is not None and len(frames) > 1:
            frames[:2] = reversed(frames[:2])
        send_all(self, frames)

    around_connection(server, "_join", join)


@deviation(
    "joining/duplicate-join-close-before-pushes",
    shows="phx_close of the first join comes behind the pushes of the second.",
)
def closes_old_join_behind_pushes(server: Assembly) -> None:
    """Let the new channel push before the old one is closed."""

    def join(honest: Any, self: Any, message: Any) -> None:
        self.ends = []
        honest(self, message)
        send_all(self, self.ends)

    def announce(honest: Any, self: Any, *end: Any) -> None:
        self.ends += frames_of(self, lambda: honest(self, *end))

    around_within(server, "_join", "_announce_end", announce)
    around_connection(server, "_join", join)


@deviation(
    "joining/duplicate-join-same-join-ref",
    shows="A second join with the join_ref of the first changes nothing.",
)
def takes_same_join_ref_for_repetition(server: Assembly) -> None:
    """Answer a join with the join_ref of the channel that is there, and keep that channel."""

    def join(honest: Any, self: Any, message: Any) -> None:
        joined = self._memberships.get(message.topic)
        if joined is not None and identical(joined.join_ref, message.join_ref):
            self._reply(message, message.join_ref, "ok", {})
        else:
            honest(self, message)

    around_connection(server, "_join", join)


@deviation(
    "joining/pipelined-duplicate-join",
    shows="Of two joins of a topic sent in one go only the second is answered.",
)
def answers_last_of_pipelined_joins(server: Assembly) -> None:
    """Put off the reply to a join, and drop it when the topic is joined again meanwhile."""

    def join(honest: Any, self: Any, message: Any) -> None:
        topic, held = self.__dict__.get("held", (None, []))
        if topic == message.topic:
            held.clear()
        send_all(self, held)
        self.held = (message.topic, frames_of(self, lambda: honest(self, message)))
        later(send_all, self, self.held[1])

    def on_topic(honest: Any, self: Any, message: Any) -> None:
        send_all(self, self.__dict__.get("held", (None, []))[1])
        honest(self, message)

    around_connection(server, "_join", join)
    around_connection(server, "_on_topic", on_topic)


@deviation(
    "joining/channel-limit", shows="A join too many is refused without saying that there are too many."
)
def refuses_join_too_many_as_unauthorized(server: Assembly) -> None:
    """Give another reason where the connection has too many channels."""

    def reply(honest: Any, self: Any, message: Any, join_ref: Any, status: str, response: Any) -> None:
        is_full = response == {"reason": "too many channels joined"}
        honest(self, message, join_ref, status, {"reason": "unauthorized"} if is_full else response)

    around_connection(server, "_reply", reply)


@deviation("joining/channel-limit", shows="A join too many ends the channel that was joined first.")
def gives_up_oldest_channel_at_limit(server: Assembly) -> None:
    """Make room for one more channel instead of refusing it."""
    limit = server.settings.version.channel_limit or 0

    def join(honest: Any, self: Any, message: Any) -> None:
        if limit and len(self._memberships) >= limit and message.topic not in self._memberships:
            self._end(next(iter(self._memberships.values())))
        honest(self, message)

    around_connection(server, "_join", join)


@deviation(
    "joining/rejoin-at-limit", shows="A second join of a topic is refused where the connection is full."
)
def refuses_rejoin_at_limit(server: Assembly) -> None:
    """Count the channels before the old one is gone."""
    limit = server.settings.version.channel_limit or 0

    def join(honest: Any, self: Any, message: Any) -> None:
        if limit and len(self._memberships) >= limit:
            self._reply(message, message.join_ref, "error", {"reason": "too many channels joined"})
        else:
            honest(self, message)

    around_connection(server, "_join", join)
