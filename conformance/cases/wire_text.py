"""Text frames that are not UTF-8, and arrays of every length whose elements are of every type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from conformance.client.raw_frames import TEXT, raw_fragments, raw_frame
from conformance.verbs.wire_faults import (
    REF,
    Scene,
    answered,
    at_most_answered,
    closes_with,
    faults,
    heartbeat,
    wire_case,
)
from specs import message as phx
from specs.message import Message

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab

UTF8 = "malformed/invalid-utf8-closes"
SHORT = "malformed/short-array-closes"
EXTRA = "frames/extra-elements-ignored"
ELEMENT = "malformed/wrong-element-contained"

_INVALID_DATA, _INTERNAL_ERROR = 1007, 1011
_INVALID = (
    "80",
    "bf",
    "a0 a1",
    "c0 80",
    "c0 af",
    "c1 bf",
    "c3 28",
    "e0 80 80",
    "e0 9f bf",
    "e2 28 a1",
    "ed a0 80",
    "ed bf bf",
    "ed a0 bd ed b8 80",
    "f0 80 80 80",
    "f0 8f bf bf",
    "f0 28 8c bc",
    "f4 90 80 80",
    "f5 80 80 80",
    "f8 88 80 80 80",
    "fc 84 80 80 80 80",
    "fe",
    "ff",
)
"""Stray, overlong, surrogate and too large sequences, in hexadecimal."""
_CHARACTERS = ("é", "漢", "😀")
_VALUES: tuple[Any, ...] = (None, True, False, 0, 7, -1.5, 10**30, "", "text", [], [1, "x"], {}, {"a": 1})
_FIELDS = ("join_ref", "ref", "topic", "event", "payload")


def _with_text(data: bytes) -> bytes:
    return heartbeat().replace(b"{}", b'{"text":"' + data + b'"}')


@wire_case("wire/utf8/invalid", UTF8)
def invalid_utf8(lab: Lab) -> None:
    """Bytes that are no character close the connection with 1007: in a string, before and behind the message, alone."""
    named = []
    for row in _INVALID:
        data = bytes.fromhex(row)
        named += [
            (f"a text frame with {row} in a string", raw_frame(TEXT, _with_text(data))),
            (f"a text frame that ends in {row}", raw_frame(TEXT, heartbeat() + data)),
            (f"a text frame of {row}", raw_frame(TEXT, data)),
        ]
    closes_with(Scene(lab), UTF8, faults(named), (_INVALID_DATA,))


@wire_case("wire/utf8/cut", UTF8)
def cut_utf8(lab: Lab) -> None:
    """A text message that ends inside a character closes the connection with 1007, in one frame and in fragments."""
    named = []
    for character in _CHARACTERS:
        data = character.encode()
        for size in range(1, len(data)):
            what, cut = f"{size} of the {len(data)} bytes of {character}", data[:size]
            whole = heartbeat() + cut
            named += [
                (f"a text frame that ends in {what}", raw_frame(TEXT, whole)),
                (f"{what} in a string", raw_frame(TEXT, _with_text(cut))),
                (f"fragments that end in {what}", b"".join(raw_fragments(TEXT, [heartbeat(), cut]))),
                (f"{what} before an empty fragment", b"".join(raw_fragments(TEXT, [whole, b""]))),
                (f"{what} before a fragment of ASCII", b"".join(raw_fragments(TEXT, [whole, b" "]))),
            ]
    closes_with(Scene(lab), UTF8, faults(named), (_INVALID_DATA,))


@wire_case("wire/utf8/v1", UTF8)
def invalid_utf8_under_v1(lab: Lab) -> None:
    """Under serializer 1.0.0 bytes that are no character close the connection with 1007, too."""
    text = heartbeat(vsn="1.0.0")
    named = [
        (
            f"a text frame that ends in {row} under serializer 1.0.0",
            raw_frame(TEXT, text + bytes.fromhex(row)),
        )
        for row in _INVALID
    ]
    closes_with(Scene(lab, "1.0.0"), UTF8, faults(named), (_INVALID_DATA,))


@wire_case("wire/arrays/short", SHORT)
def short_arrays(lab: Lab) -> None:
    """Every array of fewer than five elements closes the connection with 1011, whatever they are."""
    beat: list[Any] = json.loads(heartbeat())
    arrays = [beat[:length] for length in range(5)]
    arrays += [[None] * length for length in range(1, 5)]
    arrays += [beat[:left_out] + beat[left_out + 1 :] for left_out in range(5)]
    arrays += [[value] for value in (*_VALUES, beat)]
    named = [
        (f"the array {json.dumps(array)}", raw_frame(TEXT, json.dumps(array).encode())) for array in arrays
    ]
    closes_with(Scene(lab), SHORT, faults(named), (_INTERNAL_ERROR,))


@wire_case("wire/arrays/long", EXTRA)
def long_arrays(lab: Lab) -> None:
    """An array of six, seven or eight elements is taken by its first five, whatever the others are."""
    beat: list[Any] = json.loads(heartbeat())
    arrays = [[*beat, value] for value in _VALUES]
    arrays += [[*beat, *[None] * more] for more in (1, 2, 3)] + [[*beat, *beat]]
    named = [
        (f"the array {json.dumps(array)}", raw_frame(TEXT, json.dumps(array).encode())) for array in arrays
    ]
    answered(Scene(lab), EXTRA, faults(named))


@wire_case("wire/arrays/heartbeats", ELEMENT)
def odd_heartbeats(lab: Lab) -> None:
    """A heartbeat with any JSON value in any of its places is answered once at most, or closes its connection with 1011."""
    _demand_contained(lab, phx.HEARTBEAT, phx.PHOENIX_TOPIC)


@wire_case("wire/arrays/pushes", ELEMENT)
def odd_pushes(lab: Lab) -> None:
    """A push with any JSON value in any of its places is answered once at most, or closes its connection with 1011."""
    _demand_contained(lab, "event", lab.unique("wireproof-unjoined:"))


@wire_case("wire/arrays/leaves", ELEMENT)
def odd_leaves(lab: Lab) -> None:
    """A leave with any JSON value in any of its places is answered once at most, or closes its connection with 1011."""
    _demand_contained(lab, phx.PHX_LEAVE, lab.unique("wireproof-unjoined:"))


@wire_case("wire/arrays/joins", ELEMENT)
def odd_joins(lab: Lab) -> None:
    """A join with any JSON value in any of its places is answered once at most, or closes its connection with 1011."""
    _demand_contained(lab, phx.PHX_JOIN, lab.unique("wireproof-unjoined:"), join_ref="7")


def _demand_contained(lab: Lab, event: str, topic: str, join_ref: str | None = None) -> None:
    messages: list[tuple[str, Message]] = []
    for place, field in enumerate(_FIELDS):
        for value in _VALUES:
            fields: list[Any] = [join_ref, f"{REF}{len(messages)}", topic, event, {}]
            fields[place] = value
            messages.append((f"{event} whose {field} is {json.dumps(value)}", Message(*fields)))
    at_most_answered(Scene(lab), ELEMENT, messages)
