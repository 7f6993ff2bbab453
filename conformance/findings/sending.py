"""Says symbolically what was put on a connection: as a message, a text, a binary push, frames bit by bit, or bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from conformance.client.raw_frames import raw_frame
from conformance.client.steps import Sent
from conformance.findings.symbols import NotSymbolic, Symbols
from specs import binary_frames

_MASKED, _MEDIUM, _LONG = 0x80, 126, 127
_KEY_BYTES = 4
_TEXT_OPCODES = (0x0, 0x1)

Said = dict[str, Any]
Name = Callable[[Any], Any]
"""Puts names into a decoded message."""


def said(sent: Sent, symbols: Symbols, name: Name) -> Said:
    """Return a step without its connection.

    Raises:
        NotSymbolic: If it cannot be said without values of the attempt.

    """
    data = sent.parts[0]
    match sent.kind:
        case "text":
            return _text(data.decode(), symbols, name)
        case "binary":
            return _binary(data, symbols)
        case "ping":
            return {"do": "ping", "data": data.hex()}
        case "fragments":
            return _fragments(sent.parts, symbols)
        case "bytes":
            return _bytes(data, symbols)


def _text(text: str, symbols: Symbols, name: Name) -> Said:
    """Return a message where sending its value gives the same text."""
    try:
        value = json.loads(text)
        is_same = json.dumps(value, separators=(",", ":"), ensure_ascii=False) == text and _is_plain(value)
        if is_same:
            return {"do": "send", "message": name(value)}
    except (ValueError, RecursionError, NotSymbolic):
        pass
    return {"do": "text", "text": symbols.text(text)}


def _is_plain(value: Any) -> bool:
    """Tell whether a value can be written in Python and in a file of JSON: only finite numbers."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_is_plain(member) for member in value.values())
    return all(_is_plain(item) for item in value) if isinstance(value, list) else True


def _binary(data: bytes, symbols: Symbols) -> Said:
    try:
        push = binary_frames.unpack_client(data)
        is_same = binary_frames.pack_client_push(*push) == data
    except (binary_frames.MalformedFrame, binary_frames.FieldTooLong, ValueError):
        is_same = False
    if not is_same:
        return {"do": "binary", "data": _latin(data, symbols)}
    *fields, rest = push
    return {
        "do": "binary push",
        "fields": [symbols.text(str(field)) for field in fields],
        "data": _latin(rest, symbols),
    }


def _latin(data: bytes, symbols: Symbols) -> Any:
    """Return bytes as a text whose characters are the bytes, with names in it."""
    return symbols.text(data.decode("latin-1"))


def _fragments(parts: tuple[bytes, ...], symbols: Symbols) -> Said:
    last = len(parts) - 1
    frames = [
        {"opcode": int(not index), "data": _latin(part, symbols), "fin": index == last}
        for index, part in enumerate(parts)
    ]
    return {"do": "bytes", "frames": frames}


def _bytes(data: bytes, symbols: Symbols) -> Said:
    """Return the frames that bytes consist of; the bytes themselves where they are none that we can name."""
    frames, rest = [], data
    while rest:
        taken = _frame(rest)
        if taken is None:
            return {"do": "bytes", "data": _latin(data, symbols)}
        frame, rest = taken
        frame["data"] = _latin(frame["data"], symbols)
        frames.append(frame)
    return {"do": "bytes", "frames": frames}


def _frame(data: bytes) -> tuple[Said, bytes] | None:
    """Take one frame of ours from the front of bytes; None where making it anew does not give the same bytes."""
    if len(data) < 2:
        return None
    is_masked, size = bool(data[1] & _MASKED), data[1] & ~_MASKED
    head = 2 + {_MEDIUM: 2, _LONG: 8}.get(size, 0)
    claimed = int.from_bytes(data[2:head], "big") if head > 2 else size
    key = data[head : head + _KEY_BYTES] if is_masked else bytes(_KEY_BYTES)
    body = data[head + _KEY_BYTES * is_masked :]
    end = min(claimed, len(body))
    payload = bytes(byte ^ key[index % _KEY_BYTES] for index, byte in enumerate(body[:end]))
    options: dict[str, Any] = {"fin": bool(data[0] & 0x80), "rsv": data[0] >> 4 & 7, "mask": is_masked}
    if claimed != len(payload):
        options["length"] = claimed
    if raw_frame(data[0] & 0xF, payload, **options) != data[: len(data) - len(body) + end]:
        return None
    return {"opcode": data[0] & 0xF, "data": payload, **options}, body[end:]
