"""Whether a channel has stopped in order behind a refusal: an error reply, then phx_close (L-6), as a server may do.

What is pushed until phx_close is read is lost: without a reply (L-4), or with `unmatched topic` (M-10). That is no answer to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from conformance.client.equality import same
from specs import message as phx
from specs.message import Message

ANSWERS = frozenset({phx.PHX_REPLY, phx.PHX_CLOSE, phx.PHX_ERROR})


def is_stopped(
    inbox: Sequence[Message], topic: str, pushes: Sequence[Message], *, before: int | None = None
) -> bool:
    """Tell whether the latest reply on a topic refuses a push, and phx_close is what comes next there.

    Args:
        inbox: All that has arrived on a connection.
        topic: A topic that was joined on it.
        pushes: What was pushed on it.
        before: Only a reply among so many first messages is meant: what was on its way when it came may have been
            refused by the phx_close itself.

    """
    end: Message | None = None
    for place in reversed(range(len(inbox))):
        message = inbox[place]
        if message.topic != topic or message.event not in ANSWERS:
            continue
        is_early = before is None or place < before
        if is_early and message.event == phx.PHX_REPLY:
            is_closed = end is not None and end.event == phx.PHX_CLOSE
            return is_closed and message.payload["status"] != "ok" and _is_of(message, end, pushes)
        end = message
    return False


def _is_of(refusal: Message, end: Message | None, pushes: Sequence[Message]) -> bool:
    """Tell whether it is a push that is refused, and its channel that has ended."""
    # A ref may be any JSON value.
    refused = next((push for push in reversed(pushes) if same(push.ref, refusal.ref)), None)
    return refused is not None and end is not None and same(end.ref, refused.join_ref)
