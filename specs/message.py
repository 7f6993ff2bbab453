"""Messages and frames: what both serializers speak about.

A message is the five fields of Phoenix; a frame is what one WebSocket message carries. Turning one into the other is
the work of `specs.serializer`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable

PHX_JOIN: Final = "phx_join"
PHX_LEAVE: Final = "phx_leave"
PHX_REPLY: Final = "phx_reply"
PHX_ERROR: Final = "phx_error"
PHX_CLOSE: Final = "phx_close"
HEARTBEAT: Final = "heartbeat"
#: The topic of heartbeats; no channel lives there.
PHOENIX_TOPIC: Final = "phoenix"

_SHOWN_CHARACTERS = 160
_SHOWN_BYTES = 16


class Frame(NamedTuple):
    """One WebSocket text or binary frame."""

    data: bytes
    is_text: bool


#: Makes a frame of a pair of its members, in half the time of the class: every message takes two or three.
frame_of: Final = cast("Callable[[tuple[bytes, bool]], Frame]", partial(tuple.__new__, Frame))


@dataclass(slots=True)
class Message:
    """The five fields of Phoenix, in the order of serializer 2.0.0.

    On the wire every field may be any JSON value (`phoenix-wire.md` F-6, M-5, M-9). A `bytes` payload is a binary one.
    """

    # Final rather than frozen: a server makes two or three for every push, and a frozen one costs four times as much.
    join_ref: Final[Any]
    ref: Final[Any]
    topic: Final[Any]
    event: Final[Any]
    payload: Final[Any]

    def __str__(self) -> str:
        """Render one printable line: refs, topic, event and the head of the payload."""
        head = " ".join(_shown(field) for field in (self.topic, self.event))
        return f"[{_shown(self.join_ref)} {_shown(self.ref)}] {head} {_shown_payload(self.payload)}"


def reply(join_ref: Any, ref: Any, topic: Any, status: str, response: Any) -> Message:
    """Build a `phx_reply`; `response` may be any JSON value, or `bytes` for a binary reply (F-7, B-3)."""
    return Message(join_ref, ref, topic, PHX_REPLY, {"status": status, "response": response})


def _shown(field: Any) -> str:
    if field is None:
        return "-"
    if isinstance(field, str) and field.isprintable() and field:
        return _elided(field)
    return _elided(_as_text(field))


def _shown_payload(payload: Any) -> str:
    if isinstance(payload, bytes):
        more = "…" if len(payload) > _SHOWN_BYTES else ""
        return f"<{len(payload)} bytes {payload[:_SHOWN_BYTES].hex(' ')}{more}>"
    return _elided(_as_text(payload))


def _as_text(value: Any) -> str:
    # Escaping everything beyond ASCII keeps a line a line, whatever a peer has sent.
    return json.dumps(value, separators=(",", ":"), default=repr, skipkeys=True)


def _elided(text: str) -> str:
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"
