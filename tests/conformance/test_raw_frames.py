"""Tests of the frames written bit by bit, against the parser of `websockets`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from conformance.client.raw_frames import BINARY, TEXT, raw_close, raw_fragments, raw_frame


def _parsed(data: bytes) -> tuple[Frame, bytes]:
    reader = StreamReader()
    reader.feed_data(data)
    parsing = Frame.parse(reader.read_exact, mask=True)
    try:
        next(parsing)
    except StopIteration as stop:
        rest: bytes = bytes(reader.buffer)
        return stop.value, rest
    raise AssertionError("the frame is not whole")


@given(opcode=st.sampled_from([TEXT, BINARY, 0]), payload=st.binary(max_size=300), fin=st.booleans())
def test_an_honest_frame_is_read_back_by_another_parser(opcode: int, payload: bytes, fin: bool) -> None:
    """Opcode, payload and final bit come out of a foreign parser as they went in, with nothing left over."""
    frame, rest = _parsed(raw_frame(opcode, payload, fin=fin))
    assert (frame.opcode, bytes(frame.data), frame.fin, rest) == (Opcode(opcode), payload, fin, b"")


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536])
def test_every_form_of_the_length_is_written(size: int) -> None:
    """The three forms of the payload length are used at their limits."""
    frame, rest = _parsed(raw_frame(BINARY, bytes(size)))
    assert (len(frame.data), rest) == (size, b"")


def test_a_lying_length_is_written_as_told() -> None:
    """A claimed length stands in the header, whatever the payload's."""
    assert raw_frame(TEXT, b"abc", mask=False, length=5) == b"\x81\x05abc"


@pytest.mark.parametrize(("rsv", "first_byte"), [(1, 0x91), (2, 0xA1), (4, 0xC1)])
def test_a_reserved_bit_is_refused_by_another_parser(rsv: int, first_byte: int) -> None:
    """Each reserved bit stands in its place of the first byte, where a foreign parser refuses it."""
    data = raw_frame(TEXT, b"", rsv=rsv)
    assert data[0] == first_byte
    with pytest.raises(ProtocolError):
        _parsed(data)


def test_an_unmasked_frame_is_refused_by_another_parser() -> None:
    """A frame without a mask is what a server's parser refuses."""
    with pytest.raises(ProtocolError):
        _parsed(raw_frame(TEXT, b"abc", mask=False))


@given(payload=st.binary(max_size=300), key=st.binary(min_size=4, max_size=4))
def test_any_mask_is_taken_off_by_another_parser(payload: bytes, key: bytes) -> None:
    """Whatever its key, a mask leaves the data as they were."""
    frame, rest = _parsed(raw_frame(BINARY, payload, key=key))
    assert (bytes(frame.data), rest) == (payload, b"")


@pytest.mark.parametrize("bits", [7, 16, 64])
def test_a_length_is_written_in_the_form_that_is_asked_for(bits: int) -> None:
    """Three bytes have their length in one byte, in two, or in eight."""
    header = {7: b"\x81\x03", 16: b"\x81\x7e\x00\x03", 64: b"\x81\x7f" + bytes(7) + b"\x03"}[bits]
    assert raw_frame(TEXT, b"abc", mask=False, length_bits=bits) == header + b"abc"


def test_fragments_make_one_message() -> None:
    """The first has the opcode, the last one the final bit."""
    parts = [_parsed(data)[0] for data in raw_fragments(TEXT, [b"a", b"", b"c"])]
    assert [(part.opcode, bytes(part.data), part.fin) for part in parts] == [
        (Opcode.TEXT, b"a", False),
        (Opcode.CONT, b"", False),
        (Opcode.CONT, b"c", True),
    ]


@pytest.mark.parametrize(("code", "data"), [(None, b""), (1000, b"\x03\xe8bye"), (65535, b"\xff\xffbye")])
def test_a_close_frame_holds_any_code_or_none(code: int | None, data: bytes) -> None:
    """A code is two bytes before the reason; without one there is no reason either."""
    frame, _ = _parsed(raw_close(code, b"bye"))
    assert (frame.opcode, bytes(frame.data)) == (Opcode.CLOSE, data)
