"""Stale join_refs: a message of another join is dropped, or answered under the join_ref of the channel that is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.connections import around_connection, is_joined
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around_version
from reference_server.versions import CRASH_CLOSE_CODE, identical
from specs.message import PHX_CLOSE, PHX_ERROR, PHX_LEAVE
from specs.serializer import V1, V2

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly


def _on_stale(
    server: Assembly, is_meant: Callable[[Any, Any, Any], bool], act: Callable[[Any, Any, Any], None]
) -> None:
    """Do something else with pushes on a joined topic whose join_ref is not that of the join.

    Args:
        server: Where to do it.
        is_meant: Tells from the connection, the message and the membership which of them are meant.
        act: What is done with them, from the same.

    """

    def on_topic(honest: Any, self: Any, message: Any) -> None:
        membership = self._memberships.get(message.topic) if isinstance(message.topic, str) else None
        is_stale = membership is not None and not identical(message.join_ref, membership.join_ref)
        if is_stale and message.event != PHX_LEAVE and is_meant(self, message, membership):
            act(self, message, membership)
        else:
            honest(self, message)

    around_connection(server, "_on_topic", on_topic)


def _answer_as_sent(self: Any, message: Any, membership: Any) -> None:
    self._push(message, replace(membership, channel_ref=message.join_ref))


def _former_refs(server: Assembly) -> Callable[[Any, Any, Any], bool]:
    """Let connections remember the join_refs of all their joins; return a test whether a message carries one of them."""

    def join(honest: Any, self: Any, message: Any) -> None:
        self.__dict__.setdefault("refs", []).append((message.topic, message.join_ref))
        honest(self, message)

    around_connection(server, "_join", join)
    return lambda self, message, _membership: (
        (message.topic, message.join_ref) in self.__dict__.get("refs", ())
    )


@deviation("stale/leave-ignored", shows="phx_leave with any join_ref ends the channel.")
def takes_leave_of_any_join(server: Assembly) -> None:
    """Ask no join_ref of a leave under serializer 2.0.0."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        if membership is not None and isinstance(self.serializer, V2) and message.join_ref is not None:
            message = replace(message, join_ref=membership.join_ref)
        honest(self, message, membership)

    around_connection(server, "_leave", leave)


@deviation("stale/leave-ignored", shows="phx_leave with the join_ref of a replaced join gets status ok.")
def answers_leave_of_replaced_join(server: Assembly) -> None:
    """Answer a stale leave, though it ends nothing."""
    is_former = _former_refs(server)

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        is_stale = membership is not None and not identical(message.join_ref, membership.join_ref)
        if is_stale and is_former(self, message, membership):
            self._reply(message, message.join_ref, "ok", {})
        else:
            honest(self, message, membership)

    around_connection(server, "_leave", leave)


@deviation(
    "stale/null-join-ref-leave",
    shows="phx_leave with a null join_ref gets status ok, and the topic stays joined.",
)
def answers_null_leave_without_leaving(server: Assembly) -> None:
    """Answer a leave without join_ref and do nothing."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        if membership is not None and membership.join_ref is not None and message.join_ref is None:
            self._reply(message, membership.channel_ref, "ok", {})
        else:
            honest(self, message, membership)

    around_connection(server, "_leave", leave)


@deviation(
    "stale/push-never-answered-for-old-join",
    shows="A push of a replaced join is answered under the old join_ref.",
)
def answers_push_of_replaced_join(server: Assembly) -> None:
    """Take a push of a former join, and answer with the join_ref that it carries."""
    _on_stale(server, _former_refs(server), _answer_as_sent)


@deviation(
    "stale/foreign-join-ref-push",
    shows="A push with a join_ref that was never used is answered with that join_ref.",
)
def answers_push_of_no_join(server: Assembly) -> None:
    """Take a push of a join that never was, and answer with the join_ref that it carries."""
    is_former = _former_refs(server)

    def is_foreign(self: Any, message: Any, membership: Any) -> bool:
        return isinstance(message.join_ref, str) and not is_former(self, message, membership)

    _on_stale(server, is_foreign, _answer_as_sent)


@deviation("stale/foreign-join-ref-push", shows='A push with a foreign join_ref gets "unmatched topic".')
def calls_topic_of_foreign_push_unmatched(server: Assembly) -> None:
    """Answer a push with a foreign text as join_ref as if the topic were not joined."""
    _on_stale(
        server,
        lambda _self, message, _membership: isinstance(message.join_ref, str),
        lambda self, message, _membership: self._unmatched(message),
    )


@deviation("stale/null-join-ref-push", shows="The reply to a push with a null join_ref carries null, too.")
def answers_null_push_with_null(server: Assembly) -> None:
    """Echo the null join_ref of a push."""
    _on_stale(server, lambda _self, message, _membership: message.join_ref is None, _answer_as_sent)


@deviation("stale/null-join-ref-accepted", shows="A push with a null join_ref is dropped.")
def drops_push_without_join_ref(server: Assembly) -> None:
    """Demand the join_ref of every push, as Phoenix 1.8.3 to 1.8.11 did."""
    around_version(
        server, "delivers", lambda _honest, sent, stored: stored is None or identical(sent, stored)
    )


@deviation(
    "stale/join-ref-type-strict", shows="A push whose join_ref is a number is answered with that number."
)
def answers_number_as_join_ref(server: Assembly) -> None:
    """Compare join_refs as text, and echo them as they came."""
    _on_stale(
        server,
        lambda _self, message, membership: str(message.join_ref) == str(membership.join_ref),
        _answer_as_sent,
    )


@deviation(
    "stale/stale-message-harmless", shows="A message whose join_ref is an object closes the connection."
)
def closes_on_object_as_join_ref(server: Assembly) -> None:
    """Crash on a join_ref that cannot be compared."""

    def on_topic(honest: Any, self: Any, message: Any) -> None:
        if isinstance(message.join_ref, dict):
            self._close(CRASH_CLOSE_CODE)
        else:
            honest(self, message)

    around_connection(server, "_on_topic", on_topic)


@deviation(
    "stale/stale-message-harmless",
    shows="A push whose join_ref is the number 0 ends the channel with phx_error.",
)
def crashes_on_zero_as_join_ref(server: Assembly) -> None:
    """End the channel for a join_ref that no client has."""

    def crash(self: Any, _message: Any, membership: Any) -> None:
        self._announce_end(membership, PHX_ERROR, {})
        self._end(membership)

    _on_stale(server, lambda _self, message, _membership: message.join_ref == 0, crash)


@deviation(
    "stale/v1-same-rules", shows="Under serializer 1.0.0 phx_leave with any join_ref ends the channel."
)
def takes_leave_of_any_join_under_v1(server: Assembly) -> None:
    """Ask no join_ref where the client is shown none."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        if membership is not None and isinstance(self.serializer, V1):
            message = replace(message, join_ref=membership.join_ref)
        honest(self, message, membership)

    around_connection(server, "_leave", leave)


@deviation(
    "stale/v1-same-rules", shows="Under serializer 1.0.0 phx_leave with a foreign join_ref brings phx_close."
)
def closes_for_foreign_leave_under_v1(server: Assembly) -> None:
    """Say that the channel has closed, though it goes on."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        honest(self, message, membership)
        if membership is not None and isinstance(self.serializer, V1) and is_joined(self, membership):
            self._announce_end(membership, PHX_CLOSE, {})

    around_connection(server, "_leave", leave)
