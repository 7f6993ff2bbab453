"""What is fuzzed within this process: functions that take any bytes, and fail by an exception of their own only.

A target raises for a fault of the code under test; a refusal that the code documents is no fault.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Final

from websockets.http11 import Request

from reference_server.application import Application
from reference_server.handshake import MalformedQuery, Policy, QueryNotUnicode, decide, parse_query
from reference_server.http_responses import switching
from reference_server.request_head import RequestHead
from reference_server.traffic import FrameBudget
from reference_server.versions import PhoenixVersion
from reference_server.wire_protocol import WireProtocol
from specs import binary_frames, json_limits, json_text
from specs.json_text import DuplicateKey, MalformedJson
from specs.loader import load
from specs.message import Frame, Message, reply
from specs.serializer import SERIALIZERS, V1, V2, FieldTooLong, MalformedFrame, UnencodableMessage
from tests.fuzz import seeds
from tests.fuzz.pretended import World
from tests.reference_server.adversary import KEY

Target = Callable[[bytes], None]


def json_codec(data: bytes) -> None:
    """All decoders take the same texts, but for repeated members; what they take can be written and read again."""
    is_within_limits = json_limits.excess(data, 128, 1000) is None
    assert is_within_limits or len(data) > 256
    try:
        value = json_text.decode(data)
    except MalformedJson:
        value = None
        _refused_by(json_text.decode_first_wins, data)
        _refused_by(json_text.decode_strict, data)
    else:
        first = json_text.decode_first_wins(data)
        if not is_within_limits:
            # The interpreter cannot compare what nests so deep.
            return
        try:
            strict = json_text.decode_strict(data)
        except DuplicateKey:
            assert json_text.repeats_a_member(first)
        else:
            assert strict == value == first
            assert not json_text.repeats_a_member(first)
        assert json_text.decode(json_text.encode(first)) == first


def _refused_by(decode: Callable[[bytes], Any], data: bytes) -> None:
    try:
        decode(data)
    except MalformedJson:
        return
    raise AssertionError("one decoder takes what another refuses")


def serializer_v1(data: bytes) -> None:
    """Serializer 1.0.0 reads a message or refuses the frame, and can answer whatever it has read."""
    _serializer(SERIALIZERS["1.0.0"], Frame(data, is_text=True))


def serializer_v2(data: bytes) -> None:
    """Serializer 2.0.0 likewise; its lane for plain texts reads what the general decoder reads."""
    _serializer(SERIALIZERS["2.0.0"], Frame(data, is_text=True))
    plain = json_text.decode_plain_fields(data)
    assert plain is None or list(plain) == json_text.decode_first_wins(data)


def binary_layouts(data: bytes) -> None:
    """Binary frames are read or refused; what was read is written as the same bytes."""
    _serializer(SERIALIZERS["2.0.0"], Frame(data, is_text=False))
    with suppress(MalformedFrame):
        assert binary_frames.pack_client_push(*binary_frames.unpack_client(data)) == data
    with suppress(MalformedFrame):
        binary_frames.unpack_server(data)


def _serializer(serializer: V1 | V2, frame: Frame) -> None:
    with suppress(MalformedFrame):
        _answer(serializer, serializer.decode_client(frame))
    with suppress(MalformedFrame):
        serializer.decode_server(frame)


def _answer(serializer: V1 | V2, message: Message) -> None:
    try:
        answer = serializer.encode_server(
            reply(message.join_ref, message.ref, message.topic, "ok", message.payload)
        )
    except (UnencodableMessage, FieldTooLong):
        return
    read = serializer.decode_server(answer)
    assert read.topic == message.topic or isinstance(message.payload, bytes)


def query(data: bytes) -> None:
    """A query is read or refused."""
    with suppress(MalformedQuery, QueryNotUnicode):
        parse_query(data.decode("latin-1"))


@cache
def _policy() -> Policy:
    api = load()
    application = Application(api, seed=1, control_token="b")
    return Policy(
        tuple(api.sockets.values()), application, PhoenixVersion.parse("1.8"), ("https://a.example",)
    )


def request(data: bytes) -> None:
    """Whatever is sent before the handshake is collected, parsed and decided on, in any pieces."""
    head = RequestHead(2000)
    protocol = WireProtocol(1000, lambda _: None, lambda _: None)
    size = 1 + len(data) % 97
    for at in range(0, len(data), size):
        whole = head.add(data[at : at + size])
        if whole is not None:
            if head.refusal_status(whole[0]) is None:
                protocol.receive_data(whole[0])
                for event in protocol.events_received():
                    assert isinstance(event, Request)
                    decide(event, _policy())
            break


def wire(data: bytes) -> None:
    """Bytes behind the handshake become messages within the limits, and then one end, in any pieces."""
    taken: list[Frame] = []
    ends: list[int | None] = []
    budget = FrameBudget(1, 50, 0.0)
    protocol = WireProtocol(3000, taken.append, ends.append, frame_bytes=2000, budget=budget)
    protocol.receive_data(f"GET / HTTP/1.1\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode())
    protocol.events_received()
    protocol.send_response(switching(KEY))
    size = 1 + len(data) % 61
    for at in range(0, len(data), size):
        if data[at] % 7 == 0:
            protocol.hold()
        protocol.receive_data(data[at : at + size])
        protocol.release()
    protocol.receive_eof()
    assert len(taken) <= 50
    assert all(len(frame.data) <= 3000 for frame in taken)
    assert ends
    for frame in taken:
        if frame.is_text:
            frame.data.decode()
    written = protocol.data_to_send()
    assert written.count(b"") == 1
    assert not written[-1]


def connection(data: bytes) -> None:
    """A connection of the whole server takes any bytes; it logs no fault, and another connection is answered as ever."""
    world = _world()
    world.feed(data)
    if world.faults:
        raise AssertionError(f"the server logged: {world.faults}")


@cache
def _world() -> World:
    return World()


TARGETS: Final[dict[str, tuple[Target, Callable[[], tuple[bytes, ...]]]]] = {
    "json_codec": (json_codec, seeds.texts),
    "serializer_v1": (serializer_v1, seeds.texts),
    "serializer_v2": (serializer_v2, seeds.texts),
    "binary_layouts": (binary_layouts, seeds.binaries),
    "query": (query, seeds.heads),
    "request": (request, seeds.heads),
    "wire": (wire, seeds.streams),
    "connection": (connection, lambda: (*seeds.streams(), *seeds.texts())),
}
"""Target and seeds by name."""
