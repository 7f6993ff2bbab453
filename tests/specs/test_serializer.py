"""Tests of both serializers."""

from __future__ import annotations

import json

import pytest

from specs.message import Frame, Message, reply
from specs.serializer import (
    SERIALIZERS,
    FieldTooLong,
    MalformedFrame,
    UnencodableMessage,
    choose_version,
)

V1, V2 = SERIALIZERS["1.0.0"], SERIALIZERS["2.0.0"]


def text(value):
    return Frame(json.dumps(value).encode(), is_text=True)


@pytest.mark.parametrize(
    ("vsn", "expected"),
    [(None, V1), ("1.0.0", V1), ("1.0.9", V1)]
    + [(vsn, V2) for vsn in ("2.0.0", "2.0.7", "2.0.1-dev", "2.0.0+build")],
)
def test_an_accepted_version_chooses_its_serializer(vsn, expected):
    """The accepted examples of HS-3."""
    assert SERIALIZERS[choose_version(vsn)] is expected


@pytest.mark.parametrize(
    "vsn",
    [
        "1.1.0",
        "2.1.0",
        "2.0.0-rc.1",
        "3.0.0",
        "123.1.1",
        "",
        "2",
        "2.0",
        "v2.0.0",
        "02.0.0",
        " 2.0.0",
        "9",
        "abc",
        "1.9.9",
        "2.0.0\n",
        "2.0.0-",
        "2.0.1-01",
        "2.0.0+",
        "٢.0.0",
    ],
)
def test_another_version_is_refused(vsn):
    """The refused examples of HS-3 and section 17, and what Elixir cannot parse."""
    assert choose_version(vsn) is None


def test_2_0_0_takes_elements_after_the_fifth():
    """They are ignored (F-2)."""
    assert V2.decode_client(text(["1", 2, None, {"e": 1}, [], 6])) == Message("1", 2, None, {"e": 1}, [])


@pytest.mark.parametrize("value", [[], [1, 2, 3, 4], {"topic": "t"}, "x", 1, None, True])
def test_2_0_0_refuses_what_is_no_message(value):
    """No array, or one with less than five (M-2, M-4)."""
    with pytest.raises(MalformedFrame):
        V2.decode_client(text(value))


@pytest.mark.parametrize("serializer", [V1, V2])
@pytest.mark.parametrize("data", [b"", b"{", b"[1] x", b'["\\ud800"]', b"\xff"])
def test_what_is_no_json_is_a_malformed_frame(serializer, data):
    """Either half of either serializer says so (M-1)."""
    for decode in (serializer.decode_client, serializer.decode_server):
        with pytest.raises(MalformedFrame):
            decode(Frame(data, is_text=True))


def test_2_0_0_refuses_json_in_a_binary_frame():
    """JSON with the binary opcode is no binary layout (M-8)."""
    with pytest.raises(MalformedFrame):
        V2.decode_client(Frame(b'[null,"1","phoenix","heartbeat",{}]', is_text=False))


def test_absent_refs_of_a_binary_push_are_empty_strings():
    """Length 0 decodes to the empty string, as recorded from Phoenix (B-6)."""
    frame = Frame(b"\x00\x00\x01\x07\x091phoenixheartbeat", is_text=False)
    assert V2.decode_client(frame) == Message("", "1", "phoenix", "heartbeat", b"")


def test_1_0_0_honours_a_join_ref_and_ignores_unknown_keys():
    """F-4, with either opcode (B-10)."""
    value = {"topic": "t", "event": "e", "payload": None, "ref": None, "join_ref": "7", "more": 1}
    for is_text in (True, False):
        frame = Frame(json.dumps(value).encode(), is_text)
        assert V1.decode_client(frame) == Message("7", None, "t", "e", None)


@pytest.mark.parametrize("missing", ["topic", "event", "payload", "ref"])
def test_1_0_0_names_the_missing_key(missing):
    """A required key that is absent makes the frame malformed (M-3)."""
    value = {key: None for key in ("topic", "event", "payload", "ref") if key != missing}
    with pytest.raises(MalformedFrame, match=missing):
        V1.decode_client(text(value))


@pytest.mark.parametrize("value", [[], "x", None, ["1", "1", "t", "phx_join", {}]])
def test_1_0_0_refuses_what_is_no_object(value):
    """An array of 2.0.0 above all (M-4)."""
    with pytest.raises(MalformedFrame):
        V1.decode_client(text(value))


def test_a_duplicate_key_of_a_client_is_read_as_phoenix_does():
    """The first value counts (section 17)."""
    message = V2.decode_client(Frame(b'["1","2","t","e",{"dup":1,"dup":2}]', is_text=True))
    assert message.payload == {"dup": 1}


def test_1_0_0_never_sends_a_join_ref():
    """Exactly four keys (F-3)."""
    frame = V1.encode_server(reply("1", "2", "t", "ok", {}))
    assert frame.is_text
    assert json.loads(frame.data) == {
        "topic": "t",
        "event": "phx_reply",
        "payload": {"status": "ok", "response": {}},
        "ref": "2",
    }


@pytest.mark.parametrize("message", [Message("1", None, "t", "e", b"x"), reply("1", "2", "t", "ok", b"x")])
def test_1_0_0_has_no_binary_payloads(message):
    """Neither half writes one (B-10)."""
    for encode in (V1.encode_server, V1.encode_client):
        with pytest.raises(UnencodableMessage):
            encode(message)


@pytest.mark.parametrize(
    ("message", "vector"),
    [
        (
            Message("12", None, "topic", "event", b"efg"),
            "00 02 05 05 31 32 74 6f 70 69 63 65 76 65 6e 74 65 66 67",
        ),
        (
            reply("12", "123", "topic", "ok", b"efg"),
            "01 02 03 05 02 31 32 31 32 33 74 6f 70 69 63 6f 6b 65 66 67",
        ),
        (Message(None, None, "topic", "event", b"efg"), "02 05 05 74 6f 70 69 63 65 76 65 6e 74 65 66 67"),
    ],
)
def test_a_binary_payload_of_a_server_takes_the_layout_of_its_kind(message, vector):
    """Push B-2, reply B-3 and broadcast B-4; the client reads back what was sent."""
    frame = V2.encode_server(message)
    assert frame == Frame(bytes.fromhex(vector), is_text=False)
    assert V2.decode_server(frame) == message


def test_a_binary_push_of_a_client_takes_its_own_layout():
    """B-1, which a server reads back."""
    message = Message("12", "123", "topic", "event", b"efg")
    frame = V2.encode_client(message)
    assert frame.data.hex() == "0002030505313231323" + "3746f7069636576656e74656667"
    assert V2.decode_client(frame) == message


def test_refs_of_a_binary_reply_become_text():
    """Numbers are written as text, null as nothing (F-6, B-6)."""
    assert V2.decode_server(V2.encode_server(reply(None, 7, "t", "ok", b""))) == reply(
        "", "7", "t", "ok", b""
    )


@pytest.mark.parametrize(
    "message",
    [
        Message("1", "2", "t", "e", b""),
        Message({"a": 1}, None, "t", "e", b""),
        Message(None, None, "t", "e", "\ud800"),
    ],
)
def test_what_has_no_frame_is_not_written(message):
    """A ref on a binary push, an object as a field, a lone surrogate."""
    with pytest.raises(UnencodableMessage):
        V2.encode_server(message)


def test_a_long_field_has_no_binary_frame_but_a_text_frame():
    """255 bytes is a limit of the binary layouts alone (B-8)."""
    with pytest.raises(FieldTooLong):
        V2.encode_server(Message(None, None, "t" * 256, "e", b""))
    assert V2.encode_server(Message(None, None, "t" * 256, "e", {})).is_text


@pytest.mark.parametrize(
    "message",
    [
        Message("3", "4", "room:a", "ev", {"x": [1]}),
        Message([1], {"a": 1}, 5, "ev", None),
        reply(1, 2, "t", "ok", []),
    ],
)
def test_text_keeps_the_json_type_of_every_field(message):
    """Refs are echoed with their type (F-6), in either direction."""
    assert V2.decode_server(V2.encode_server(message)) == message
    assert V2.decode_client(V2.encode_client(message)) == message


def test_1_0_0_of_a_client_carries_its_join_ref_to_the_server():
    """It is sent where there is one, and absent where there is none (F-4)."""
    message = Message("1", "2", "t", "e", {})
    assert V1.decode_client(V1.encode_client(message)) == message
    assert "join_ref" not in json.loads(V1.encode_client(Message(None, "2", "t", "e", {})).data)


@pytest.mark.parametrize(
    "frame",
    [
        text([1, 2, "t", "e", {}, 6]),
        text([1, 2, "t", "e"]),
        text({}),
        text([1, 2, "t", None, {}]),
        Frame(b"\x03", is_text=False),
    ],
)
def test_a_client_reads_frames_of_2_0_0_strictly(frame):
    """Not five elements, no string as event, or an unknown kind is a malformed frame."""
    with pytest.raises(MalformedFrame):
        V2.decode_server(frame)


@pytest.mark.parametrize(
    "frame",
    [
        text({"topic": "t", "event": "e", "payload": {}, "ref": None, "join_ref": None}),
        text({"topic": "t", "event": "e", "payload": {}}),
        text([1]),
        Frame(b'{"topic":"t","event":"e","payload":{},"ref":null}', is_text=False),
    ],
)
def test_a_client_reads_frames_of_1_0_0_strictly(frame):
    """A leaked join_ref (I-13), a lacking key, an array and a binary frame are malformed."""
    with pytest.raises(MalformedFrame):
        V1.decode_server(frame)
