"""Messages that come in pieces: WebSocket fragments and TCP segments cut at every byte, with anything between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.client.raw_frames import BINARY, CONTINUATION, PING, PONG, TEXT, raw_fragments, raw_frame
from conformance.verbs.wire_faults import (
    REF,
    Fault,
    Scene,
    answered,
    faults,
    heartbeat,
    survived,
    wire_case,
)
from specs import message as phx
from specs.binary_frames import pack_client_push

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab

FRAGMENTS = "frames/fragmented-reassembled"
SEGMENTS = "frames/cut-segments-joined"

_UNICODE = heartbeat().replace(b"{}", '{"text":"é漢😀"}'.encode())
_BINARY = pack_client_push("", REF, phx.PHOENIX_TOPIC, phx.HEARTBEAT, b"beat")
_LONG = heartbeat().replace(b"{}", b'{"text":"%s"}' % (b"x" * 200))


def _cuts(data: bytes) -> list[tuple[bytes, bytes]]:
    return [(data[:at], data[at:]) for at in range(len(data) + 1)]


@wire_case("wire/fragments/text", FRAGMENTS)
def text_fragments(lab: Lab) -> None:
    """A text message in two fragments is taken wherever it is cut, inside a character and at both ends, too."""
    named = [
        (f"a message cut behind byte {len(parts[0])}", b"".join(raw_fragments(TEXT, parts)))
        for parts in _cuts(_UNICODE)
    ]
    answered(Scene(lab), FRAGMENTS, faults(named))


@wire_case("wire/fragments/binary", FRAGMENTS)
def binary_fragments(lab: Lab) -> None:
    """A binary message in two fragments is taken wherever it is cut, inside its sizes, too."""
    named = [
        (f"a binary message cut behind byte {len(parts[0])}", b"".join(raw_fragments(BINARY, parts)))
        for parts in _cuts(_BINARY)
    ]
    answered(Scene(lab), FRAGMENTS, faults(named))


@wire_case("wire/fragments/bytes", FRAGMENTS)
def fragments_of_one_byte(lab: Lab) -> None:
    """A message in fragments of one byte is taken: at once, with pings and pongs between, and in segments of their own."""
    scene = Scene(lab)
    parts = raw_fragments(TEXT, [bytes([byte]) for byte in _UNICODE])
    pinged = raw_frame(PING, b"between").join(parts)
    ponged = raw_frame(PONG, b"").join(parts)
    spread = raw_fragments(TEXT, [_UNICODE[:10], _UNICODE[10:11], _UNICODE[11:]])
    rows = faults(
        [
            ("a message in fragments of one byte", b"".join(parts)),
            ("fragments of one byte with pings between", pinged),
            ("fragments of one byte with pongs between", ponged),
        ]
    )
    answered(scene, FRAGMENTS, [*rows, Fault("three fragments, each in a segment of its own", tuple(spread))])
    # Bandit ends a connection for an empty fragment inside a message, Cowboy does not.
    first, last = raw_fragments(TEXT, [_UNICODE[:20], _UNICODE[20:]])
    empty = raw_frame(CONTINUATION, b"", fin=False)
    survived(scene, faults((f"{count} empty fragments", first + empty * count + last) for count in (1, 50)))


@wire_case("wire/segments/short", SEGMENTS)
def short_segments(lab: Lab) -> None:
    """A frame in two TCP segments is taken wherever it is cut, inside its header and its mask, too."""
    frame = raw_frame(TEXT, heartbeat())
    _demand_joined(lab, "a frame", frame, range(1, len(frame)))


@wire_case("wire/segments/long", SEGMENTS)
def long_segments(lab: Lab) -> None:
    """A frame whose length stands in more than one byte is taken wherever its header is cut."""
    scene_frames = {16: raw_frame(TEXT, _LONG), 64: raw_frame(TEXT, _LONG + b" " * 70_000)}
    for bits, frame in scene_frames.items():
        _demand_joined(lab, f"a frame with its length in {bits} bits", frame, [*range(1, 16), len(frame) - 1])


@wire_case("wire/segments/bytes", SEGMENTS)
def segments_of_one_byte(lab: Lab) -> None:
    """A frame is taken that comes byte by byte, and fragments that come in segments cut elsewhere."""
    frame = raw_frame(TEXT, heartbeat())
    row = b"".join(raw_fragments(TEXT, [_UNICODE[:20], _UNICODE[20:22], _UNICODE[22:]]))
    pieces = [Fault("a frame byte by byte", tuple(frame[at : at + 1] for at in range(len(frame))))]
    for size in (3, 7, 25):
        cut = tuple(row[at : at + size] for at in range(0, len(row), size))
        pieces.append(Fault(f"three fragments in segments of {size} bytes", cut))
    answered(Scene(lab), SEGMENTS, pieces)


def _demand_joined(lab: Lab, what: str, frame: bytes, places: range | list[int]) -> None:
    cuts = [Fault(f"{what} cut behind byte {at}", (frame[:at], frame[at:])) for at in places]
    answered(Scene(lab), SEGMENTS, cuts)
