"""WebSocket frames that no client may send: their opcodes, reserved bits, masks, lengths, and their place in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.client.raw_frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KNOWN_OPCODES,
    OPCODES,
    PING,
    PONG,
    TEXT,
    raw_frame,
)
from conformance.verbs.wire_faults import (
    BEHIND,
    Fault,
    Scene,
    answered,
    closes_with,
    contained,
    faults,
    heartbeat,
    wire_case,
)

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab

OPCODE = "malformed/reserved-opcode-closes"
RESERVED = "malformed/reserved-bit-closes"
STRAY = "malformed/stray-continuation-closes"
INTERRUPTED = "malformed/interrupted-message-closes"
CONTROL = "malformed/control-frame-form"
UNMASKED = "malformed/unmasked-frame-refused"
LENGTH = "malformed/lying-length-contained"
ANY_MASK = "frames/any-mask-taken"

_MOST_CONTROL_BYTES = 125
_FIRST = heartbeat()[:9]
_REST = heartbeat()[9:]
_NAMES = {
    CONTINUATION: "continuation",
    TEXT: "text",
    BINARY: "binary",
    CLOSE: "close",
    PING: "ping",
    PONG: "pong",
}


@wire_case("wire/opcodes", OPCODE)
def opcodes(lab: Lab) -> None:
    """Each of the ten reserved opcodes closes the connection with 1002: with data and without, final and not."""
    reserved = [opcode for opcode in range(OPCODES) if opcode not in KNOWN_OPCODES]
    named = [
        (
            f"a {'final ' if fin else ''}frame of opcode {opcode} and {len(data)} bytes",
            raw_frame(opcode, data, fin=fin),
        )
        for opcode in reserved
        for fin, data in ((True, heartbeat()), (True, b""), (False, heartbeat()))
    ]
    closes_with(Scene(lab), OPCODE, faults(named))


@wire_case("wire/reserved-bits", RESERVED)
def reserved_bits(lab: Lab) -> None:
    """Each of the seven values of the reserved bits closes the connection with 1002, on frames of every kind."""
    opcodes = {TEXT: heartbeat(), BINARY: heartbeat(), PING: b"", CLOSE: b"", PONG: b"x"}
    named = [
        (f"a {_NAMES[opcode]} frame with reserved bits {rsv:03b}", raw_frame(opcode, data, rsv=rsv))
        for rsv in range(1, 8)
        for opcode, data in opcodes.items()
    ]
    inside = [
        Fault(
            f"a continuation with reserved bits {rsv:03b}",
            (raw_frame(TEXT, _FIRST, fin=False) + raw_frame(CONTINUATION, _REST, rsv=rsv),),
        )
        for rsv in range(1, 8)
    ]
    closes_with(Scene(lab), RESERVED, [*faults(named), *inside])


@wire_case("wire/stray-continuations", STRAY)
def stray_continuations(lab: Lab) -> None:
    """A continuation that continues nothing closes the connection with 1002."""
    whole = raw_frame(TEXT, heartbeat(BEHIND))
    ping = raw_frame(PING, b"x")
    named = [
        ("a continuation at the beginning", raw_frame(CONTINUATION, heartbeat())),
        ("a continuation that is not final", raw_frame(CONTINUATION, heartbeat(), fin=False)),
        ("an empty continuation", raw_frame(CONTINUATION, b"")),
        ("a continuation behind a ping", ping + raw_frame(CONTINUATION, heartbeat())),
        ("a continuation with a message behind it", raw_frame(CONTINUATION, b"") + whole),
    ]
    closes_with(Scene(lab), STRAY, faults(named))


@wire_case("wire/interrupted-messages", INTERRUPTED)
def interrupted_messages(lab: Lab) -> None:
    """A message that begins before the fragments of another are complete closes the connection with 1002."""
    named = []
    for first in (TEXT, BINARY):
        beginning = raw_frame(first, _FIRST, fin=False)
        for second in (TEXT, BINARY):
            what = f"a {_NAMES[second]} frame inside a {_NAMES[first]} message"
            named += [
                (what, beginning + raw_frame(second, heartbeat())),
                (f"{what}, not final", beginning + raw_frame(second, _REST, fin=False)),
                (
                    f"{what}, after a ping and a fragment",
                    beginning
                    + raw_frame(PING, b"")
                    + raw_frame(CONTINUATION, b" ", fin=False)
                    + raw_frame(second, heartbeat()),
                ),
            ]
    closes_with(Scene(lab), INTERRUPTED, faults(named))


@wire_case("wire/control-frames", CONTROL)
def control_frames(lab: Lab) -> None:
    """A control frame that is fragmented or longer than 125 bytes closes the connection with 1002."""
    named = []
    for opcode in (CLOSE, PING, PONG):
        what = f"a {_NAMES[opcode]} frame"
        named.append((f"{what} that is not final", raw_frame(opcode, b"", fin=False)))
        for size in (_MOST_CONTROL_BYTES + 1, 1000, 70_000):
            data = b"\x03\xe8" + b"r" * (size - 2)
            named.append((f"{what} of {size} bytes", raw_frame(opcode, data)))
    closes_with(Scene(lab), CONTROL, faults(named))


@wire_case("wire/unmasked", UNMASKED)
def unmasked(lab: Lab) -> None:
    """A frame without a mask is never taken for a message: text, binary, fragments, and with a masked one behind it."""
    text = raw_frame(TEXT, heartbeat(), mask=False)
    parts = raw_frame(TEXT, _FIRST, fin=False, mask=False) + raw_frame(CONTINUATION, _REST, mask=False)
    mixed = raw_frame(TEXT, _FIRST, fin=False) + raw_frame(CONTINUATION, _REST, mask=False)
    named = [
        ("a text frame without a mask", text),
        ("two fragments without a mask", parts),
        ("a fragment with and one without a mask", mixed),
    ]
    contained(Scene(lab), UNMASKED, faults(named))


@wire_case("wire/masks", ANY_MASK)
def masks(lab: Lab) -> None:
    """A message is taken whatever the key of its mask: zeros, ones, ASCII, and such as make the data look like anything."""
    keys = [
        bytes(4),
        b"\xff" * 4,
        b"\x00\x00\x00\x01",
        b"\x80\x00\x00\x00",
        b"GET ",
        heartbeat()[:4],
        b"\x81\x85\x88\x89",
    ]
    named = [
        (f"a heartbeat masked with {key.hex(' ')}", raw_frame(TEXT, heartbeat(), key=key)) for key in keys
    ]
    answered(Scene(lab), ANY_MASK, faults(named))


@wire_case("wire/lengths", LENGTH)
def lengths(lab: Lab) -> None:
    """A frame whose length is not true, or not in its shortest form, takes nothing from anybody else."""
    scene, text = Scene(lab), heartbeat()
    named = [
        (
            f"a frame that claims {more} bytes more than there are",
            raw_frame(TEXT, text, length=len(text) + more),
        )
        for more in (1, 7, 1000, 100_000)
    ]
    named += [
        (f"a frame that claims {claimed} bytes", raw_frame(TEXT, text, length=claimed, length_bits=64))
        for claimed in (2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
    ]
    named += [
        (f"a frame that claims {claimed} of its {len(text)} bytes", raw_frame(TEXT, text, length=claimed))
        for claimed in (0, 1, len(text) - 1)
    ]
    contained(scene, LENGTH, faults(named))
    long_forms = [
        (
            f"a {_NAMES[opcode]} frame with its length in {bits} bits",
            raw_frame(opcode, data, length_bits=bits),
        )
        for opcode, data in ((TEXT, text), (PING, b"x"))
        for bits in (16, 64)
    ]
    contained(scene, LENGTH, faults(long_forms), unanswered=())
