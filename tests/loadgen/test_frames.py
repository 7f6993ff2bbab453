"""The small codec, read by a codec that we did not write."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from loadgen.client.frames import binary_frame, body_of, text_frame

LENGTHS = (0, 1, 125, 126, 127, 65_535, 65_536, 200_000)


def read(data: bytes) -> Frame:
    protocol = ServerProtocol()
    protocol.state = protocol.state.OPEN
    protocol.parser = protocol.parse()
    next(protocol.parser)
    protocol.reader.feed_data(data)
    next(protocol.parser)
    [frame] = protocol.events_received()
    assert isinstance(frame, Frame)
    return frame


@pytest.mark.parametrize("length", LENGTHS)
def test_a_text_frame_is_read_by_another_implementation(length: int) -> None:
    """A masked text frame of any length comes out as it went in."""
    frame = read(text_frame(b"x" * length))
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, b"x" * length)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_binary_frame_is_read_by_another_implementation(length: int) -> None:
    """A masked binary frame of any length comes out as it went in."""
    frame = read(binary_frame(b"\x00" * length))
    assert (frame.opcode, bytes(frame.data)) == (Opcode.BINARY, b"\x00" * length)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_body_of_a_servers_frame_is_found(length: int) -> None:
    """Where the payload begins and how long it is comes out for every form of the length."""
    data = Frame(Opcode.TEXT, b"y" * length).serialize(mask=False)
    body, found = body_of(data, 0, len(data))
    assert (data[body:], found) == (b"y" * length, length)


def test_a_head_that_is_not_whole_is_waited_for() -> None:
    """Two of the four bytes of a head say nothing."""
    assert body_of(b"\x81\x7e", 0, 2) == (0, 0)


def test_a_masked_frame_of_a_server_is_told() -> None:
    """A server must not mask; such a frame has the length -1."""
    data = Frame(Opcode.TEXT, b"abc").serialize(mask=True)
    assert body_of(data, 0, len(data))[1] == -1
