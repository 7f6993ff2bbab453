"""Frames that are nearly right, drawn by the seed of the run: whatever becomes of their connections, others notice nothing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from conformance.client.raw_frames import (
    BINARY,
    CLOSE,
    OPCODES,
    PING,
    TEXT,
    raw_close,
    raw_fragments,
    raw_frame,
)
from conformance.verbs.endings import UNAFFECTED
from conformance.verbs.wire_faults import REF, Fault, Scene, heartbeat, survived, wire_case
from specs import message as phx
from specs.binary_frames import pack_client_push

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab

COUNT = 60
MOST_CHANGES = 4


def _seeds() -> list[bytes]:
    beat = heartbeat()
    return [
        raw_frame(TEXT, beat),
        raw_frame(BINARY, pack_client_push("7", REF, phx.PHOENIX_TOPIC, phx.HEARTBEAT, b"beat")),
        b"".join(raw_fragments(TEXT, [beat[:9], beat[9:20], beat[20:]])),
        raw_frame(PING, b"ping") + raw_frame(TEXT, beat),
        raw_frame(TEXT, beat) * 3,
        raw_frame(TEXT, b'["1","1","agents:discovery","phx_join",{}]'),
        raw_close(1000, b"bye"),
        raw_frame(CLOSE, b"") + raw_frame(TEXT, beat),
    ]


def _changed(chance: random.Random, data: bytes) -> bytes:
    """Return bytes with a few of them flipped, left out, doubled, made up or cut off."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, MOST_CHANGES)):
        at = chance.randrange(len(changed)) if changed else 0
        match chance.randrange(5):
            case 0 if changed:
                changed[at] ^= 1 << chance.randrange(8)
            case 1 if changed:
                del changed[at]
            case 2:
                changed[at:at] = chance.randbytes(chance.randint(1, 8))
            case 3:
                changed += changed[at : at + 16]
            case _:
                del changed[max(at, 1) :]
    return bytes(changed)


@wire_case("wire/random/bytes", UNAFFECTED)
def mutated_bytes(lab: Lab) -> None:
    """Frames of which a few bytes were changed, left out or added touch nobody but their own connection."""
    chance = random.Random(f"{lab.bench.seed}/wire/bytes")  # noqa: S311 - no secret
    seeds = _seeds()
    rows = [_changed(chance, chance.choice(seeds)) for _ in range(COUNT)]
    survived(Scene(lab), [Fault("a frame with changed bytes", (row,)) for row in rows])


@wire_case("wire/random/headers", UNAFFECTED)
def random_headers(lab: Lab) -> None:
    """Frames with headers drawn at random touch nobody but their own connection."""
    chance = random.Random(f"{lab.bench.seed}/wire/headers")  # noqa: S311 - no secret
    rows = []
    for _ in range(COUNT):
        frames = [
            raw_frame(
                chance.randrange(OPCODES),
                chance.choice([heartbeat(), b"", chance.randbytes(20)]),
                fin=chance.random() < 0.7,
                rsv=chance.choice([0, 0, 0, chance.randrange(8)]),
                mask=chance.random() < 0.8,
                length=chance.choice([None, None, chance.randrange(300)]),
                length_bits=chance.choice([None, None, 16, 64]),
                key=chance.randbytes(4),
            )
            for _ in range(chance.randint(1, 4))
        ]
        rows.append(Fault(f"{len(frames)} frames with headers at random", (b"".join(frames),)))
    survived(Scene(lab), rows)
