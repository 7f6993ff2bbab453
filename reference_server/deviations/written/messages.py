"""Messages: delivered to whom they are for, once, as they were sent, and again on the next join."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused, instant
from reference_server.deviations.connections import later
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_effect, around_join, with_topic
from reference_server.handlers.messages import NEW_MESSAGE
from reference_server.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

FAMILY = "messages"


def _around_sending(server: Assembly, change: Callable[[Any, list[Any]], list[Any]]) -> None:
    """Alter what is broadcast when a message is sent: from the context and the broadcasts to other broadcasts."""

    def send_message(honest: Any, ctx: Any) -> Any:
        response = honest(ctx)
        ctx.broadcasts[:] = change(ctx, ctx.broadcasts)
        return response

    around_effect(server, "control", "send_message", send_message)


def _around_redelivery(server: Assembly, change: Callable[[Any, list[Any]], list[Any]]) -> None:
    """Alter what is pushed on join: from the context and the pushes to other pushes."""

    def join(honest: Any, ctx: Any) -> None:
        honest(ctx)
        ctx.pushes[:] = change(ctx, ctx.pushes)

    around_join(server, FAMILY, join)


def _around_content(server: Assembly, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Alter the payload of every new_message."""

    def altered(_ctx: Any, sent: list[Any]) -> list[Any]:
        return [replace(each, payload=change(dict(each.payload))) for each in sent]

    _around_sending(server, altered)
    _around_redelivery(server, altered)


@deviation("messages/addressee-only", shows="Everybody can join everybody's messages.")
def admits_everyone_to_messages(server: Assembly) -> None:
    """Give the addressee's role to whoever asks."""
    roles = server.api.topics[FAMILY].roles
    anyone = {name: replace(role, origin="any") for name, role in roles.items()}
    server.api = with_topic(server.api, FAMILY, roles=anyone)


@deviation("messages/addressee-only", shows="The messages of an agent that does not exist can be joined.")
def admits_to_messages_of_nobody(server: Assembly) -> None:
    """Look for the addressee, and let everybody in where there is none."""

    def join(honest: Any, self: Any, channel: Any, payload: Any) -> Any:
        addressee = channel.topic.partition(":")[2]
        if channel.family.name != FAMILY or self.store.agent(addressee) is not None:
            return honest(self, channel, payload)
        (channel.role,) = channel.family.join.roles
        return Outcome()

    server.application = around(server.application, "join", join)


@deviation("messages/addressee-joins", shows="An agent without pending messages cannot join its messages.")
def refuses_addressee_without_messages(server: Assembly) -> None:
    """Take an empty inbox for one that is not there."""

    def join(honest: Any, ctx: Any) -> Any:
        if not ctx.store.pending_messages(ctx.agent_id):
            raise Refused("unauthorized")
        return honest(ctx)

    around_join(server, FAMILY, join)


@deviation("messages/malformed-payload-refused", shows="A reason that is no text is taken for its text.")
def takes_any_reason(server: Assembly) -> None:
    """Write the reason of a reject as text before it is checked."""

    def check(honest: Any, self: Any, family: Any, event: Any, payload: Any) -> Any:
        if event.event == "reject" and isinstance(payload, dict) and "reason" in payload:
            payload = {**payload, "reason": str(payload["reason"])}
        return honest(self, family, event, payload)

    server.enforcement = around(server.enforcement, "check_payload", check)


@deviation("messages/delivered", shows="A message arrives only on the next join.")
def delivers_on_join_only(server: Assembly) -> None:
    """Keep messages until the agent joins."""
    _around_sending(server, lambda _ctx, _sent: [])


@deviation("messages/delivered", shows="Of an agent's connections only the first receives a message.")
def delivers_to_first_connection(server: Assembly) -> None:
    """Let one connection of an agent hear."""

    def subscribe(honest: Any, self: Any, channel: Any, receiver: Any) -> None:
        if channel.family.name != FAMILY or not self._topics.get(channel.topic):
            honest(self, channel, receiver)

    server.broker = around(server.broker, "subscribe", subscribe)


@deviation("messages/delivered-once", shows="Every message arrives twice.")
def delivers_twice(server: Assembly) -> None:
    """Push a new message once more."""
    _around_sending(server, lambda _ctx, sent: [*sent, *sent])


@deviation(
    "messages/delivered-to-addressee-only", shows="A message arrives at everyone who listens for messages."
)
def delivers_to_everyone(server: Assembly) -> None:
    """Push a new message on every topic for messages."""

    def broadcast(honest: Any, self: Any, sent: Any) -> None:
        honest(self, sent)
        if sent.event == NEW_MESSAGE:
            prefix = sent.topic.partition(":")[0]
            for topic in [one for one in self._topics if one.startswith(f"{prefix}:") and one != sent.topic]:
                honest(self, replace(sent, topic=topic))

    server.broker = around(server.broker, "broadcast", broadcast)


@deviation("messages/new-message-members", shows="new_message has no protocol_version.")
def omits_protocol_version(server: Assembly) -> None:
    """Leave a member of new_message out."""
    _around_content(
        server, lambda content: {name: content[name] for name in content if name != "protocol_version"}
    )


@deviation("messages/content-unchanged", shows="The payload of a message arrives as text.")
def delivers_payload_as_text(server: Assembly) -> None:
    """Write the payload of a message as JSON in a string."""
    _around_content(server, lambda content: {**content, "payload": json.dumps(content["payload"])})


@deviation("messages/content-unchanged", shows="A message names its addressee as its sender.")
def names_addressee_as_sender(server: Assembly) -> None:
    """Put the wrong agent into from_agent_id."""

    def rename(_ctx: Any, sent: list[Any]) -> list[Any]:
        return [
            replace(each, payload={**each.payload, "from_agent_id": each.topic.partition(":")[2]})
            for each in sent
        ]

    _around_sending(server, rename)


@deviation("messages/ids-unique", shows="The eleventh message of an agent has the id of its first one.")
def reuses_message_ids(server: Assembly) -> None:
    """Let the ids of an agent's pending messages begin again after ten."""

    def reuse(ctx: Any, sent: list[Any]) -> list[Any]:
        pending = ctx.store.pending_messages(ctx.payload["to"])
        own_id = pending[(len(pending) - 1) % 10].id
        return [replace(each, payload={**each.payload, "id": own_id}) for each in sent]

    _around_sending(server, reuse)


@deviation("messages/order-kept", shows="Messages sent one after another arrive in another order.")
def delivers_every_other_message_late(server: Assembly) -> None:
    """Put every other new message off."""
    numbers = count()

    def broadcast(honest: Any, self: Any, sent: Any) -> None:
        if sent.event == NEW_MESSAGE and next(numbers) % 2:
            later(honest, self, sent)
        else:
            honest(self, sent)

    server.broker = around(server.broker, "broadcast", broadcast)


@deviation(
    "messages/pending-redelivered", shows="A pending message is pushed on the agent's first join only."
)
def redelivers_on_first_join_only(server: Assembly) -> None:
    """Push pending messages to an agent once."""
    joined: set[str] = set()

    def once(ctx: Any, pushes: list[Any]) -> list[Any]:
        is_first = ctx.agent_id not in joined
        joined.add(ctx.agent_id)
        return pushes if is_first else []

    _around_redelivery(server, once)


@deviation(
    "messages/offline-delivered-on-join", shows="What was sent while the agent was away is never pushed."
)
def loses_messages_sent_while_away(server: Assembly) -> None:
    """Push on join only what has been pushed to somebody before."""
    pushed: set[str] = set()

    def broadcast(honest: Any, self: Any, sent: Any) -> None:
        honest(self, sent)
        if sent.event == NEW_MESSAGE and self._topics.get(sent.topic):
            pushed.add(sent.payload["id"])

    server.broker = around(server.broker, "broadcast", broadcast)
    _around_redelivery(server, lambda _ctx, pushes: [push for push in pushes if push.payload["id"] in pushed])


@deviation("messages/redelivery-oldest-first", shows="Pending messages are pushed on join newest first.")
def redelivers_newest_first(server: Assembly) -> None:
    """Push pending messages in the opposite order."""
    _around_redelivery(server, lambda _ctx, pushes: pushes[::-1])


@deviation(
    "messages/redelivery-same-message", shows="A message that is delivered again has the time of the join."
)
def redelivers_with_new_time(server: Assembly) -> None:
    """Put the present time into what is pushed on join."""

    def renew(ctx: Any, pushes: list[Any]) -> list[Any]:
        return [replace(push, payload={**push.payload, "inserted_at": instant(ctx.now)}) for push in pushes]

    _around_redelivery(server, renew)
