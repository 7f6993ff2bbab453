"""The HTTP responses to a handshake, with the header fields that Phoenix sends."""

from __future__ import annotations

import http
from email.utils import formatdate
from typing import TYPE_CHECKING

from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.utils import accept_key

if TYPE_CHECKING:
    from reference_server.handshake import Refuse


def switching(key: str) -> Response:
    """Build the response that turns the connection into a WebSocket."""
    headers = Headers(
        [("Date", formatdate(usegmt=True)), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    )
    headers["Sec-WebSocket-Accept"] = accept_key(key)
    return Response(101, "Switching Protocols", headers)


def refusal(refuse: Refuse) -> Response:
    """Build the response to a request that becomes no WebSocket."""
    body = refuse.body.encode()
    headers = Headers(
        [
            ("Date", formatdate(usegmt=True)),
            ("Cache-Control", "max-age=0, private, must-revalidate"),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
        ]
    )
    if body:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    if refuse.retry_after_s is not None:
        headers["Retry-After"] = str(refuse.retry_after_s)
    if refuse.status == http.HTTPStatus.UPGRADE_REQUIRED:
        headers["Upgrade"] = "websocket"
    return Response(refuse.status, _phrase(refuse.status), headers, body)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        # What proxies answer on their own has a number alone (RFC 9112 section 4 lets the phrase be empty).
        return ""
