"""Tests of `reference_server.wire_protocol`: the lane for plain frames changes nothing that anyone can see."""

from __future__ import annotations

import gc
import struct
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server.handshake import Refuse
from reference_server.http_responses import refusal, switching
from reference_server.wire_protocol import WireProtocol
from specs.message import Frame

MAX_BYTES = 300
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
CRASH, END = b"crash", b"end"


class WithoutLane(WireProtocol):
    """The library reads every frame."""

    def recv_frame(self, frame: Any) -> None:
        super().recv_frame(frame)


class Observed:
    """A server's half of a connection, and all that it does: messages, its end, and bytes."""

    def __init__(self, kind: type[WireProtocol], *, max_bytes: int = MAX_BYTES) -> None:
        self.seen: list[Any] = []
        self.wire = kind(max_bytes, self._received, self._ended)
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

    def _ended(self, code: int | None) -> None:
        self.seen.append(code)

    def feed(self, data: bytes) -> None:
        self.wire.receive_data(data)
        self.seen.append((self.wire.data_to_send(), self.wire.state, self.wire.close_code))


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
        [CRASH, END, b"", b"\xff", b"x" * 125, b"x" * 126, b"x" * MAX_BYTES, b"x" * (MAX_BYTES + 1)]
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


@settings(max_examples=500)
@given(segmented())
def test_frames_are_read_alike_with_and_without_the_lane(segments: list[bytes]) -> None:
    """Messages, ends, answers and state are the same after every segment, whatever comes and however it is cut."""
    with_lane, without = Observed(WireProtocol), Observed(WithoutLane)
    for segment in segments:
        for each in (with_lane, without):
            each.feed(segment)
        assert with_lane.seen == without.seen
    for each in (with_lane, without):
        each.wire.receive_eof()
        each.seen.append((each.wire.data_to_send(), each.wire.state, each.wire.close_code))
    assert with_lane.seen == without.seen


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
