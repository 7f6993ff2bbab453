"""The opening handshake."""

from __future__ import annotations

import base64
import hashlib

import pytest

from loadgen.client.handshake import Handshake, HandshakeRefused

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accepting(request: bytes) -> bytes:
    [key] = [line.split(b": ")[1] for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key")]
    accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def test_an_answer_in_pieces_opens_the_connection() -> None:
    """What comes behind the answer is handed back; until it is whole there is nothing."""
    handshake = Handshake("ws://127.0.0.1:4000/socket/websocket?vsn=2.0.0")
    answer = accepting(handshake.request)
    assert b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1" in handshake.request
    assert handshake.take(answer[:30]) is None
    assert handshake.take(answer[30:] + b"\x81\x00") == b"\x81\x00"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n", "HTTP 403"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "HTTP 503"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "no handshake"),
        (b"\x16\x03\x01 nonsense\r\n\r\n", "no handshake"),
    ],
)
def test_a_refusal_is_named(answer: bytes, reason: str) -> None:
    """The reason is short enough to count by, and the body of a refusal is not waited for."""
    with pytest.raises(HandshakeRefused) as refused:
        Handshake("ws://127.0.0.1:4000/socket/websocket").take(answer)
    assert refused.value.reason.startswith(reason)


def test_an_endless_answer_is_refused() -> None:
    """A head without an end is not collected for ever."""
    with pytest.raises(HandshakeRefused, match="endless"):
        Handshake("ws://127.0.0.1:4000/").take(b"x" * 70_000)
