"""A transport that must wait, for a client that does not read or for a commit, carries out everything once and in order."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server import turns
from reference_server.broker import Broker
from reference_server.commits import Commits
from reference_server.connection import Backend
from reference_server.handshake import Accept
from reference_server.limits import Limits
from reference_server.outcome import Channel, Identity, Outcome
from reference_server.transport import WebSocketTransport
from reference_server.versions import PhoenixVersion
from specs.loader import load
from specs.message import Frame
from specs.serializer import SERIALIZERS
from tests.reference_server.adversary import BINARY, CLOSE, CONT, KEY, PING, TEXT, frame, text

API = load()
SOCKET = API.sockets["agent"]
TOPIC = "agents:discovery"
REQUEST = f"GET / HTTP/1.1\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode()


@pytest.fixture(scope="module", autouse=True)
def endless_turns() -> Iterator[None]:
    """These connections are alone with the loop, which does not turn: nobody has to go first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "TURN_S", math.inf)
        yield


class Changing:
    """Everybody may join; every push makes a change, if there are commits, and is answered by its payload."""

    def __init__(self, commits: Commits | None) -> None:
        self._commits = commits

    def authenticate(self, *_: Any) -> Identity | None:
        raise NotImplementedError

    def join(self, channel: Channel, payload: Any) -> Outcome:
        return Outcome()

    def handle(self, channel: Channel, event: str, payload: Any) -> Outcome:
        if self._commits is not None:
            self._commits.make()
        return Outcome(response=payload)

    def leave(self, channel: Channel) -> tuple[()]:
        return ()


class Tcp:
    """A TCP transport that notes what is done to it, and whose buffer may be full after every write."""

    protocol: WebSocketTransport
    fills_up = False

    def __init__(self) -> None:
        self.is_full = False
        self.written = bytearray()
        self.is_reading = True
        self.is_aborted = self.is_ended = False
        self.buffered_bytes = 0

    def write(self, data: bytes) -> None:
        assert not self.is_ended
        self.written += data
        if self.fills_up:
            self.is_full = True
            self.protocol.pause_writing()

    def empty(self) -> None:
        """Let the buffer go to the client, as often as it fills up again."""
        while self.is_full:
            self.is_full = False
            self.protocol.resume_writing()

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def get_write_buffer_size(self) -> int:
        return self.buffered_bytes

    def is_closing(self) -> bool:
        return self.is_aborted

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_ended = True

    def abort(self) -> None:
        self.is_aborted = True


class Served:
    """An open connection on a pretended TCP transport; keeps no change unless told to."""

    def __init__(self, limits: Limits | None = None, *, keeps_at_once: bool = False) -> None:
        self.commits = Commits()
        application = Changing(None if keeps_at_once else self.commits)
        self.tcp = Tcp()
        backend = Backend(API, application, Broker(), PhoenixVersion.parse("1.8"), self.commits)
        accept = Accept(Identity(SOCKET, "a"), SERIALIZERS["2.0.0"], KEY)
        self.transport = WebSocketTransport(backend, lambda _: accept, limits or Limits(), set())
        self.tcp.protocol = self.transport
        self.transport.connection_made(cast("asyncio.Transport", self.tcp))
        self.transport.data_received(REQUEST)
        self.transport.data_received(text("1", "1", TOPIC, "phx_join", {}))
        self.tcp.written.clear()

    def keep(self) -> None:
        """Keep all changes that were made."""
        self.commits.keep(self.commits.made)

    def refs(self) -> list[str]:
        """Return the refs of all replies that were written."""
        data, at, refs = bytes(self.tcp.written), 0, []
        while at < len(data):
            length, at = data[at + 1], at + 2
            if length == 126:
                length, at = int.from_bytes(data[at : at + 2], "big"), at + 2
            elif length == 127:
                length, at = int.from_bytes(data[at : at + 8], "big"), at + 8
            refs.append(json.loads(data[at : at + length])[1])
            at += length
        return refs

    def end(self) -> None:
        """Lose the connection."""
        self.transport.connection_lost(None)


def _echo(ref: int, size: int) -> bytes:
    return text("1", str(ref), TOPIC, "echo", {"filling": "x" * size})


def test_what_waits_for_a_commit_stops_the_reading() -> None:
    """However much a client sends, little is carried out before the commit; then all of it is, once and in order."""

    async def use() -> None:
        served = Served()
        segments = [b"".join(_echo(10 * number + each, 2000) for each in range(10)) for number in range(50)]
        fed = 0
        while served.tcp.is_reading:
            served.transport.data_received(segments[fed])
            fed += 1
        assert 1 < fed < 10
        assert not served.tcp.written
        assert served.commits.made < 100
        for segment in segments[fed:]:
            while not served.tcp.is_reading:
                served.keep()
            served.transport.data_received(segment)
        while len(served.refs()) < 500:
            served.keep()
        assert served.refs() == [str(ref) for ref in range(500)]
        served.end()

    asyncio.run(use())


def test_what_others_send_while_a_commit_is_awaited_is_bounded() -> None:
    """Bytes that are held count as bytes that wait."""

    async def use() -> None:
        served = Served(Limits(queue_bytes=200_000))
        served.transport.data_received(_echo(2, 10))
        sent_bytes = 0
        while not served.tcp.is_aborted and sent_bytes < 1_000_000:
            served.transport.send(Frame(b"x" * 10_000, is_text=True))
            sent_bytes += 10_000
        assert 200_000 <= sent_bytes <= 220_000
        served.end()

    asyncio.run(use())


def test_a_client_that_ended_its_half_while_its_frames_waited_gets_their_replies() -> None:
    """The end of the stream is taken note of after the frames before it."""

    async def use() -> None:
        served = Served(keeps_at_once=True)
        served.transport.pause_writing()
        served.transport.data_received(_echo(2, 1) + _echo(3, 1))
        assert served.transport.eof_received()
        assert not served.tcp.written
        served.transport.resume_writing()
        assert served.refs() == ["2", "3"]
        assert served.tcp.is_ended
        served.end()

    asyncio.run(use())


FRAMES = st.one_of(
    st.builds(_echo, st.integers(2, 99), st.sampled_from([0, 5, 200, 30_000])),
    st.builds(lambda size: frame(PING, b"p" * size), st.integers(0, 5)),
    st.just(text(None, "b", "phoenix", "heartbeat", {})),
    st.just(frame(TEXT, b'[null,"f","phoenix"', fin=False) + frame(CONT, b',"heartbeat",{}]')),
    st.just(frame(BINARY, b"\x00\x00\x01\x07\x09bphoenixheartbeat")),
    st.sampled_from([frame(CLOSE, b""), frame(TEXT, b"{"), frame(TEXT, b"\xff"), frame(3, b"")]),
)


@settings(deadline=None)
@given(st.lists(FRAMES, max_size=12), st.lists(st.sampled_from([1, 30, 500, 9_000, 300_000]), min_size=1))
def test_waiting_changes_nothing_of_what_is_answered(frames: list[bytes], sizes: list[int]) -> None:
    """In any segments, with a pause after every write, also within a segment: the same bytes as without a pause."""

    async def use() -> None:
        stream = b"".join(frames)
        plain, paused = Served(keeps_at_once=True), Served(keeps_at_once=True)
        plain.transport.data_received(stream)
        paused.tcp.fills_up = True
        at = number = 0
        while at < len(stream):
            size = sizes[number % len(sizes)]
            # Two of them, for what the kernel had handed over before the pause still comes.
            paused.transport.data_received(stream[at : at + size])
            paused.transport.data_received(stream[at + size : at + 2 * size])
            paused.tcp.empty()
            at, number = at + 2 * size, number + 1
        assert paused.tcp.written == plain.tcp.written
        assert paused.tcp.is_ended == plain.tcp.is_ended
        plain.end()
        paused.end()

    asyncio.run(use())
