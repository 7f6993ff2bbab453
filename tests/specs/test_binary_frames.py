"""Tests of the binary layouts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specs import binary_frames
from specs.binary_frames import FieldTooLong, MalformedFrame, UnknownFrameKind

B1 = bytes.fromhex("00 02 03 05 05 31 32 31 32 33 74 6f 70 69 63 65 76 65 6e 74 65 66 67")
B2 = bytes.fromhex("00 02 05 05 31 32 74 6f 70 69 63 65 76 65 6e 74 65 66 67")
B3 = bytes.fromhex("01 02 03 05 02 31 32 31 32 33 74 6f 70 69 63 6f 6b 65 66 67")
B4 = bytes.fromhex("02 05 05 74 6f 70 69 63 65 76 65 6e 74 65 66 67")

fields = st.text(max_size=63)


def test_golden_client_push():
    """Vector B-1, both ways."""
    push = binary_frames.ClientPush("12", "123", "topic", "event", b"efg")
    assert binary_frames.pack_client_push(*push) == B1
    assert binary_frames.unpack_client(B1) == push


@pytest.mark.parametrize(
    ("packed", "frame", "layout"),
    [
        (
            binary_frames.pack_server_push("12", "topic", "event", b"efg"),
            B2,
            binary_frames.ServerPush("12", "topic", "event", b"efg"),
        ),
        (
            binary_frames.pack_server_reply("12", "123", "topic", "ok", b"efg"),
            B3,
            binary_frames.ServerReply("12", "123", "topic", "ok", b"efg"),
        ),
        (
            binary_frames.pack_server_broadcast("topic", "event", b"efg"),
            B4,
            binary_frames.ServerBroadcast("topic", "event", b"efg"),
        ),
    ],
)
def test_golden_server_frames(packed, frame, layout):
    """Vectors B-2, B-3 and B-4, both ways."""
    assert packed == frame
    unpacked = binary_frames.unpack_server(frame)
    assert (type(unpacked), unpacked) == (type(layout), layout)


@given(fields, fields, fields, fields, st.binary())
def test_a_push_survives_its_frame(join_ref, ref, topic, event, data):
    """Any text and any data come back; sizes count bytes (I-14)."""
    frame = binary_frames.pack_client_push(join_ref, ref, topic, event, data)
    assert binary_frames.unpack_client(frame) == (join_ref, ref, topic, event, data)


@given(st.sampled_from([B2, B3, B4]), st.data())
def test_a_cut_header_or_field_is_malformed(frame, data):
    """A frame that ends before its last field does is refused, never an IndexError."""
    cut = frame[: data.draw(st.integers(0, len(frame) - 4))]
    with pytest.raises(MalformedFrame):
        binary_frames.unpack_server(cut)


@pytest.mark.parametrize("frame", [b"", b"\x00", B1[:4], B1[:19]])
def test_a_cut_client_push_is_malformed(frame):
    """A client's frame shorter than its sizes claim is refused (M-8)."""
    with pytest.raises(MalformedFrame):
        binary_frames.unpack_client(frame)


@pytest.mark.parametrize("kind", [1, 2, 3, 255])
def test_a_client_may_send_kind_0_only(kind):
    """Other kinds are refused from a client (B-5)."""
    with pytest.raises(UnknownFrameKind):
        binary_frames.unpack_client(bytes([kind]) + B1[1:])


def test_an_unknown_kind_of_a_server_is_named_so():
    """Kinds 3 and 4 of other servers can be told from damage."""
    with pytest.raises(UnknownFrameKind):
        binary_frames.unpack_server(b"\x04" + B4[1:])


def test_255_bytes_fit_and_256_do_not():
    """The longest field has 255 bytes of UTF-8, not characters (B-8)."""
    assert (
        binary_frames.unpack_server(binary_frames.pack_server_broadcast("t" * 255, "e", b"")).topic
        == "t" * 255
    )
    with pytest.raises(FieldTooLong):
        binary_frames.pack_server_broadcast("é" * 128, "e", b"")


def test_a_field_that_is_not_utf8_is_malformed():
    """Bytes that are no text are refused."""
    with pytest.raises(MalformedFrame):
        binary_frames.unpack_client(b"\x00\x00\x00\x01\x00\xff")
