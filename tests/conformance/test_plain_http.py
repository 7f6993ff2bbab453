"""Tests of the HTTP request written by hand, against a listener that answers with fixed bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.client.plain_http import UPGRADE, ask
from conformance.client.wire import Unreachable


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Listen, answer one request with the bytes and close; yields the URL and what was received."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                received.append(connection.recv(65_536))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/socket/websocket?a=1", received
        thread.join(5)


def test_status_and_headers_are_read() -> None:
    """The head of the answer comes back with header names in lower case."""
    with answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n") as (url, _):
        answer = ask(url, UPGRADE, timeout_s=5.0)
    assert answer is not None
    assert (answer.status, answer.headers) == (101, {"upgrade": "websocket"})


def test_the_request_is_sent_as_it_stands() -> None:
    """Method, path, query and headers go out unchanged; a POST says that it has no body."""
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, received):
        ask(url, {"X-A": "b"}, timeout_s=5.0, method="POST")
    lines = received[0].decode().split("\r\n")
    assert lines[0] == "POST /socket/websocket?a=1 HTTP/1.1"
    assert {"X-A: b", "Content-Length: 0"} <= set(lines)


@pytest.mark.parametrize("garbage", [b"", b"HTTP/1.1", b"\x88\x02\x03\xea"])
def test_no_answer_is_none(garbage: bytes) -> None:
    """A connection that ends before an HTTP response gives no answer rather than an error."""
    with answering(garbage) as (url, _):
        assert ask(url, {}, timeout_s=5.0) is None


def test_an_unreachable_host_is_said_to_be_so() -> None:
    """A port that nobody listens on is unreachable, not silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable):
        ask(f"ws://127.0.0.1:{port}/", {}, timeout_s=5.0)
