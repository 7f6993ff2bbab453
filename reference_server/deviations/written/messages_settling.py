"""Acknowledging and rejecting messages: of the agent's own pending ones, once and for good."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around_effect, around_join
from reference_server.handlers.messages import NEW_MESSAGE, view
from reference_server.records import ACKNOWLEDGED, PENDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

FAMILY = "messages"


def _around_settling(server: Assembly, wrapper: Callable[[Any, Any], Any]) -> None:
    """Replace the effects of acknowledge and reject."""
    for event in ("acknowledge", "reject"):
        around_effect(server, FAMILY, event, wrapper)


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
