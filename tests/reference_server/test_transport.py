"""Tests of `reference_server.transport` and `server` over TCP, with raw bytes from a blocking client."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from reference_server import frame_bytes
from reference_server.broker import Broker
from reference_server.connection import Backend
from reference_server.frame_bytes import SharedFrame, encode_frame
from reference_server.handshake import Refuse
from reference_server.outcome import Broadcast, Channel, Identity, Outcome
from reference_server.server import Server, Settings, run, serve
from reference_server.structured_log import JsonLines
from reference_server.transport import Limits, WebSocketTransport
from reference_server.versions import PhoenixVersion
from specs.loader import load
from specs.message import Frame
from specs.model import Api, Fixture, Join, Socket, Topic
from specs.serializer import V2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TIMEOUT_S = 10.0
AGENT = Socket(
    "agent", "", ("/socket/websocket",), (frozenset({"api_key"}),), "agent", "s:{agent_id}", "", {}
)
ROOM = Topic(
    "room",
    "room:{id}",
    "agent",
    1,
    "",
    "",
    {},
    {},
    "open",
    Fixture("nothing", {}, {}, None, {}, {}),
    Join((), {}, {}, (), {}),
    False,
    {},
    {},
)
API = Api("test", "1", "", "", load().protocol, {"agent": AGENT}, {"room": ROOM}, {})
TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
BEAT = b'[null,"1","phoenix","heartbeat",{}]'


class Echo:
    """Everybody may connect and join; `echo` answers, `shout` broadcasts `size` bytes."""

    def __init__(self) -> None:
        self.left = threading.Semaphore(0)

    def authenticate(self, socket: Socket, params: Mapping[str, str]) -> Identity | None:
        return Identity(socket, params["api_key"][0]) if params.get("api_key") else None

    def join(self, channel: Channel, payload: Any) -> Outcome:
        return Outcome()

    def handle(self, channel: Channel, event: str, payload: Any) -> Outcome:
        if event == "shout":
            filling = {"filling": "x" * payload["size"]}
            return Outcome(broadcasts=(Broadcast(channel.topic, "shout", filling, exclude=channel),))
        if event == "kick":
            return Outcome(disconnect=frozenset({payload["id"]}))
        return Outcome(response=payload)

    def leave(self, channel: Channel) -> tuple[Broadcast, ...]:
        self.left.release()
        return ()


class Running:
    """A server in the event loop of another thread."""

    def __init__(self, settings: Settings) -> None:
        self.application = Echo()
        self._settings = settings
        self._clients: list[RawClient] = []
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=run, args=(self._main,), daemon=True)
        self._thread.start()
        assert self._is_up.wait(TIMEOUT_S)

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.server: Server = await serve(self.application, API, self._settings)
        self._is_up.set()
        await self._stop.wait()
        await self.server.close()

    def start_drain(self) -> Any:
        return asyncio.run_coroutine_threadsafe(self.server.drain(), self.loop)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(TIMEOUT_S)
        for client in self._clients:
            client.socket.close()

    def raw(self) -> RawClient:
        self._clients.append(RawClient(self.server.port))
        return self._clients[-1]

    def client(self, target: str = "/socket/websocket?api_key=a&vsn=2.0.0") -> RawClient:
        client = self.raw()
        assert client.request(target).startswith(b"HTTP/1.1 101 ")
        return client


class RawClient:
    """A blocking client that sends any bytes and reads frames."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self._buffer = b""

    def request(self, target: str, behind: bytes = b"", headers: str | None = None) -> bytes:
        lines = headers or (
            "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        )
        self.socket.sendall(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode() + behind)
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def say(self, *message: Any) -> None:
        self.send(masked(TEXT, json.dumps(message).encode()))

    def frame(self) -> tuple[int, bytes]:
        head, length = struct.unpack("!BB", self._exactly(2))
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        assert head & 0xF0 == 0x80
        return head & 0x0F, self._exactly(length)

    def message(self) -> Any:
        opcode, data = self.frame()
        assert opcode == TEXT
        return json.loads(data)

    def close_code(self) -> int | None:
        """Read a close frame, which must have an empty reason, and the end of the stream."""
        opcode, data = self.frame()
        assert opcode == CLOSE
        assert self.at_end()
        assert len(data) in {0, 2}
        return struct.unpack("!H", data)[0] if data else None

    def at_end(self) -> bool:
        return not self._buffer and self.socket.recv(1) == b""

    def rest(self) -> bytes:
        data, self._buffer = self._buffer, b""
        while chunk := self.socket.recv(65536):
            data += chunk
        return data

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._buffer += self._more()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _more(self) -> bytes:
        chunk = self.socket.recv(65536)
        assert chunk, "the server has closed TCP"
        return chunk


def masked(opcode: int, data: bytes, *, fin: bool = True, rsv: int = 0, length: int | None = None) -> bytes:
    size = len(data) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += struct.pack("!BH", 0xFE, size)
    else:
        head += struct.pack("!BQ", 0xFF, size)
    return head + b"\x01\x02\x03\x04" + bytes(byte ^ (index % 4 + 1) for index, byte in enumerate(data))


def settings(**limits: Any) -> Settings:
    return Settings(port=0, limits=Limits(**limits))


@pytest.fixture
def running() -> Iterator[Running]:
    server = Running(settings(message_bytes=100_000))
    yield server
    server.stop()


@pytest.fixture
def start() -> Iterator[Callable[[Settings], Running]]:
    servers: list[Running] = []

    def started(wanted: Settings) -> Running:
        servers.append(Running(wanted))
        return servers[-1]

    yield started
    for server in servers:
        server.stop()


@pytest.fixture(params=["asyncio", "uvloop"], autouse=True)
def event_loop_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test on both event loops."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    else:
        monkeypatch.setattr("reference_server.server._loop_factory", lambda: None)


@pytest.mark.parametrize(
    ("size", "length"),
    [(0, "00"), (125, "7d"), (126, "7e007e"), (65535, "7effff"), (65536, "7f0000000000010000")],
)
def test_frame_lengths_are_minimal(size: int, length: str) -> None:
    """Each length takes the shortest of the three forms, text and binary alike."""
    assert encode_frame(Frame(b"x" * size, is_text=True)) == b"\x81" + bytes.fromhex(length) + b"x" * size
    assert encode_frame(Frame(b"x" * size, is_text=False)) == b"\x82" + bytes.fromhex(length) + b"x" * size
    shared = SharedFrame(b"x" * size, is_text=True)
    assert encode_frame(shared) == encode_frame(Frame(*shared))
    assert encode_frame(shared._replace(data=b"other")) == b"\x81\x05other"


def test_nothing_is_sent_before_the_client_speaks(running: Running) -> None:
    """The first frame of the server is the answer to the first of the client (HS-14)."""
    client = running.client()
    client.send(masked(TEXT, BEAT))
    assert client.message() == [None, "1", "phoenix", "phx_reply", {"status": "ok", "response": {}}]


def test_handshake_offers_neither_compression_nor_subprotocol(running: Running) -> None:
    """Offered extensions and subprotocols are ignored (HS-10, HS-13)."""
    client = running.raw()
    head = client.request(
        "/socket/websocket?api_key=a",
        headers="Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: phoenix\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    ).lower()
    assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head
    assert b"extensions" not in head
    assert b"protocol:" not in head


@pytest.mark.parametrize(
    ("request_bytes", "status", "body"),
    [
        (b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", b"404 ", b"Not Found"),
        (b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: x\r\n\r\n", b"403 ", b""),
        (b"POST /socket/websocket?api_key=a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"400 ", b""),
        (b"nonsense\r\n\r\n", b"400 ", b""),
        (
            b"GET /socket/websocket?api_key=a HTTP/1.1\r\nHost: x\r\n\r\n",
            b"400 ",
            b"'connection' header must contain 'upgrade', got []",
        ),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", b"431 ", None),
        (b"GET / HTTP/1.1\r\n" + (b"X: " + b"x" * 1000 + b"\r\n") * 70, b"431 ", b""),
    ],
)
def test_refused_request_is_answered_and_closed(
    running: Running, request_bytes: bytes, status: bytes, body: bytes | None
) -> None:
    """Every request gets a whole HTTP answer, then TCP ends (HS-1, HS-6, HS-8)."""
    client = running.raw()
    client.send(request_bytes)
    head, _, rest = client.rest().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert body is None or rest == body


def test_handshake_in_pieces_and_frames_right_behind_it(running: Running) -> None:
    """The request may come byte by byte; frames in its last segment are answered after the 101."""
    client = running.raw()
    for byte in b"GET /socket/websocket?api_key=a&vsn=2.0.0 HTTP/1.1\r\nHost: x\r\nConn":
        client.send(bytes([byte]))
    client._buffer = b""
    client.send(
        b"ection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n",
        masked(PING, b"p"),
        masked(TEXT, BEAT),
    )
    while b"\r\n\r\n" not in client._buffer:
        client._buffer += client._more()
    head, _, client._buffer = client._buffer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert client.frame() == (PONG, b"p")
    assert client.message()[1] == "1"


@pytest.mark.parametrize("behind", [masked(PING, b"p"), masked(CLOSE, b"\x03\xe8"), masked(3, b""), b"\x89"])
def test_nothing_is_sent_behind_a_close_frame(running: Running, behind: bytes) -> None:
    """What follows a frame that ends the connection is discarded, in the same segment too (RFC 6455 section 7.1.7)."""
    client = running.client()
    client.send(masked(TEXT, b"{") + behind)
    assert client.close_code() == 1011


def test_a_broadcast_is_made_once_for_all_who_hear_it(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty listeners cost one JSON text and one WebSocket frame; the reply to the sender is the other one."""
    listeners = [running.client() for _ in range(20)]
    sender = running.client()
    for client in (*listeners, sender):
        client.say("1", "1", "room:a", "phx_join", {})
        client.message()
    made: list[str] = []
    encode, build = V2.encode_server, frame_bytes._built
    monkeypatch.setattr(V2, "encode_server", lambda self, sent: (made.append("text"), encode(self, sent))[1])
    monkeypatch.setattr(frame_bytes, "_built", lambda frame: (made.append("frame"), build(frame))[1])
    sender.say("1", "2", "room:a", "shout", {"size": 5})
    told = [listener.message() for listener in listeners]
    assert told == [[None, None, "room:a", "shout", {"filling": "xxxxx"}]] * 20
    assert sender.message()[1] == "2"
    assert sorted(made) == ["frame", "frame", "text", "text"]


def test_ping_is_answered_with_its_payload_in_order(running: Running) -> None:
    """A ping between two messages is answered between their replies, and within a fragmented one too (HS-13, M-13)."""
    client = running.client()
    client.send(
        masked(TEXT, BEAT),
        masked(PING, b"hello"),
        masked(TEXT, BEAT[:9], fin=False),
        masked(PING, b""),
        masked(CONT, BEAT[9:]),
        masked(PONG, b"ignored"),
    )
    assert [client.frame()[0] for _ in range(4)] == [TEXT, PONG, PONG, TEXT]


def test_fragmented_message_is_reassembled_also_within_a_character(running: Running) -> None:
    """Fragments may cut a UTF-8 sequence, and be empty (M-13)."""
    client = running.client()
    client.say("1", "1", "room:a", "phx_join", {})
    client.message()
    text = '["1","2","room:a","echo",{"s":"ä€😀"}]'.encode()
    for index, byte in enumerate(text):
        client.send(masked(TEXT if index == 0 else CONT, bytes([byte]), fin=False))
    client.send(masked(CONT, b""))
    assert client.message()[4]["response"] == {"s": "ä€😀"}


def test_fragmented_binary_message_is_reassembled(running: Running) -> None:
    """A binary push in two fragments is one push (B-1, M-13)."""
    client = running.client()
    beat = b"\x00\x00\x01\x07\x095phoenixheartbeat"
    client.send(masked(BINARY, beat[:5], fin=False), masked(CONT, beat[5:]))
    assert client.message()[1] == "5"


def test_messages_of_one_segment_are_answered_in_order(running: Running) -> None:
    """A thousand pushes in one go give a thousand replies in their order (M-13, O-3)."""
    client = running.client()
    client.say("1", "1", "room:a", "phx_join", {})
    pushes = [json.dumps(["1", str(ref), "room:a", "echo", {}]).encode() for ref in range(1000)]
    client.send(*(masked(TEXT, push) for push in pushes))
    assert client.message()[1] == "1"
    assert [client.message()[1] for _ in range(1000)] == [str(ref) for ref in range(1000)]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked(TEXT, b'["1","1","room:\xff","phx_join",{}]'), 1007),
        (masked(TEXT, b"\xc3", fin=False) + masked(CONT, b"("), 1007),
        (masked(TEXT, b"x" * 100_001), 1009),
        (masked(TEXT, b"x" * 60_000, fin=False) + masked(CONT, b"x" * 60_000), 1009),
        (masked(TEXT, b"", length=1 << 62), 1009),
        (b"\x81\x02{}", 1002),
        (masked(3, b""), 1002),
        (masked(11, b""), 1002),
        (masked(TEXT, BEAT, rsv=4), 1002),
        (masked(TEXT, BEAT, rsv=1), 1002),
        (masked(CONT, BEAT), 1002),
        (masked(TEXT, b"[", fin=False) + masked(TEXT, BEAT), 1002),
        (masked(PING, b"x" * 126), 1002),
        (masked(PING, b"", fin=False), 1002),
        (masked(CLOSE, b"\x03"), 1002),
        (masked(CLOSE, struct.pack("!H", 1005)), 1002),
        (masked(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
        (masked(TEXT, b"{"), 1011),
        (masked(TEXT, b""), 1011),
        (masked(BINARY, BEAT), 1011),
    ],
)
def test_fault_of_the_client_closes_with_its_code_and_no_reason(
    running: Running, sent: bytes, code: int
) -> None:
    """Codes as in the summary of section 8; what follows the fault is not carried out (M-1, M-8, M-11, M-12)."""
    client = running.client()
    client.say("1", "1", "room:a", "phx_join", {})
    client.message()
    client.send(sent, masked(TEXT, BEAT))
    assert client.close_code() == code
    assert running.application.left.acquire(timeout=TIMEOUT_S)


def test_message_of_exactly_the_limit_is_taken(running: Running) -> None:
    """The limit itself is allowed (M-12)."""
    client = running.client()
    client.send(masked(TEXT, BEAT + b" " * (100_000 - len(BEAT))))
    assert client.message()[1] == "1"


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4000, None])
def test_close_code_of_the_client_is_echoed_without_its_reason(running: Running, code: int | None) -> None:
    """Cowboy echoes the code (T-6); replies to what came before the close are sent first."""
    client = running.client()
    data = b"" if code is None else struct.pack("!H", code) + b"good bye"
    client.send(masked(TEXT, BEAT), masked(CLOSE, data), masked(TEXT, BEAT))
    assert client.message()[1] == "1"
    assert client.close_code() == code


def test_lost_connection_ends_its_channels(running: Running) -> None:
    """TCP without a close frame ends the channels too (T-7)."""
    client = running.client()
    client.say("1", "1", "room:a", "phx_join", {})
    client.message()
    client.socket.close()
    assert running.application.left.acquire(timeout=TIMEOUT_S)


def test_half_closed_client_still_gets_its_replies(running: Running) -> None:
    """Replies to what was sent before the end of the stream are written."""
    client = running.client()
    client.send(masked(TEXT, BEAT))
    client.socket.shutdown(socket.SHUT_WR)
    assert client.message()[1] == "1"
    assert client.at_end()


def test_disconnect_closes_both_sockets_of_the_agent_with_1001(running: Running) -> None:
    """The sender gets its reply first (T-4)."""
    sender, twin, other = (
        running.client(),
        running.client(),
        running.client("/socket/websocket?api_key=b&vsn=2.0.0"),
    )
    sender.say("1", "1", "room:a", "phx_join", {})
    sender.message()
    sender.say("1", "2", "room:a", "kick", {"id": "s:a"})
    assert sender.message()[1] == "2"
    assert (sender.close_code(), twin.close_code()) == (1001, 1001)
    other.send(masked(TEXT, BEAT))
    assert other.message()[1] == "1"


def test_silence_closes_with_1000(start: Callable[[Settings], Running]) -> None:
    """Without bytes from the client the connection is closed, and its channels with it (T-2, T-3)."""
    running = start(settings(idle_timeout_s=0.05))
    client = running.client()
    assert client.close_code() == 1000


def test_handshake_that_does_not_come_ends_tcp(start: Callable[[Settings], Running]) -> None:
    """A client that says nothing, or half a request, is dropped."""
    running = start(settings(handshake_timeout_s=0.05))
    client = running.raw()
    client.send(b"GET /socket")
    assert client.at_end()


def test_client_that_does_not_read_is_dropped_and_others_are_served(
    start: Callable[[Settings], Running],
) -> None:
    """What waits for a slow reader is bounded (8 MiB by default; 64 KiB here)."""
    running = start(settings(queue_bytes=65_536))
    slow, fast = running.client(), running.client()
    for client in (slow, fast):
        client.say("1", "1", "room:a", "phx_join", {})
        client.message()
    for ref in range(2, 200):
        fast.say("1", str(ref), "room:a", "shout", {"size": 100_000})
        assert fast.message()[1] == str(ref)
    assert running.application.left.acquire(timeout=TIMEOUT_S)
    fast.say("1", "200", "room:a", "echo", {})
    assert fast.message()[1] == "200"


def test_pipelining_client_is_held_back_not_dropped(start: Callable[[Settings], Running]) -> None:
    """A client that sends much before it reads gets every reply: reading pauses while its own replies wait."""
    running = start(settings(queue_bytes=65_536))
    client = running.client()
    client.say("1", "1", "room:a", "phx_join", {})
    filling = "x" * 10_000
    pushes = [json.dumps(["1", str(ref), "room:a", "echo", {"f": filling}]).encode() for ref in range(2000)]
    sender = threading.Thread(target=client.send, args=[masked(TEXT, push) for push in pushes])
    sender.start()
    refs = [client.message()[1] for _ in range(2001)]
    sender.join(TIMEOUT_S)
    assert refs == ["1", *map(str, range(2000))]


def test_reading_stops_while_writing_is_paused() -> None:
    """No request is taken from a client whose replies wait; a closing transport is left alone."""
    calls: list[str] = []
    tcp = SimpleNamespace(
        pause_reading=lambda: calls.append("pause"),
        resume_reading=lambda: calls.append("resume"),
        is_closing=lambda: len(calls) > 2,
        abort=lambda: None,
        get_write_buffer_size=lambda: 0,
    )

    async def use() -> None:
        backend = Backend(API, Echo(), Broker(), PhoenixVersion.parse("1.8"))
        transport = WebSocketTransport(backend, lambda _: Refuse(404), Limits(), set())
        transport.connection_made(cast("asyncio.Transport", tcp))
        for _ in range(2):
            transport.pause_writing()
            transport.resume_writing()
        transport.connection_lost(None)

    asyncio.run(use())
    assert calls == ["pause", "resume", "pause"]


@pytest.mark.parametrize(("version", "code"), [("1.8", 1012), ("1.7", 1012), ("1.6", 1000)])
def test_drain_tells_joined_sockets_to_come_back(
    start: Callable[[Settings], Running], version: str, code: int
) -> None:
    """Sockets with a channel get 1012, others 1000, without channel frames; new ones are refused (T-5, L-9)."""
    running = start(Settings(port=0, version=PhoenixVersion.parse(version)))
    joined, idle, half = running.client(), running.client(), running.raw()
    half.send(b"GET /")
    joined.say("1", "1", "room:a", "phx_join", {})
    joined.message()
    drained = running.start_drain()
    assert (joined.close_code(), idle.close_code()) == (code, 1000)
    for client in (joined, idle):
        client.socket.close()
    drained.result(TIMEOUT_S)
    assert running.server.connection_count == 0
    with pytest.raises(ConnectionRefusedError):
        running.raw()


def test_drain_drops_clients_that_do_not_end(start: Callable[[Settings], Running]) -> None:
    """A client that keeps TCP open does not keep the server."""
    running = start(Settings(port=0, drain_timeout_s=0.05))
    client = running.client()
    running.start_drain().result(TIMEOUT_S)
    assert running.server.connection_count == 0
    assert client.close_code() == 1000


def test_crash_of_the_socket_itself_is_1011(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the server ends one connection."""
    client = running.client()

    def crash(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("reference_server.connection.Connection.receive", crash)
    client.send(masked(TEXT, BEAT))
    assert client.close_code() == 1011


def test_credentials_are_in_no_log_line(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """At the finest level too, in any spelling of the parameter, for accepted and refused requests."""
    caplog.handler.setFormatter(JsonLines())
    with caplog.at_level(logging.DEBUG):
        for query in (
            "api_key=ak_hidden&vsn=2.0.0",
            "API_KEY=ak_hidden",
            "api%5Fkey=ak_hidden",
            "api%255Fkey=ak_hidden",
            "x=1&session_token=ak_hidden",
            "api_key[]=ak_hidden",
            "api_key%3Dak_hidden",
            "%61pi_key=ak_hidden%zz",
            "vsn=2.0.0?token=ak_hidden",
        ):
            client = running.raw()
            head = client.request(f"/socket/websocket?{query}")
            if head.startswith(b"HTTP/1.1 101"):
                client.send(masked(TEXT, b"{"))
                client.close_code()
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    handshakes = [line for line in lines if line["event"] == "handshake"]
    assert len([line for line in handshakes if line["target"].startswith("/socket/websocket?")]) == 9
    assert "ak_hidden" not in caplog.text
    assert "vsn=2.0.0" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        "connect api_key=S3CRET&vsn=2.0.0",
        "{'session_token': 'S3CRET'}",
        '{"token":"S3CRET"}',
        "Authorization: Bearer S3CRET",
        "api%5Fkey%3DS3CRET",
        "Token => S3CRET",
    ],
)
def test_filter_masks_what_slipped_through(line: str) -> None:
    """The second net masks free text, and keeps it one line."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "event", (), None)
    record.fields = {"text": f"{line}\nnext"}
    shown = JsonLines().format(record)
    assert "S3CRET" not in shown
    assert "***" in shown
    assert "next" in shown
    assert "\n" not in shown
