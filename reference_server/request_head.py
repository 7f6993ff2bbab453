"""The head of a request while it comes, byte by byte if need be."""

from __future__ import annotations

_LINE_END = b"\r\n"
_HEAD_END = b"\r\n\r\n"


class RequestHead:
    """Collects bytes until the empty line behind the header fields.

    Args:
        most_bytes: How long it may be.

    """

    __slots__ = ("_data", "_most_bytes")

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._data = bytearray()

    def add(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Add bytes; return the head and what lies behind it, once the head is whole or too long."""
        # What was searched before is not searched again, but for a line end that was cut.
        searched = max(0, len(self._data) - len(_HEAD_END) + 1)
        self._data += data
        end = self._data.find(_HEAD_END, searched)
        if end < 0 and len(self._data) <= self._most_bytes:
            return None
        length = end + len(_HEAD_END) if end >= 0 else len(self._data)
        head, rest = bytes(self._data[:length]), bytes(self._data[length:])
        self._data.clear()
        return head, rest

    def refusal_status(self, head: bytes) -> int | None:
        """Return the HTTP status for a head that is too long, 414 where its first line alone is; None for any other."""
        if len(head) <= self._most_bytes:
            return None
        return 414 if head.find(_LINE_END, 0, self._most_bytes) < 0 else 431
