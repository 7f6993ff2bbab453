"""Tests of `reference_server.wire_protocol`: the lane for plain frames changes nothing that anyone can see."""

from __future__ import annotations

import gc
import struct
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.protocol import State

from reference_server.handshake import Refuse
from reference_server.http_responses import refusal, switching
from reference_server.traffic import FrameBudget
from reference_server.wire_protocol import WireProtocol
from specs.message import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES, MAX_FRAME_BYTES = 300, 200
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
CRASH, END, HOLD = b"crash", b"end", b"hold"


class WithoutLane(WireProtocol):
    """The library reads every frame."""

    def recv_frame(self, frame: Any) -> None:
        super().recv_frame(frame)


class Observed:
    """A server's half of a connection, and all that it does: messages, its end, and bytes.

    Args:
        kind: What is observed.
        frames: How many frames may come.

    """

    def __init__(self, kind: type[WireProtocol], *, frames: int = 1000) -> None:
        self.seen: list[Any] = []
        budget = FrameBudget(0, frames, 0)
        self.wire = kind(MAX_BYTES, self._received, self._ended, frame_bytes=MAX_FRAME_BYTES, budget=budget)
        self.wire.receive_data(REQUEST)
        self.wire.events_received()
        self.wire.send_response(switching("dGhlIHNhbXBsZSBub25jZQ=="))
        self.wire.data_to_send()

    def _received(self, frame: Frame) -> None:
        self.seen.append(frame)
        if frame.data == CRASH:
            raise RuntimeError
        if frame.data == END:
            self.wire.fail(4000)
        if frame.data == HOLD:
            self.wire.hold()

    def _ended(self, code: int | None) -> None:
        self.seen.append(code)

    def feed(self, data: bytes) -> None:
        self.do(self.wire.receive_data, data)

    def do(self, step: Callable[..., None], *args: Any) -> None:
        """Take a step and note what it led to."""
        step(*args)
        self.seen.append((self.wire.data_to_send(), self.wire.state, self.wire.close_code))

    def turn(self) -> None:
        """Hold frames back, or carry out those that have waited."""
        self.do(self.wire.release if self.wire.is_holding() else self.wire.hold)


def raw_frame(
    opcode: int, data: bytes, head: int = 0x80, *, mask: bytes = b"\x01\x02\x03\x04", form: int = 0
) -> bytes:
    """Build a frame of a client; `form` 126 and 127 take longer forms of the length than it needs."""
    form = max(form, 127 if len(data) > 65535 else 126 if len(data) > 125 else 0)
    size = (
        struct.pack("!H", len(data)) if form == 126 else struct.pack("!Q", len(data)) if form == 127 else b""
    )
    body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data)) if mask else data
    return bytes([head | opcode, (0x80 if mask else 0) | (form or len(data))]) + size + mask + body


payloads = (
    st.binary(max_size=12)
    | st.text(max_size=8).map(str.encode)
    | st.sampled_from(
        [
            CRASH,
            END,
            HOLD,
            HOLD,
            b"",
            b"\xff",
            b"x" * 125,
            b"x" * 126,
            b"x" * MAX_BYTES,
            b"x" * (MAX_BYTES + 1),
        ]
    )
)
masks = st.sampled_from([b"\x01\x02\x03\x04", b"\x00\x00\x00\x00", b"\xff\x00\xff\x00"])
plain_frames = st.builds(
    raw_frame, st.just(TEXT), payloads, mask=masks, form=st.sampled_from([0, 0, 0, 126, 127])
)
any_frames = st.builds(
    raw_frame,
    st.sampled_from([CONT, TEXT, BINARY, CLOSE, PING, PONG, 3]),
    payloads | st.just(b"\x03\xe8"),
    st.sampled_from([0x80, 0x80, 0x80, 0x00, 0xC0]),
    mask=masks | st.just(b""),
    form=st.sampled_from([0, 0, 126]),
)
streams = st.tuples(
    st.lists(plain_frames | plain_frames | any_frames, max_size=8).map(b"".join), st.binary(max_size=6)
).map(b"".join)


@st.composite
def segmented(draw: st.DrawFn) -> list[bytes]:
    """Draw what a client sends, cut anywhere."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@settings(max_examples=300, deadline=None)
@given(segmented(), st.sets(st.integers(0, 8)), st.sampled_from([2, 5, 1000]))
def test_frames_are_read_alike_with_and_without_the_lane(
    segments: list[bytes], turns: set[int], frames: int
) -> None:
    """All that is done is the same after every step, whatever comes, however it is cut, and whenever it is held back."""
    with_lane, without = Observed(WireProtocol, frames=frames), Observed(WithoutLane, frames=frames)
    for number, segment in enumerate([*segments, None]):
        for each in (with_lane, without):
            if number in turns:
                each.turn()
            if segment is None:
                each.do(each.wire.receive_eof)
            else:
                each.feed(segment)
        assert with_lane.seen == without.seen
    for _ in range(12):
        for each in (with_lane, without):
            if each.wire.is_holding():
                each.turn()
        assert with_lane.seen == without.seen


@pytest.mark.parametrize("last", [raw_frame(CLOSE, b"\x03\xe8"), b"\x81\x02{}"], ids=["closed", "failed"])
def test_nothing_is_held_once_the_connection_ends(last: bytes) -> None:
    """Holding back in the middle of the last frame, or behind it, leaves nothing to be released behind the end."""
    observed = Observed(WireProtocol)
    observed.feed(last[:1])
    observed.wire.hold()
    observed.feed(last[1:])
    observed.wire.hold()
    assert not observed.wire.is_holding()
    observed.wire.receive_eof()
    assert observed.wire.state is State.CLOSED


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_frame_for_the_lane_may_come_byte_by_byte(size: int) -> None:
    """A cut frame stays in the lane, and so do those behind it."""
    observed = Observed(WireProtocol)
    stream = b"".join(raw_frame(TEXT, data) for data in (b"one", b"x" * 200, "drei ✓".encode()))
    library_reads = 0

    def recv_frame(frame: Any) -> None:
        nonlocal library_reads
        library_reads += 1

    observed.wire.recv_frame = recv_frame  # type: ignore[method-assign]
    for start in range(0, len(stream), size):
        observed.wire.receive_data(stream[start : start + size])
    assert [frame.data for frame in observed.seen] == [b"one", b"x" * 200, "drei ✓".encode()]
    assert library_reads == 0


def test_the_lane_is_taken_again_after_another_frame() -> None:
    """A ping, or a message in fragments, leaves the lane open for what follows."""
    observed = Observed(WireProtocol)
    read: list[Any] = []
    library = observed.wire.recv_frame

    def recv_frame(frame: Any) -> None:
        read.append(frame.opcode)
        library(frame)

    observed.wire.recv_frame = recv_frame  # type: ignore[method-assign]
    for frame in (
        raw_frame(TEXT, b"1"),
        raw_frame(PING, b""),
        raw_frame(TEXT, b"2"),
        raw_frame(TEXT, b"3", 0),
        raw_frame(CONT, b"4"),
        raw_frame(TEXT, b"5"),
    ):
        observed.wire.receive_data(frame)
    assert [frame.data for frame in observed.seen] == [b"1", b"2", b"34", b"5"]
    assert read == [PING, TEXT, CONT]


@pytest.mark.parametrize("method", ["recv_frame", "_assemble"])
def test_a_subclass_that_replaces_a_step_sees_every_frame(method: str) -> None:
    """What the lane would pass by is called all the same where it was replaced."""
    calls: list[Any] = []
    kind = type("Replaced", (WireProtocol,), {method: lambda _self, frame: calls.append(frame.data)})
    Observed(kind).feed(raw_frame(TEXT, b"a") + raw_frame(TEXT, b"b"))
    assert calls == [b"a", b"b"]


def test_the_request_is_forgotten_once_it_is_answered() -> None:
    """A connection holds neither the request nor the credentials in it."""
    wire = WireProtocol(MAX_BYTES, lambda _: None, lambda _: None)
    wire.receive_data(REQUEST)
    (request,) = wire.events_received()
    gone = weakref.ref(request)
    wire.send_response(switching("dGhlIHNhbXBsZSBub25jZQ=="))
    del request
    gc.collect()
    assert gone() is None


def test_no_frame_is_read_behind_a_refused_request() -> None:
    """The lane opens with a 101 alone."""
    seen: list[Any] = []
    wire = WireProtocol(MAX_BYTES, seen.append, seen.append)
    wire.receive_data(REQUEST)
    wire.send_response(refusal(Refuse(403)))
    wire.receive_data(raw_frame(TEXT, b"a"))
    assert seen == []
