"""Binary frames of every fault: cut anywhere, with each size lying, of every kind, with fields that are no text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.client.raw_frames import BINARY, raw_fragments, raw_frame
from conformance.verbs.wire_faults import (
    BEHIND,
    REF,
    Fault,
    Scene,
    answered,
    closes_with,
    contained,
    faults,
    heartbeat,
    wire_case,
)
from specs import message as phx
from specs.binary_frames import pack_client_push, unpack_client
from specs.message import Message

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab

CUT = "binary/cut-frame-closes"
KIND = "binary/unknown-kind-closes"
JSON = "binary/json-in-binary-frame-closes"
BEAT = "binary/heartbeat-answered-as-text"
NO_TEXT = "binary/field-not-text-contained"

_INTERNAL_ERROR = 1011
_FIELDS = ("join_ref", "ref", "topic", "event")
_HEADER_BYTES = 1 + len(_FIELDS)
_BEAT = pack_client_push("7", REF, phx.PHOENIX_TOPIC, phx.HEARTBEAT, b"")
_LONGEST = 255


def _resized(field: int, size: int, data: bytes = _BEAT) -> bytes:
    """Return a frame in which one size is another."""
    return data[: 1 + field] + bytes([size]) + data[2 + field :]


@wire_case("wire/binary/cut", CUT)
def cut(lab: Lab) -> None:
    """A binary message that is cut behind any of its bytes closes the connection with 1011, in fragments, too."""
    named = [
        (f"the first {size} of {len(_BEAT)} bytes of a binary frame", raw_frame(BINARY, _BEAT[:size]))
        for size in range(len(_BEAT))
    ]
    named += [
        (
            f"the first {size} bytes of a binary message in two fragments",
            b"".join(raw_fragments(BINARY, [_BEAT[: size // 2], _BEAT[size // 2 : size]])),
        )
        for size in range(0, len(_BEAT), 3)
    ]
    closes_with(Scene(lab), CUT, faults(named), (_INTERNAL_ERROR,))


@wire_case("wire/binary/sizes-too-large", CUT)
def sizes_too_large(lab: Lab) -> None:
    """A binary message one of whose sizes claims more bytes than there are closes the connection with 1011."""
    named = []
    for field, name in enumerate(_FIELDS):
        true = _BEAT[1 + field]
        for size in {true + 1, true + 7, 128, _LONGEST}:
            what = f"a binary frame whose {name} claims {size} bytes in place of {true}"
            named.append((what, raw_frame(BINARY, _resized(field, size))))
    named.append(("a binary frame of sizes alone", raw_frame(BINARY, b"\x00" + b"\xff" * len(_FIELDS))))
    named.append(
        ("a binary frame without data whose sizes are 1", raw_frame(BINARY, b"\x00\x01\x01\x01\x01"))
    )
    closes_with(Scene(lab), CUT, faults(named), (_INTERNAL_ERROR,))


@wire_case("wire/binary/sizes-too-small", NO_TEXT)
def sizes_too_small(lab: Lab) -> None:
    """A binary message one of whose sizes claims fewer bytes than meant is another message, and never taken for the meant one."""
    rows = []
    for field, name in enumerate(_FIELDS[1:], start=1):
        true = _BEAT[1 + field]
        for size in {0, 1, true - 1}:
            what, resized = (
                f"a binary frame whose {name} claims {size} bytes in place of {true}",
                _resized(field, size),
            )
            read = Message(*unpack_client(resized))
            rows.append(Fault(what, (raw_frame(BINARY, resized),), asks=(read,)))
    contained(Scene(lab), NO_TEXT, rows)


@wire_case("wire/binary/kinds", KIND)
def kinds(lab: Lab) -> None:
    """Every kind but 0 closes the connection with 1011, with a message behind it and alone."""
    chosen = [*range(1, 10), 15, 16, 31, 32, 47, 64, 91, 100, 123, 127, 128, 129, 191, 192, 240, 254, 255]
    named = [
        (f"a binary frame of kind {kind}", raw_frame(BINARY, bytes([kind]) + _BEAT[1:])) for kind in chosen
    ]
    named += [
        (f"a binary frame of the byte {kind} alone", raw_frame(BINARY, bytes([kind]))) for kind in chosen[::4]
    ]
    closes_with(Scene(lab), KIND, faults(named), (_INTERNAL_ERROR,))


@wire_case("wire/binary/json", JSON)
def json_in_binary(lab: Lab) -> None:
    """JSON in binary frames closes the connection with 1011: messages of both serializers, scalars, in fragments."""
    texts = [heartbeat(), b" " + heartbeat(), heartbeat(vsn="1.0.0"), b"[]", b"{}", b"null", b'"text"', b"7"]
    named = [(f"a binary frame of the text {text.decode()[:40]}", raw_frame(BINARY, text)) for text in texts]
    parts = raw_fragments(BINARY, [heartbeat()[:9], heartbeat()[9:]])
    named.append(("JSON in two binary fragments", b"".join(parts)))
    closes_with(Scene(lab), JSON, faults(named), (_INTERNAL_ERROR,))


@wire_case("wire/binary/data", BEAT)
def data(lab: Lab) -> None:
    """A binary heartbeat is answered as text whatever its data: none, zeros, JSON, a frame, text that is no UTF-8, many bytes."""
    contents = [
        b"",
        b"\x00",
        b"\x00" * 300,
        b"{}",
        heartbeat(),
        _BEAT,
        b"\xff\xfe",
        bytes(range(256)),
        b"x" * 70_000,
    ]
    named = [
        (
            f"a binary heartbeat with {len(content)} bytes of data beginning with {content[:4].hex(' ') or 'nothing'}",
            raw_frame(BINARY, pack_client_push("7", REF, phx.PHOENIX_TOPIC, phx.HEARTBEAT, content)),
        )
        for content in contents
    ]
    answered(Scene(lab), BEAT, faults(named))


@wire_case("wire/binary/fields-not-text", NO_TEXT)
def fields_not_text(lab: Lab) -> None:
    """A binary message one of whose fields is no UTF-8 gets no reply but one that echoes it, and others notice nothing."""
    rows = []
    for field, name in enumerate(_FIELDS):
        for wrong in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00\x80"):
            fields = [b"7", BEHIND.encode(), b"nowhere", b"event"]
            fields[field] = wrong
            data = b"\x00" + bytes(len(each) for each in fields) + b"".join(fields)
            # A reply holds neither the join_ref nor the event of a push on a topic that is not joined.
            is_echoed = name in {"ref", "topic"}
            asks = () if is_echoed else (Message(None, BEHIND, "nowhere", "event", None),)
            rows.append(
                Fault(f"a binary frame whose {name} is {wrong.hex(' ')}", (raw_frame(BINARY, data),), asks)
            )
    contained(Scene(lab), NO_TEXT, rows, unanswered=())
