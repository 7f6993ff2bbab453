"""Messages: delivered to whom they are for, as they were sent, until they are acknowledged or rejected, and no longer."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused, instant
from reference_server.deviations.connections import later
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_effect, around_join, with_topic
from reference_server.handlers.messages import NEW_MESSAGE, view
from reference_server.outcome import Outcome
from reference_server.records import ACKNOWLEDGED, PENDING

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


def _around_settling(server: Assembly, wrapper: Callable[[Any, Any], Any]) -> None:
    """Replace the effects of acknowledge and reject."""
    for event in ("acknowledge", "reject"):
        around_effect(server, FAMILY, event, wrapper)


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


@deviation(
    "messages/event-accepted", shows="A message can be acknowledged only on the connection that joined first."
)
def settles_on_first_connection_only(server: Assembly) -> None:
    """Refuse acknowledge and reject on an agent's later connections."""
    first: dict[str, Any] = {}

    def join(honest: Any, ctx: Any) -> Any:
        first.setdefault(ctx.agent_id, ctx.channel.identity)
        return honest(ctx)

    def settle(honest: Any, ctx: Any) -> Any:
        if first.get(ctx.agent_id) is not ctx.channel.identity:
            raise Refused("not_found")
        return honest(ctx)

    around_join(server, FAMILY, join)
    _around_settling(server, settle)


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


def _redeliver_settled(server: Assembly, event: str) -> None:
    """Push on join also what was settled by an event."""
    settled: defaultdict[str, list[Any]] = defaultdict(list)

    def settle(honest: Any, ctx: Any) -> Any:
        message = ctx.store.message(ctx.payload["message_id"])
        response = honest(ctx)
        settled[ctx.agent_id].append(message)
        return response

    def join(honest: Any, ctx: Any) -> None:
        for message in settled[ctx.agent_id]:
            ctx.push(NEW_MESSAGE, view(message))
        honest(ctx)

    around_effect(server, FAMILY, event, settle)
    around_join(server, FAMILY, join)


@deviation(
    "messages/acknowledged-not-redelivered", shows="A message that was acknowledged is pushed again on join."
)
def redelivers_acknowledged_messages(server: Assembly) -> None:
    """Forget on join what was acknowledged."""
    _redeliver_settled(server, "acknowledge")


@deviation("messages/rejected-not-redelivered", shows="A message that was rejected is pushed again on join.")
def redelivers_rejected_messages(server: Assembly) -> None:
    """Forget on join what was rejected."""
    _redeliver_settled(server, "reject")


@deviation("messages/unknown-id-refused", shows="acknowledge and reject of any id are accepted.")
def settles_unknown_ids(server: Assembly) -> None:
    """Accept an id that is not pending, and do nothing."""

    def settle(honest: Any, ctx: Any) -> Any:
        try:
            return honest(ctx)
        except Refused:
            return None

    _around_settling(server, settle)


@deviation("messages/unknown-id-refused", shows="A message can be acknowledged or rejected twice.")
def settles_twice(server: Assembly) -> None:
    """Accept once more what is settled."""

    def settle(honest: Any, ctx: Any) -> Any:
        message = ctx.store.message(ctx.payload["message_id"])
        is_settled = message is not None and message.to_agent_id == ctx.agent_id and message.status != PENDING
        return None if is_settled else honest(ctx)

    _around_settling(server, settle)


@deviation("messages/unknown-id-reason", shows="An unknown id is refused with another reason than not_found.")
def calls_unknown_id_invalid(server: Assembly) -> None:
    """Give the reason of a malformed payload."""

    def settle(honest: Any, ctx: Any) -> Any:
        try:
            return honest(ctx)
        except Refused as exc:
            raise Refused("invalid_payload") from exc

    _around_settling(server, settle)


@deviation("messages/foreign-message-refused", shows="An agent can acknowledge another agent's message away.")
def settles_foreign_messages(server: Assembly) -> None:
    """Ask of whom a message is only where it is settled already."""

    def settle(honest: Any, ctx: Any) -> Any:
        message = ctx.store.message(ctx.payload["message_id"])
        if message is None or message.to_agent_id == ctx.agent_id or message.status != PENDING:
            return honest(ctx)
        ctx.store.put_message(replace(message, status=ACKNOWLEDGED))
        return None

    _around_settling(server, settle)
