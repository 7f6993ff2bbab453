"""A blocking WebSocket connection: what it reads, what it writes, and how it ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from conformance.client.raw_frames import TEXT, raw_frame
from conformance.client.transcript import Transcript
from conformance.client.wire import HandshakeRefused, Unreachable, Wire

LONG_S, SHORT_S = 10.0, 0.2


@pytest.fixture
def served() -> Iterator[Callable[..., str]]:
    """Run WebSocket servers with a handler each; gives the URL."""
    with ExitStack() as stack:

        def start(handler: Callable[[Any], None], **options: Any) -> str:
            def handle(connection: Any) -> None:
                with suppress(ConnectionClosed):
                    handler(connection)

            server = serve(handle, "127.0.0.1", 0, **options)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return f"ws://127.0.0.1:{server.socket.getsockname()[1]}/socket"

        yield start


@pytest.fixture
def listening() -> Iterator[Callable[..., str]]:
    """Listen on TCP and say some bytes to whoever connects; gives the URL."""
    with ExitStack() as stack:

        def start(answer: bytes | None) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def speak() -> None:
                with suppress(OSError):
                    connection, _ = listener.accept()
                    stack.callback(connection.close)
                    if answer is not None:
                        connection.recv(65_536)
                        connection.sendall(answer)
                        connection.close()

            thread = threading.Thread(target=speak)
            thread.start()
            stack.callback(thread.join)
            return f"ws://127.0.0.1:{listener.getsockname()[1]}"

        yield start


def connect(url: str, transcript: Transcript | None = None, *, timeout_s: float = LONG_S) -> Wire:
    return Wire.connect(url, name="it", transcript=transcript or Transcript(), timeout_s=timeout_s)


def in_s(seconds: float) -> float:
    return time.monotonic() + seconds


def echo(connection: Any) -> None:
    for message in connection:
        connection.send(message)


def test_text_and_binary_messages_come_back_as_they_were_sent(served: Any) -> None:
    """Opcode and data of a message are kept."""
    wire = connect(served(echo))
    wire.send_text("é漢")
    text = wire.receive(in_s(LONG_S))
    assert text is not None
    assert (text.data.decode(), text.is_text) == ("é漢", True)
    wire.send(text._replace(data=b"\x00\xff", is_text=False))
    binary = wire.receive(in_s(LONG_S))
    assert binary == (b"\x00\xff", False)
    wire.close()


def test_fragments_make_one_message_in_both_directions(served: Any) -> None:
    """A fragmented message is sent as fragments and read as one."""

    def in_parts(connection: Any) -> None:
        assert connection.recv() == "abc"
        connection.send(iter(["d", "e", "f"]))
        connection.recv()

    wire = connect(served(in_parts))
    wire.send_fragments([b"a", b"b", b"c"])
    frame = wire.receive(in_s(LONG_S))
    assert frame is not None
    assert frame.data == b"def"
    wire.close()


def test_nothing_is_told_from_something_by_the_deadline(served: Any) -> None:
    """Where nothing comes in time there is no message, and the connection stays open."""
    wire = connect(served(echo))
    assert wire.receive(in_s(SHORT_S)) is None
    assert wire.closed is None
    assert wire.wait_closed(in_s(SHORT_S)) is None
    wire.send_text("late")
    assert wire.receive(in_s(LONG_S)) is not None
    wire.close()


def test_messages_before_a_close_stay_readable(served: Any) -> None:
    """The end of a connection takes nothing from what came before it."""

    def leave(connection: Any) -> None:
        connection.send("one")
        connection.send("two")
        connection.close(1011)

    wire = connect(served(leave))
    closed = wire.wait_closed(in_s(LONG_S))
    assert closed is not None
    assert closed.code == 1011
    frames = [wire.receive(in_s(LONG_S)) for _ in range(3)]
    assert [frame and frame.data for frame in frames] == [b"one", b"two", None]
    wire.send_text("to nobody")
    wire.close()


def test_a_dropped_connection_has_no_close_code(served: Any) -> None:
    """An end of TCP without a close frame is told apart from every code."""
    wire = connect(served(lambda connection: connection.socket.shutdown(socket.SHUT_RDWR)))
    closed = wire.wait_closed(in_s(LONG_S))
    assert closed is not None
    assert closed.code is None
    assert "without a close frame" in str(closed)
    wire.close()


def test_a_pong_is_recognised_by_its_data(served: Any) -> None:
    """Only the pong with the same data answers a ping."""
    wire = connect(served(echo))
    wire.ping(b"marco")
    assert wire.wait_pong(b"marco", in_s(LONG_S))
    assert not wire.wait_pong(b"polo", in_s(SHORT_S))
    wire.close()


def test_bytes_go_out_that_are_no_frame(served: Any) -> None:
    """A frame with a reserved opcode reaches the server, which ends the connection with 1002."""
    wire = connect(served(echo))
    wire.send_bytes(b"\x83\x80\x00\x00\x00\x00", "a reserved opcode")
    closed = wire.wait_closed(in_s(LONG_S))
    assert closed is not None
    assert closed.code == 1002
    wire.close()


def test_a_refused_handshake_tells_its_status(served: Any) -> None:
    """The HTTP status is what distinguishes a refusal from a server that is not there."""
    url = served(echo, process_request=lambda connection, _request: connection.respond(403, "no"))
    with pytest.raises(HandshakeRefused) as caught:
        connect(url)
    assert caught.value.status == 403


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 garbage\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", None])
def test_whoever_speaks_no_http_is_unreachable(listening: Any, answer: bytes | None) -> None:
    """A connection that ends, garbage, another protocol and silence are all no endpoint."""
    with pytest.raises(Unreachable):
        connect(listening(answer), timeout_s=1.0 if answer is None else LONG_S)


def test_an_upgrade_with_a_wrong_key_is_no_websocket(listening: Any) -> None:
    """A 101 whose accept key was not made from ours is not believed."""
    answer = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
    )
    with pytest.raises(Unreachable):
        connect(listening(answer))


@pytest.mark.parametrize("header", ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"])
def test_what_was_not_offered_is_for_the_cases_to_judge(served: Any, header: str) -> None:
    """A server that names a subprotocol or an extension unasked can still be spoken to."""

    def name(_connection: Any, _request: Any, response: Any) -> None:
        response.headers[header] = "unoffered"

    wire = connect(served(echo, process_response=name))
    wire.send_text("still here")
    frame = wire.receive(in_s(LONG_S))
    assert frame is not None
    assert frame.data == b"still here"
    wire.close()


def test_a_closed_port_is_unreachable() -> None:
    """Nobody listening is said with the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        connect(f"ws://127.0.0.1:{port}")


@pytest.mark.parametrize("host", ["host..name", "h" * 70, "h\0h"])
def test_a_host_that_cannot_be_asked_for_is_unreachable(host: str) -> None:
    """Whatever Python makes of it, it is no fault of ours."""
    with pytest.raises(Unreachable, match="cannot connect to h"):
        connect(f"ws://{host}:9")


def test_credentials_stay_out_of_the_transcript(served: Any) -> None:
    """What is hidden before it is used is in no entry: not in the URL, not in what is sent or comes back."""
    transcript = Transcript()
    transcript.hide("s3cret")
    wire = connect(f"{served(echo)}?api_key=s3cret", transcript)
    wire.send_text('{"token": "s3cret"}')
    frame = wire.receive(in_s(LONG_S))
    assert frame is not None
    wire.note_received(frame)
    wire.close()
    assert len(transcript.entries) >= 3
    assert all("s3cret" not in entry.text for entry in transcript.entries)


def test_what_is_put_on_the_wire_is_read_as_it_stands(served: Any) -> None:
    """Two frames that are put one right behind the other come as two messages, in their order."""
    wire = connect(served(echo))
    wire.put(raw_frame(TEXT, b"one"))
    wire.put(raw_frame(TEXT, b"two"), 0.001)
    frames = [wire.receive(in_s(LONG_S)) for _ in range(2)]
    assert [frame and frame.data for frame in frames] == [b"one", b"two"]
    wire.close()


@pytest.mark.parametrize("way", ["half_close", "reset", "abort"])
def test_a_connection_can_end_without_a_close_frame(served: Any, way: str) -> None:
    """The other side notices it, and has been told no code."""
    codes: list[int | None] = []
    has_ended = threading.Event()

    def wait(connection: Any) -> None:
        with suppress(ConnectionClosed):
            connection.recv()
        codes.append(connection.protocol.close_rcvd and connection.protocol.close_rcvd.code)
        has_ended.set()

    wire = connect(served(wait))
    getattr(wire, way)()
    assert has_ended.wait(LONG_S)
    assert codes == [None]
    wire.abort()
