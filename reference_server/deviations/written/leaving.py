"""Leaving: a reply and one phx_close, of that channel alone."""

from __future__ import annotations

from dataclasses import replace
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
from specs.message import PHX_CLOSE, PHX_JOIN, Message

if TYPE_CHECKING:
    from reference_server.assembly import Assembly

UNMATCHED = {"reason": "unmatched topic"}


def _left(self: Any) -> dict[str, Any]:
    """Return the join_ref of every channel that this connection has left, by topic."""
    left: dict[str, Any] = self.__dict__.setdefault("left", {})
    return left


def _remember_left(server: Assembly) -> None:
    """Let connections remember what they have left."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        honest(self, message, membership)
        if membership is not None and not is_joined(self, membership):
            _left(self)[message.topic] = membership.join_ref

    around_connection(server, "_leave", leave)


@deviation("leaving/reply-then-close", shows="phx_close comes before the reply to phx_leave.")
def closes_before_leave_reply(server: Assembly) -> None:
    """Close the channel first and answer then."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        send_all(self, frames_of(self, lambda: honest(self, message, membership))[::-1])

    around_connection(server, "_leave", leave)


@deviation("leaving/reply-then-close", shows="phx_leave is answered, and no phx_close follows.")
def leaves_without_close(server: Assembly) -> None:
    """Do not say that a channel was closed when it was left."""
    around_within(server, "_leave", "_announce_end", lambda _honest, _self, *_end: None)


@deviation("leaving/reply-then-close", shows="phx_leave gets no reply, only phx_close.")
def leaves_without_reply(server: Assembly) -> None:
    """Let phx_close be the answer to phx_leave."""

    def reply(honest: Any, self: Any, message: Any, *answer: Any) -> None:
        if message.topic not in self._memberships:
            honest(self, message, *answer)

    around_within(server, "_leave", "_reply", reply)


@deviation(
    "leaving/unjoined-leave-ok", shows='phx_leave of a topic that was never joined gets "unmatched topic".'
)
def answers_unjoined_leave_unmatched(server: Assembly) -> None:
    """Treat a leave without a channel like a push without one."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        if membership is None and message.topic not in _left(self):
            self._reply(message, message.join_ref, "error", UNMATCHED)
        else:
            honest(self, message, membership)

    _remember_left(server)
    around_connection(server, "_leave", leave)


@deviation("leaving/unjoined-leave-ok", shows="phx_leave of a topic that was never joined brings phx_close.")
def closes_unjoined_topic(server: Assembly) -> None:
    """Close whatever is left, joined or not."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        honest(self, message, membership)
        if membership is None and message.topic not in _left(self):
            ref = message.join_ref
            self._write(Message(ref, ref, message.topic, PHX_CLOSE, {}))

    _remember_left(server)
    around_connection(server, "_leave", leave)


@deviation("leaving/second-leave-ok", shows="A second phx_leave of a topic brings a second phx_close.")
def closes_again_on_second_leave(server: Assembly) -> None:
    """Close once more what was left before."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        honest(self, message, membership)
        if membership is None and message.topic in _left(self):
            ref = _left(self)[message.topic]
            self._write(Message(ref, ref, message.topic, PHX_CLOSE, {}))

    around_connection(server, "_leave", leave)
    _remember_left(server)


@deviation("leaving/second-leave-ok", shows="A second phx_leave of a topic is refused.")
def refuses_second_leave(server: Assembly) -> None:
    """Let a topic be left once only."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        if membership is None and message.topic in _left(self):
            self._reply(message, message.join_ref, "error", {"reason": "not joined"})
        else:
            honest(self, message, membership)

    around_connection(server, "_leave", leave)
    _remember_left(server)


@deviation("leaving/push-after-leave-unmatched", shows="A push on a topic that was left is never answered.")
def ignores_push_after_leave(server: Assembly) -> None:
    """Drop pushes to a channel that was there."""

    def unmatched(honest: Any, self: Any, message: Any) -> None:
        if message.topic not in _left(self) or message.event == PHX_JOIN:
            honest(self, message)

    around_connection(server, "_unmatched", unmatched)
    _remember_left(server)


@deviation("leaving/pipelined-push-after-leave", shows="A push right behind phx_leave is taken.")
def leaves_a_while_later(server: Assembly) -> None:
    """Carry out a leave a while later, and what comes behind it at once."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        if membership is None:
            honest(self, message, None)
        else:
            later(lambda: honest(self, message, membership) if is_joined(self, membership) else None)

    around_connection(server, "_leave", leave)


@deviation("leaving/push-before-leave-answered", shows="A push with phx_leave right behind it is lost.")
def drops_pushes_by_leave(server: Assembly) -> None:
    """Carry out a push a while later, unless its channel has ended by then."""

    def push(honest: Any, self: Any, message: Any, membership: Any) -> None:
        later(lambda: honest(self, message, membership) if is_joined(self, membership) else None)

    around_connection(server, "_push", push)


@deviation(
    "leaving/push-before-leave-answered",
    shows="The reply to a push with phx_leave right behind it follows phx_close.",
)
def answers_push_behind_close(server: Assembly) -> None:
    """Put off the replies to pushes, until the channel is left or a while has passed."""

    def reply(honest: Any, self: Any, *answer: Any) -> None:
        held = self.__dict__.setdefault("held", [])
        held += frames_of(self, lambda: honest(self, *answer))
        later(send_all, self, held)

    def leave(honest: Any, self: Any, *leave: Any) -> None:
        honest(self, *leave)
        send_all(self, self.__dict__.get("held", []))

    around_connection(server, "_reply_of_channel", reply)
    around_connection(server, "_leave", leave)


@deviation("leaving/rejoin-after-leave", shows="A topic that was left cannot be joined again.")
def refuses_rejoin_after_leave(server: Assembly) -> None:
    """Let a topic be joined once only."""

    def join(honest: Any, self: Any, message: Any) -> None:
        if message.topic in _left(self):
            self._reply(message, message.join_ref, "error", {"reason": "left before"})
        else:
            honest(self, message)

    around_connection(server, "_join", join)
    _remember_left(server)


@deviation(
    "leaving/rejoin-after-leave",
    shows="Joining a topic again brings phx_close of the join that was left before.",
)
def closes_left_channel_on_rejoin(server: Assembly) -> None:
    """Say once more that the channel that was left has closed."""

    def join(honest: Any, self: Any, message: Any) -> None:
        honest(self, message)
        if message.topic in _left(self):
            ref = _left(self).pop(message.topic)
            self._write(Message(ref, ref, message.topic, PHX_CLOSE, {}))

    around_connection(server, "_join", join)
    _remember_left(server)


@deviation(
    "leaving/pipelined-leave-and-rejoin",
    shows="phx_leave closes the channel that was joined right behind it.",
)
def leaves_the_next_join(server: Assembly) -> None:
    """Carry out a leave a while later, or behind the next join: it ends whatever is joined then."""

    def carry_out(self: Any, honest: Any, message: Any) -> None:
        membership = self._memberships.get(message.topic)
        if self.__dict__.pop("leaving", None) is not None and membership is not None:
            honest(self, replace(message, join_ref=membership.join_ref), membership)

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        if membership is None:
            honest(self, message, None)
        else:
            self.leaving = (honest, message)
            later(carry_out, self, honest, message)

    def join(honest: Any, self: Any, message: Any) -> None:
        honest(self, message)
        asked = self.__dict__.get("leaving")
        if asked is not None and asked[1].topic == message.topic:
            carry_out(self, *asked)

    around_connection(server, "_leave", leave)
    around_connection(server, "_join", join)


@deviation(
    "leaving/other-channels-unaffected", shows="Leaving one topic ends every channel of the connection."
)
def leaves_every_topic(server: Assembly) -> None:
    """Forget all channels when one is left."""

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        honest(self, message, membership)
        if membership is not None and not is_joined(self, membership):
            for other in tuple(self._memberships.values()):
                self._end(other)

    around_connection(server, "_leave", leave)


@deviation(
    "leaving/other-channels-unaffected",
    shows="Leaving a topic ends the agent's channel on other connections, too.",
)
def leaves_on_every_connection(server: Assembly) -> None:
    """Let an agent leave a topic, not a connection."""
    joined: dict[tuple[str, str], list[Any]] = {}

    def end(self: Any, topic: str) -> None:
        self._announce_end(self._memberships.get(topic), PHX_CLOSE, {})
        self._end(self._memberships.get(topic))

    def after_join(honest: Any, self: Any, channel: Any, outcome: Any) -> None:
        joined.setdefault((self.identity.agent_id, channel.topic), []).append(self)
        honest(self, channel, outcome)

    def leave(honest: Any, self: Any, message: Any, membership: Any) -> None:
        honest(self, message, membership)
        if membership is not None and not is_joined(self, membership):
            for other in joined.pop((self.identity.agent_id, message.topic), ()):
                end(other, message.topic)

    around_connection(server, "_after_join", after_join)
    around_connection(server, "_leave", leave)
