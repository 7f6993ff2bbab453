"""What a server has done since it started, as plain numbers that cost next to nothing to keep.

No key of these dictionaries comes from a client unless the documents know it, so none of them grows with what clients send.
"""

from __future__ import annotations

from typing import Any, Final

#: The event of a push that its topic family does not document.
UNDOCUMENTED: Final = ""

#: A connection that ended without a close frame (RFC 6455 section 7.1.5).
_ABNORMAL = 1006
_FIRST_LIBRARY_CODE, _FIRST_PRIVATE_CODE = 3000, 4000


class Counts:
    """The counters of one server; all but `open` only rise."""

    __slots__ = (
        "broadcasts",
        "closed",
        "crashes",
        "joins",
        "open",
        "opened",
        "pushes",
        "received_bytes",
        "refused",
        "sent_bytes",
        "sent_frames",
        "slow_readers",
    )

    def __init__(self) -> None:
        self.open: dict[str, int] = {}
        """WebSockets that are open, by the name of their socket."""
        self.opened: dict[str, int] = {}
        self.closed: dict[tuple[str, str], int] = {}
        """By the name of the socket and close code, where 3xxx and 4xxx stand for all codes of that range."""
        self.refused: dict[int, int] = {}
        """Handshakes by the HTTP status that they were answered with."""
        self.joins: dict[tuple[str, str], int] = {}
        """By topic family and the status of the reply; a crashed one counts as an error."""
        self.pushes: dict[tuple[str, str, str], int] = {}
        """Answered pushes by topic family, event and the status of the reply."""
        self.crashes: dict[str, int] = {}
        """Channels and joins that raised, by topic family."""
        self.broadcasts = 0
        self.sent_frames = 0
        """Messages given to connections; pongs and close frames are not among them."""
        self.received_bytes = 0
        self.sent_bytes = 0
        self.slow_readers = 0
        """Clients dropped because they did not read."""

    def open_socket(self, socket: str) -> None:
        """Count a WebSocket that is open from now on."""
        self.opened[socket] = self.opened.get(socket, 0) + 1
        self.open[socket] = self.open.get(socket, 0) + 1

    def close_socket(self, socket: str, code: int | None) -> None:
        """Count one that was open until now; None is an end without a close frame."""
        self.open[socket] -= 1
        key = socket, _label(_ABNORMAL if code is None else code)
        self.closed[key] = self.closed.get(key, 0) + 1

    def refuse(self, status: int) -> None:
        """Count a handshake that was answered with this HTTP status."""
        self.refused[status] = self.refused.get(status, 0) + 1

    def join(self, family: str, status: str) -> None:
        """Count an answered join."""
        self.joins[family, status] = self.joins.get((family, status), 0) + 1

    def push(self, family: str, event: Any, status: str, documented: Any) -> None:
        """Count an answered push; `documented` are the events that may be told apart."""
        try:
            self.pushes[family, event, status] += 1
        except (KeyError, TypeError):
            # The first of its kind, an event that nobody has heard of, or one that is no name at all.
            is_known = isinstance(event, str) and event in documented
            key = family, event if is_known else UNDOCUMENTED, status
            self.pushes[key] = self.pushes.get(key, 0) + 1

    def crash(self, family: str) -> None:
        """Count a channel or a join that raised."""
        self.crashes[family] = self.crashes.get(family, 0) + 1


def _label(code: int) -> str:
    if code < _FIRST_LIBRARY_CODE:
        return str(int(code))
    return "3xxx" if code < _FIRST_PRIVATE_CODE else "4xxx"
