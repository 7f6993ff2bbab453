"""WebSocket frames bit by bit (RFC 6455 section 5.2), those included that no library would write."""

from __future__ import annotations

import struct
from collections.abc import Sequence

CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2
CLOSE, PING, PONG = 0x8, 0x9, 0xA
KNOWN_OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
OPCODES = 16

_KEY = b"\x12\x34\x56\x78"
_SHORT, _MEDIUM = 126, 65_536
_LENGTH_FORMS = {7: "!BB", 16: "!BBH", 64: "!BBQ"}
_LENGTH_MARKS = {16: 126, 64: 127}


def raw_frame(
    opcode: int,
    payload: bytes,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bool = True,
    length: int | None = None,
    key: bytes = _KEY,
    length_bits: int | None = None,
) -> bytes:
    """Return the bytes of one frame.

    Args:
        opcode: Any of the 16.
        payload: Its data, before masking.
        fin: The final bit.
        rsv: The three reserved bits as a number from 0 to 7; 4 is RSV1.
        mask: Whether it is masked, as a client must.
        length: The length that the header claims, in bytes; the true one when None.
        key: Of the mask; always the same one by default.
        length_bits: The form of the length, 7, 16 or 64; the shortest that it fits when None.

    Returns:
        Header, masking key where there is one, and data.

    """
    claimed = len(payload) if length is None else length
    bits = length_bits or (7 if claimed < _SHORT else 16 if claimed < _MEDIUM else 64)
    first = (0x80 if fin else 0) | (rsv & 7) << 4 | (opcode & 0xF)
    flag = 0x80 if mask else 0
    lengths = (flag | claimed,) if bits == 7 else (flag | _LENGTH_MARKS[bits], claimed)
    header = struct.pack(_LENGTH_FORMS[bits], first, *lengths)
    return header + (key + _masked(payload, key) if mask else payload)


def raw_fragments(opcode: int, parts: Sequence[bytes]) -> list[bytes]:
    """Return the frames of one message in several parts, each as its bytes."""
    last = len(parts) - 1
    return [
        raw_frame(CONTINUATION if index else opcode, part, fin=index == last)
        for index, part in enumerate(parts)
    ]


def raw_close(code: int | None, reason: bytes = b"") -> bytes:
    """Return the bytes of a close frame with any code, or with none."""
    return raw_frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def _masked(payload: bytes, key: bytes) -> bytes:
    # One operation on a whole number, since messages may be long.
    length = len(payload)
    repeated = (key * (length // len(key) + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(length, "big")
