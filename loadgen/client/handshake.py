"""The opening handshake, on the sans-I/O client of `websockets`, which is let go once the connection is open."""

from __future__ import annotations

from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.uri import parse_uri

_HEAD_END: Final = b"\r\n\r\n"
_LONGEST_HEAD: Final = 65_536


class HandshakeRefused(Exception):
    """The server does not open a WebSocket; `reason` is short enough to count by."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Handshake:
    """One handshake.

    Args:
        url: ws:// or wss:// URL with its query.

    Attributes:
        request: The bytes to send.

    """

    __slots__ = ("_head", "_protocol", "request")

    def __init__(self, url: str) -> None:
        self._protocol = ClientProtocol(parse_uri(url))
        self._protocol.send_request(self._protocol.connect())
        self.request = b"".join(self._protocol.data_to_send())
        self._head = b""

    def take(self, data: bytes) -> bytes | None:
        """Take bytes of the server.

        Returns:
            What came behind the answer once the connection is open; None as long as the answer is not whole.

        Raises:
            HandshakeRefused: If the answer opens no WebSocket.

        """
        self._head += data
        head, end, rest = self._head.partition(_HEAD_END)
        if not end:
            if len(self._head) > _LONGEST_HEAD:
                raise HandshakeRefused("endless answer")
            return None
        self._protocol.receive_data(head + end)
        fault = self._protocol.handshake_exc
        if fault is None and not self._protocol.events_received():
            # The body of a refusal is not waited for: its head says all.
            self._protocol.receive_eof()
            fault = self._protocol.handshake_exc or InvalidHandshake("no answer")
        if fault is not None:
            raise HandshakeRefused(_reason_of(fault, head))
        return rest


def _reason_of(fault: Exception, head: bytes) -> str:
    if isinstance(fault, InvalidStatus):
        return f"HTTP {fault.response.status_code}"
    status = head.split(b" ", 2)[1:2]
    if status and status[0].isdigit() and status[0] != b"101":
        return f"HTTP {status[0].decode()}"
    return f"no handshake: {type(fault).__name__}"
