"""The small frame codec of the hot path: masked frames of a client out, whole text frames of a server in.

Only what carries nearly all traffic is here. Handshakes, and how odd frames (control frames, fragments) are read and answered,
stand in `handshake` and `odd_frames`, on `websockets`.
"""

from __future__ import annotations

from random import getrandbits
from typing import Final

from websockets.speedups import apply_mask

#: First byte of a whole text frame.
WHOLE_TEXT: Final = 0x81
#: First byte of a whole binary frame.
WHOLE_BINARY: Final = 0x82

_MASKED: Final = 0x80
_SHORT: Final = 126
_TWO_BYTES: Final = 1 << 16
_SHORT_HEADS: Final = tuple(bytes((WHOLE_TEXT, _MASKED | length)) for length in range(_SHORT))


def text_frame(text: bytes) -> bytes:
    """Build a masked text frame.

    The mask is unpredictable enough for the proxies that it is there for; it is no secret (RFC 6455 section 10.3).
    """
    mask = getrandbits(32).to_bytes(4, "little")
    length = len(text)
    if length < _SHORT:
        return _SHORT_HEADS[length] + mask + apply_mask(text, mask)
    return _long_head(WHOLE_TEXT, length) + mask + apply_mask(text, mask)


def binary_frame(data: bytes) -> bytes:
    """Build a masked binary frame."""
    mask = getrandbits(32).to_bytes(4, "little")
    length = len(data)
    head = bytes((WHOLE_BINARY, _MASKED | length)) if length < _SHORT else _long_head(WHOLE_BINARY, length)
    return head + mask + apply_mask(data, mask)


def _long_head(first: int, length: int) -> bytes:
    if length < _TWO_BYTES:
        return bytes((first, _MASKED | _SHORT)) + length.to_bytes(2, "big")
    return bytes((first, _MASKED | _SHORT + 1)) + length.to_bytes(8, "big")


def body_of(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Find the payload of the frame that begins at `at`, of which at least two bytes are there.

    Returns:
        Where the payload begins and its length; (0, 0) where more bytes are needed to tell. A masked frame, which no server may
        send, has the length -1.

    """
    length = data[at + 1]
    if length < _SHORT:
        return at + 2, length
    if length & _MASKED:
        return at, -1
    size = 2 if length == _SHORT else 8
    if end - at < 2 + size:
        return 0, 0
    return at + 2 + size, int.from_bytes(data[at + 2 : at + 2 + size], "big")
