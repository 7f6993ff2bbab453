"""A client's frame as a message, within the limits on what a frame may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specs import json_limits, json_text
from specs.serializer import V1, V2, MalformedFrame

if TYPE_CHECKING:
    from reference_server.limits import Limits
    from specs.message import Frame, Message


def decode(frame: Frame, serializer: V1 | V2, limits: Limits) -> Message:
    """Return the message of a frame.

    Raises:
        MalformedFrame: If it holds none, or goes beyond a limit.

    """
    if len(frame.data) <= limits.harmless_bytes:
        return serializer.decode_client(frame)
    is_json = frame.is_text or isinstance(serializer, V1)
    excess = json_limits.excess(frame.data, limits.json_depth, limits.number_digits) if is_json else None
    if excess is not None:
        raise MalformedFrame(excess)
    message = serializer.decode_client(frame)
    if len(frame.data) > limits.field_bytes:
        _refuse_long_fields(message, limits.field_bytes)
    return message


def _refuse_long_fields(message: Message, most_bytes: int) -> None:
    # A join's refs and topic are kept for as long as its channel lives.
    for name in ("join_ref", "ref", "topic", "event"):
        if len(json_text.encode(getattr(message, name))) > most_bytes:
            raise MalformedFrame(f"{name} of more than {most_bytes} bytes")
