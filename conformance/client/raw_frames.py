"""WebSocket frames bit by bit (RFC 6455 section 5.2), those included that no library would write."""

from __future__ import annotations

import struct

CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2

_KEY = b"\x12\x34\x56\x78"
_SHORT, _MEDIUM = 126, 65_536


def raw_frame(
    opcode: int,
    payload: bytes,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bool = True,
    length: int | None = None,
) -> bytes:
    """Return the bytes of one frame.

    Args:
        opcode: Any of the 16.
        payload: Its data, before masking.
        fin: The final bit.
        rsv: The three reserved bits as a number from 0 to 7; 4 is RSV1.
        mask: Whether it is masked, as a client must; always with the same key.
        length: The length that the header claims, in bytes; the true one when None.

    Returns:
        Header, masking key where there is one, and data.

    """
    claimed = len(payload) if length is None else length
    first = (0x80 if fin else 0) | (rsv & 7) << 4 | (opcode & 0xF)
    flag = 0x80 if mask else 0
    if claimed < _SHORT:
        header = struct.pack("!BB", first, flag | claimed)
    elif claimed < _MEDIUM:
        header = struct.pack("!BBH", first, flag | 126, claimed)
    else:
        header = struct.pack("!BBQ", first, flag | 127, claimed)
    return header + (_KEY + _masked(payload) if mask else payload)


def _masked(payload: bytes) -> bytes:
    return bytes(byte ^ _KEY[index % len(_KEY)] for index, byte in enumerate(payload))
