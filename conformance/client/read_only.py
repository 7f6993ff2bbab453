"""What may be sent when nothing is to be changed: joins, leaves, heartbeats, and events that the documents call queries.

Whatever else a server might take the bytes for is denied, be they text, binary or raw frames, whole or in pieces. Bytes that
are no message at all may go if they name no event that changes something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from specs import json_text
from specs import message as phx
from specs.message import Frame
from specs.model import Api
from specs.serializer import V2, MalformedFrame

READ_ONLY: Final = "read-only run"

_HARMLESS: Final = frozenset({phx.PHX_JOIN, phx.PHX_LEAVE, phx.HEARTBEAT})
_FIELDS: Final = 5
_FIRST_CONTROL: Final = 0x8
_TWO_BYTES: Final = 126


class ReadOnly:
    """Tells what changes nothing from what might.

    Args:
        api: The documents.

    """

    def __init__(self, api: Api) -> None:
        self._api = api
        events = [event for topic in api.topics.values() for event in topic.inbound()]
        # As they stand in JSON, and as they stand in a binary frame.
        changing = {event.event.encode() for event in events if not event.is_query}
        self._in_text = [b'"' + name + b'"' for name in changing]
        self._in_binary = list(changing)

    def allows(self, data: bytes, *, is_text: bool) -> bool:
        """Tell whether one whole WebSocket message changes nothing."""
        named = self._text_event(data) if is_text else self._binary_event(data)
        if named is None:
            return not self._names_a_change(data, is_text=is_text)
        topic, event = named
        return event in _HARMLESS or self._is_query(topic, event)

    def _is_query(self, topic: Any, event: Any) -> bool:
        if not isinstance(topic, str) or not isinstance(event, str):
            return False
        families = [family for family in self._api.topics.values() if family.matches(topic)]
        documented = [family.events[event] for family in families if event in family.events]
        return bool(documented) and all(one.is_query for one in documented)

    def _text_event(self, data: bytes) -> tuple[Any, Any] | None:
        """Return topic and event of a text that is a message in either serializer and can be read in one way only."""
        try:
            value = json_text.decode_strict(data)
        except (json_text.MalformedJson, RecursionError):
            return None
        if isinstance(value, list) and len(value) == _FIELDS:
            return value[2], value[3]
        if isinstance(value, dict) and {"topic", "event"} <= value.keys():
            return value["topic"], value["event"]
        return None

    def _binary_event(self, data: bytes) -> tuple[Any, Any] | None:
        try:
            message = V2().decode_client(Frame(data, is_text=False))
        except MalformedFrame:
            return None
        return message.topic, message.event

    def _names_a_change(self, data: bytes, *, is_text: bool) -> bool:
        return any(name in data for name in (self._in_text if is_text else self._in_binary))


class RawMessages:
    """Reads what a server may take raw bytes for: the data of WebSocket frames, put together from write to write."""

    def __init__(self) -> None:
        self._begun = b""
        """What the fragments so far of a message hold."""
        self._held = b""
        """Bytes of a frame that is not whole yet."""

    def read(self, data: bytes) -> Iterator[bytes]:
        """Yield what each frame makes of the message that it is of, one that is not whole included."""
        data, self._held = self._held + data, b""
        while data:
            frame = _first_frame(data)
            if frame.opcode < _FIRST_CONTROL:
                yield self._begun + frame.payload
            if not frame.is_whole:
                self._held = data
                return
            if frame.opcode < _FIRST_CONTROL:
                self._begun = b"" if frame.is_last else self._begun + frame.payload
            data = data[frame.size_bytes :]


class _RawFrame(NamedTuple):
    opcode: int
    payload: bytes
    """Without mask, as far as it is there."""
    size_bytes: int
    """Of the whole frame, as its header claims."""
    is_last: bool
    is_whole: bool


def _first_frame(data: bytes) -> _RawFrame:
    """Read the frame at the start of some bytes (RFC 6455 section 5.2)."""
    second = data[1] if len(data) > 1 else 0
    size, at = second & 0x7F, 2
    if size >= _TWO_BYTES:
        width = 2 if size == _TWO_BYTES else 8
        size, at = int.from_bytes(data[at : at + width], "big"), at + width
    key = b""
    if second & 0x80:
        key, at = data[at : at + 4], at + 4
    covered = data[at : at + size]
    payload = bytes(byte ^ key[index % len(key)] for index, byte in enumerate(covered)) if key else covered
    is_whole = len(data) >= max(at + size, 2)
    return _RawFrame(data[0] & 0x0F, payload, at + size, bool(data[0] & 0x80), is_whole)
