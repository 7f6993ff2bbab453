"""Messages to an agent: delivered again on every join until acknowledged or rejected (`reading.md` section 10)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.context import Context, Refused, instant
from reference_server.records import ACKNOWLEDGED, PENDING, REJECTED, Message
from reference_server.registry import handles, joins

if TYPE_CHECKING:
    from collections.abc import Mapping

NEW_MESSAGE = "new_message"


@joins("messages")
def join(ctx: Context) -> None:
    """Push what is pending, oldest first."""
    for message in ctx.store.pending_messages(ctx.agent_id):
        ctx.push(NEW_MESSAGE, view(message))


@handles("messages", "acknowledge")
def acknowledge(ctx: Context) -> None:
    """Take the message as delivered."""
    ctx.store.put_message(replace(_pending_message(ctx), status=ACKNOWLEDGED))


@handles("messages", "reject")
def reject(ctx: Context) -> None:
    """Take the message as rejected, and keep why."""
    ctx.store.put_message(replace(_pending_message(ctx), status=REJECTED, reason=ctx.payload["reason"]))


def view(message: Message) -> Mapping[str, Any]:
    """Return the payload of `new_message`."""
    return {
        "id": message.id,
        "type": message.type,
        "payload": message.payload,
        "from_agent_id": message.from_agent_id,
        "protocol_version": message.protocol_version,
        "inserted_at": instant(message.inserted_at),
    }


def _pending_message(ctx: Context) -> Message:
    message = ctx.store.message(ctx.payload["message_id"])
    if message is None or message.to_agent_id != ctx.agent_id or message.status != PENDING:
        raise Refused("not_found")
    return message
