"""The bytes of a server's WebSocket frames (RFC 6455 section 5.2): unmasked, never fragmented."""

from __future__ import annotations

import struct

from specs.message import Frame

_TEXT, _BINARY = 0x81, 0x82
_SHORT_LENGTH, _MEDIUM_LENGTH = 126, 65_536
_SHORT_TEXT_HEADS = tuple(bytes((_TEXT, length)) for length in range(_SHORT_LENGTH))


class SharedFrame(Frame):
    """A frame that goes to many, whose bytes are built once for all of them."""

    on_wire: bytes | None = None
    """The bytes, once they are built."""


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes of a WebSocket frame."""
    if type(frame) is not SharedFrame:
        return _built(frame)
    if frame.on_wire is None:
        frame.on_wire = _built(frame)
    return frame.on_wire


def _built(frame: Frame) -> bytes:
    data, is_text = frame
    length = len(data)
    if length < _SHORT_LENGTH and is_text:
        return _SHORT_TEXT_HEADS[length] + data
    kind = _TEXT if is_text else _BINARY
    if length < _SHORT_LENGTH:
        return struct.pack("!BB", kind, length) + data
    if length < _MEDIUM_LENGTH:
        return struct.pack("!BBH", kind, 126, length) + data
    return struct.pack("!BBQ", kind, 127, length) + data
