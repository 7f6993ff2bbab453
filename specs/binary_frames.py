"""The four binary layouts of serializer 2.0.0, byte for byte.

Every size is one byte and counts bytes of UTF-8; the data is the rest of the frame. Kind 0 has two layouts, one for each
direction (`phoenix-wire.md` B-5).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

PUSH: Final = 0
REPLY: Final = 1
BROADCAST: Final = 2

_LONGEST_FIELD_BYTES = 255


class MalformedFrame(ValueError):
    """The frame is none that this serializer can read."""


class UnknownFrameKind(MalformedFrame):
    """The first byte of a binary frame names no kind that is known in this direction."""


class FieldTooLong(ValueError):
    """A field of a binary frame is longer than 255 bytes (B-8)."""


class ClientPush(NamedTuple):
    """Layout B-1."""

    join_ref: str
    ref: str
    topic: str
    event: str
    data: bytes


class ServerPush(NamedTuple):
    """Layout B-2."""

    join_ref: str
    topic: str
    event: str
    data: bytes


class ServerReply(NamedTuple):
    """Layout B-3."""

    join_ref: str
    ref: str
    topic: str
    status: str
    data: bytes


class ServerBroadcast(NamedTuple):
    """Layout B-4."""

    topic: str
    event: str
    data: bytes


def pack_client_push(join_ref: str, ref: str, topic: str, event: str, data: bytes) -> bytes:
    """Write a push from client to server (B-1); an absent ref is the empty string (B-6).

    Raises:
        FieldTooLong: If a field is longer than 255 bytes of UTF-8.

    Example:
        >>> pack_client_push("12", "123", "topic", "event", b"efg").hex(" ")
        '00 02 03 05 05 31 32 31 32 33 74 6f 70 69 63 65 76 65 6e 74 65 66 67'

    """
    return _pack(PUSH, (join_ref, ref, topic, event), data)


def pack_server_push(join_ref: str, topic: str, event: str, data: bytes) -> bytes:
    """Write a push from server to client, which has no ref (B-2). Raises `FieldTooLong`."""
    return _pack(PUSH, (join_ref, topic, event), data)


def pack_server_reply(join_ref: str, ref: str, topic: str, status: str, data: bytes) -> bytes:
    """Write a reply (B-3). Raises `FieldTooLong`."""
    return _pack(REPLY, (join_ref, ref, topic, status), data)


def pack_server_broadcast(topic: str, event: str, data: bytes) -> bytes:
    """Write a broadcast, which has no refs at all (B-4). Raises `FieldTooLong`."""
    return _pack(BROADCAST, (topic, event), data)


def unpack_client(frame: bytes) -> ClientPush:
    """Read what a client may send: layout B-1 and nothing else.

    Raises:
        UnknownFrameKind: If the first byte is not 0.
        MalformedFrame: If the frame is shorter than its sizes claim, or a field is not UTF-8.

    Source:
        `phoenix-wire.md` B-5, M-8.

    """
    if _kind(frame) != PUSH:
        raise UnknownFrameKind(f"kind {frame[0]} is none that a client may send")
    return ClientPush(*_unpack(frame, 4))


def unpack_server(frame: bytes) -> ServerPush | ServerReply | ServerBroadcast:
    """Read what a server may send: layouts B-2, B-3 and B-4.

    Raises:
        UnknownFrameKind: If the first byte is not 0, 1 or 2.
        MalformedFrame: If the frame is shorter than its sizes claim, or a field is not UTF-8.

    """
    kind = _kind(frame)
    if kind == PUSH:
        return ServerPush(*_unpack(frame, 3))
    if kind == REPLY:
        return ServerReply(*_unpack(frame, 4))
    if kind == BROADCAST:
        return ServerBroadcast(*_unpack(frame, 2))
    raise UnknownFrameKind(f"kind {kind} is none that a server may send")


def _kind(frame: bytes) -> int:
    if not frame:
        raise MalformedFrame("empty binary frame")
    return frame[0]


def _pack(kind: int, fields: tuple[str, ...], data: bytes) -> bytes:
    encoded = [_encoded(field) for field in fields]
    return bytes([kind, *map(len, encoded)]) + b"".join(encoded) + data


def _encoded(field: str) -> bytes:
    try:
        encoded = field.encode()
    except UnicodeEncodeError:
        raise MalformedFrame("a field has a lone surrogate") from None
    if len(encoded) > _LONGEST_FIELD_BYTES:
        raise FieldTooLong(f"a field of {len(encoded)} bytes; the most is {_LONGEST_FIELD_BYTES}")
    return encoded


def _unpack(frame: bytes, count: int) -> tuple[Any, ...]:
    """Return the fields of a frame as text, and its data as the last element."""
    sizes = frame[1 : count + 1]
    start = count + 1
    if len(sizes) < count or len(frame) < start + sum(sizes):
        raise MalformedFrame(f"binary frame of {len(frame)} bytes is shorter than its sizes claim")
    fields: list[Any] = []
    for size in sizes:
        fields.append(_decoded(frame[start : start + size]))
        start += size
    return (*fields, frame[start:])


def _decoded(field: bytes) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError:
        raise MalformedFrame("a field of the binary frame is not UTF-8") from None
