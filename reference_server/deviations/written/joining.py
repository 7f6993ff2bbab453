"""Joining: one reply, before everything else, and a channel of its own for each topic and connection."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.connections import around_connection, frames_of, later, send_all
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_version
from reference_server.versions import CRASH_CLOSE_CODE
from specs.message import PHX_CLOSE, PHX_ERROR, PHX_JOIN, Message

if TYPE_CHECKING:
    from reference_server.assembly import Assembly

UNAUTHORIZED = {"reason": "unauthorized"}


@deviation("joining/ok-reply", shows="An accepted join gets its reply twice.")
def answers_join_twice(server: Assembly) -> None:
    """Send the reply to an accepted join once more."""

    def reply(honest: Any, self: Any, message: Any, join_ref: Any, status: str, response: Any) -> None:
        for _ in range(2 if message.event == PHX_JOIN and status == "ok" else 1):
            honest(self, message, join_ref, status, response)

    around_connection(server, "_reply", reply)


@deviation("joining/refusal-is-reply", shows="A refused join is answered by phx_error.")
def refuses_join_by_phx_error(server: Assembly) -> None:
    """Say by phx_error that a join is refused."""

    def reply(honest: Any, self: Any, message: Any, join_ref: Any, status: str, response: Any) -> None:
        if message.event == PHX_JOIN and response == UNAUTHORIZED:
            self._write(Message(join_ref, join_ref, message.topic, PHX_ERROR, response))
        else:
            honest(self, message, join_ref, status, response)

    around_connection(server, "_reply", reply)


@deviation("joining/refusal-is-reply", shows="Behind the reply that refuses a join comes phx_close.")
def closes_refused_channel(server: Assembly) -> None:
    """Send phx_close for a channel that never was."""

    def reply(honest: Any, self: Any, message: Any, join_ref: Any, status: str, response: Any) -> None:
        honest(self, message, join_ref, status, response)
        if message.event == PHX_JOIN and response == UNAUTHORIZED:
            self._write(Message(join_ref, join_ref, message.topic, PHX_CLOSE, {}))

    around_connection(server, "_reply", reply)


@deviation(
    "joining/unmatched-topic", shows="A join of a topic that no channel serves is called unauthorized."
)
def calls_unmatched_topic_unauthorized(server: Assembly) -> None:
    """Answer a join of no channel as one that is refused."""

    def unmatched(honest: Any, self: Any, message: Any) -> None:
        if message.event == PHX_JOIN and message.topic:
            self._reply(message, message.join_ref, "error", UNAUTHORIZED)
        else:
            honest(self, message)

    around_connection(server, "_unmatched", unmatched)


@deviation("joining/unmatched-topic", shows='The reply "unmatched topic" to a join carries its join_ref.')
def echoes_join_ref_of_unmatched_join(server: Assembly) -> None:
    """Treat the join of no channel as any other refused one."""

    def unmatched(honest: Any, self: Any, message: Any) -> None:
        if message.event == PHX_JOIN and message.topic:
            self._reply(message, message.join_ref, "error", {"reason": "unmatched topic"})
        else:
            honest(self, message)

    around_connection(server, "_unmatched", unmatched)


@deviation("joining/empty-topic-unmatched", shows="A join of the empty topic is answered ok.")
def takes_join_of_empty_topic(server: Assembly) -> None:
    """Answer the join of the empty topic as if a channel served it."""

    def unmatched(honest: Any, self: Any, message: Any) -> None:
        if message.event == PHX_JOIN and message.topic == "":
            self._reply(message, message.join_ref, "ok", {})
        else:
            honest(self, message)

    around_connection(server, "_unmatched", unmatched)


@deviation("joining/case-sensitive-topic", shows="TASK: leads to the same channels as task:.")
def ignores_case_of_topics(server: Assembly) -> None:
    """Look for the family of a topic with its prefix in small letters."""

    def family(honest: Any, self: Any, topic: Any) -> Any:
        prefix, colon, rest = topic.partition(":") if isinstance(topic, str) else ("", "", topic)
        return honest(self, prefix.lower() + colon + rest if colon else topic)

    around_connection(server, "_family", family)


@deviation("joining/error-leaves-unjoined", shows="A push after a refused join is answered by the channel.")
def joins_although_refused(server: Assembly) -> None:
    """Keep the channel of a join that was refused."""

    def admit(honest: Any, self: Any, channel: Any, message: Any) -> Any:
        outcome = honest(self, channel, message)
        if outcome is not None and outcome.status != "ok":
            ref = message.join_ref
            self._memberships[channel.topic] = SimpleNamespace(channel=channel, join_ref=ref, channel_ref=ref)
        return outcome

    around_connection(server, "_admit", admit)


@deviation(
    "joining/nonobject-payload-answered", shows="A join whose payload is no object closes the connection."
)
def closes_on_nonobject_join_payload(server: Assembly) -> None:
    """Crash on a join payload that is no object."""

    def join(honest: Any, self: Any, message: Any) -> None:
        if isinstance(message.payload, dict):
            honest(self, message)
        else:
            self._close(CRASH_CLOSE_CODE)

    around_connection(server, "_join", join)


@deviation("joining/nonobject-payload-answered", shows="A join whose payload is null is never answered.")
def ignores_join_with_null_payload(server: Assembly) -> None:
    """Leave a join with a null payload unanswered."""

    def join(honest: Any, self: Any, message: Any) -> None:
        if message.payload is not None:
            honest(self, message)

    around_connection(server, "_join", join)


@deviation(
    "joining/reply-before-pushes", shows="What a channel pushes on join comes before the reply to the join."
)
def answers_join_behind_pushes(server: Assembly) -> None:
    """Send the reply to a first join behind everything else that the join sends."""

    def join(honest: Any, self: Any, message: Any) -> None:
        if message.topic in self._memberships:
            honest(self, message)
            return
        frames = frames_of(self, lambda: honest(self, message))
        send_all(self, frames[1:] + frames[:1])

    around_connection(server, "_join", join)


@deviation(
    "joining/reply-before-pushes",
    shows="What was relayed last on a topic comes before the reply to its join.",
)
def repeats_last_relay_before_join_reply(server: Assembly) -> None:
    """Bring who joins up to date before the join is answered."""
    last: dict[str, Message] = {}

    def broadcast(honest: Any, self: Any, sent: Any) -> None:
        honest(self, sent)
        if sent.exclude is not None:
            last[sent.topic] = Message(None, None, sent.topic, sent.event, sent.payload)

    def join(honest: Any, self: Any, message: Any) -> None:
        if message.topic in self._memberships:
            honest(self, message)
            return
        frames = frames_of(self, lambda: honest(self, message))
        if message.topic in self._memberships and message.topic in last:
            self._write(last[message.topic])
        send_all(self, frames)

    server.broker = around(server.broker, "broadcast", broadcast)
    around_connection(server, "_join", join)


@deviation("joining/join-blocks-connection", shows="A heartbeat behind a join is answered before the join.")
def answers_heartbeat_before_join(server: Assembly) -> None:
    """Answer a join a while later, or with the next request that is no heartbeat."""

    def join(honest: Any, self: Any, message: Any) -> None:
        self.held = frames_of(self, lambda: honest(self, message))
        later(send_all, self, self.held)

    def on_topic(honest: Any, self: Any, message: Any) -> None:
        send_all(self, self.__dict__.get("held", []))
        honest(self, message)

    around_connection(server, "_join", join)
    around_connection(server, "_on_topic", on_topic)


@deviation("joining/pipelined-push-after-join", shows='A push right behind its join gets "unmatched topic".')
def joins_in_the_background(server: Assembly) -> None:
    """Take a join a while later and everything else at once."""

    def join(honest: Any, self: Any, message: Any) -> None:
        later(lambda: None if self.__dict__.get("has_ended") else honest(self, message))

    def closed(honest: Any, self: Any) -> None:
        self.has_ended = True
        honest(self)

    around_connection(server, "_join", join)
    around_connection(server, "closed", closed)


@deviation(
    "joining/topics-independent", shows="Replies carry the join_ref of the topic that was joined last."
)
def shares_join_ref_between_topics(server: Assembly) -> None:
    """Keep one join_ref for the whole connection."""

    def reply(honest: Any, self: Any, message: Any, membership: Any, outcome: Any) -> None:
        latest = list(self._memberships.values())[-1]
        honest(self, message, replace(membership, channel_ref=latest.channel_ref), outcome)

    around_connection(server, "_reply_of_channel", reply)


@deviation("joining/topics-independent", shows="A refused join ends every channel of its connection.")
def ends_all_channels_by_refused_join(server: Assembly) -> None:
    """Forget all channels when one cannot be joined."""

    def unmatched(honest: Any, self: Any, message: Any) -> None:
        honest(self, message)
        if message.event == PHX_JOIN:
            for membership in tuple(self._memberships.values()):
                self._end(membership)

    around_connection(server, "_unmatched", unmatched)


@deviation("joining/same-topic-on-two-connections", shows="A join closes the same agent's channel elsewhere.")
def allows_one_connection_a_topic(server: Assembly) -> None:
    """Let a join replace the channel that the agent has on another connection."""
    holders: dict[tuple[str, str], Any] = {}

    def give_up(self: Any, topic: str) -> None:
        membership = self._memberships.get(topic)
        self._announce_end(membership, PHX_CLOSE, {})
        self._end(membership)

    def after_join(honest: Any, self: Any, channel: Any, outcome: Any) -> None:
        key = (self.identity.agent_id, channel.topic)
        if outcome.status == "ok":
            former, holders[key] = holders.get(key, self), self
            if former is not self:
                give_up(former, channel.topic)
        honest(self, channel, outcome)

    around_connection(server, "_after_join", after_join)


@deviation("joining/null-join-ref", shows="A join with a null join_ref is refused.")
def refuses_join_without_join_ref(server: Assembly) -> None:
    """Demand a join_ref of every join."""

    def join(honest: Any, self: Any, message: Any) -> None:
        if message.join_ref is None:
            self._reply(message, None, "error", {"reason": "join_ref missing"})
        else:
            honest(self, message)

    around_connection(server, "_join", join)


@deviation(
    "joining/null-join-ref", shows="After a join with a null join_ref replies to pushes carry null, too."
)
def keeps_null_join_ref(server: Assembly) -> None:
    """Do not put the join's ref in the place of a null join_ref."""

    def reply(honest: Any, self: Any, message: Any, membership: Any, outcome: Any) -> None:
        honest(self, message, replace(membership, channel_ref=membership.join_ref), outcome)

    around_connection(server, "_reply_of_channel", reply)


@deviation(
    "joining/null-join-ref-then-ref",
    shows="A push with the ref of a join without join_ref is answered with null.",
)
def forgets_ref_of_join_without_join_ref(server: Assembly) -> None:
    """Take such a push, and answer it with the join_ref that the join did not have."""

    def reply(honest: Any, self: Any, message: Any, membership: Any, outcome: Any) -> None:
        is_named = membership.join_ref is None and message.join_ref is not None
        honest(self, message, replace(membership, channel_ref=None) if is_named else membership, outcome)

    around_version(
        server, "delivers", lambda honest, sent, stored: stored is None or honest.delivers(sent, stored)
    )
    around_connection(server, "_reply_of_channel", reply)
