"""One HTTP/1.1 request written by hand, for handshakes that a WebSocket client would never ask for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from conformance.client.wire import open_tcp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The key of RFC 6455's own example, and the answer that it must get.
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT: Final = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

UPGRADE: Final[Mapping[str, str]] = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
"""The headers of a valid upgrade."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The head of a response."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""

    def __str__(self) -> str:
        """Return the answer as a report shows it."""
        return f"HTTP {self.status}"


def ask(
    url: str, headers: Mapping[str, str], *, timeout_s: float, method: str = "GET", ca: Path | None = None
) -> HttpAnswer | None:
    """Send one request and read the head of its response.

    Args:
        url: A ws:// or wss:// URL; its path and query go out as they stand.
        headers: Headers besides Host.
        timeout_s: How long everything may take.
        method: The method; a request other than GET carries an empty body.
        ca: PEM file with the certificates to trust; None for those of the system.

    Returns:
        The answer; None when the connection ended or the time was up before one.

    Raises:
        Unreachable: If no connection can be made.

    """
    until_s = time.monotonic() + timeout_s
    with open_tcp(url, timeout_s, ca=ca) as sock:
        try:
            sock.settimeout(max(until_s - time.monotonic(), 0.001))
            sock.sendall(_head(url, method, headers))
            response = HTTPResponse(sock, method=method)
            response.begin()
        except (OSError, HTTPException):
            return None
        return HttpAnswer(response.status, {name.lower(): value for name, value in response.getheaders()})


def _head(url: str, method: str, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [] if method == "GET" else ["Content-Length: 0"]
    return "\r\n".join([*lines, "", ""]).encode()
