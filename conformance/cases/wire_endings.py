"""How a connection may end: close frames of every code and form, and ends without any; others notice nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.client.raw_frames import CLOSE, TEXT, raw_close, raw_frame
from conformance.faults import CannotTell
from conformance.verbs.endings import UNAFFECTED
from conformance.verbs.wire_faults import (
    BEHIND,
    PROTOCOL_ERROR,
    Fault,
    Scene,
    closes_with,
    contained,
    ends,
    faults,
    heartbeat,
    wire_case,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab

ANSWERED = "leaving/client-close-answered"
INVALID = "leaving/invalid-close-code-refused"
NOTHING_BEHIND = "leaving/nothing-behind-close"
HALF_OPEN = "leaving/half-open-contained"

_NORMAL, _INVALID_DATA = 1000, 1007
_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
_NEWER_CODES = (1012, 1013, 1014)
"""Registered after RFC 6455, so that not every server knows them."""
_INVALID_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999)
_TOO_HIGH = (5000, 9999, 65535)
_LONGEST_REASON = 123
_TIMES = 5
_UNREAD = 90
_UNREAD_BYTES = 60_000
"""Together more than the buffers of a kernel take."""


@wire_case("wire/close/codes", ANSWERED)
def codes(lab: Lab) -> None:
    """A close frame of every valid code is answered by one with that code or 1000, whatever its reason; one without ends, too."""
    reasons = {
        "no reason": b"",
        "a reason": b"bye",
        "the longest reason": b"r" * _LONGEST_REASON,
        "é": "é漢😀".encode(),
    }
    rows = [
        Fault(f"a close frame with {code} and {what}", (raw_close(code, reason),), codes=(code, _NORMAL))
        for code in _CODES
        for what, reason in reasons.items()
    ]
    rows += [
        Fault(f"a close frame with {code}", (raw_close(code),), codes=(code, _NORMAL, PROTOCOL_ERROR))
        for code in _NEWER_CODES
    ]
    scene = Scene(lab)
    closes_with(scene, ANSWERED, rows)
    ends(scene, ANSWERED, faults([("a close frame without a code", raw_close(None))]))


@wire_case("wire/close/invalid-codes", INVALID)
def invalid_codes(lab: Lab) -> None:
    """A close frame with a code that no endpoint may send, with half a code or with no text closes the connection with 1002."""
    rows = [Fault(f"a close frame with {code}", (raw_close(code),)) for code in _INVALID_CODES]
    rows += [
        Fault(f"a close frame with {code}", (raw_close(code),), codes=(PROTOCOL_ERROR, _NORMAL))
        for code in _TOO_HIGH
    ]
    rows += [
        Fault(f"a close frame of the byte {byte:02x}", (raw_frame(CLOSE, bytes([byte])),))
        for byte in (0, 3, 255)
    ]
    rows += [
        Fault(
            f"a close frame with the reason {reason.hex(' ')}",
            (raw_close(_NORMAL, reason),),
            codes=(PROTOCOL_ERROR, _INVALID_DATA),
        )
        for reason in (b"\xff", b"bye\xc3", b"\xed\xa0\x80")
    ]
    closes_with(Scene(lab), INVALID, rows)


@wire_case("wire/close/behind", NOTHING_BEHIND)
def behind_close(lab: Lab) -> None:
    """What comes behind a close frame, in its segment or in another one, is never answered."""
    more = raw_frame(TEXT, heartbeat(BEHIND))
    rows = [
        Fault("a heartbeat behind a close frame", (raw_close(_NORMAL) + more,), codes=(_NORMAL,)),
        Fault("five heartbeats behind a close frame", (raw_close(4000) + more * 5,), codes=(4000, _NORMAL)),
        Fault("a heartbeat in the segment after a close frame", (raw_close(_NORMAL), more), codes=(_NORMAL,)),
        Fault("a second close frame", (raw_close(_NORMAL) * 2,), codes=(_NORMAL,)),
    ]
    closes_with(Scene(lab), NOTHING_BEHIND, rows)


@wire_case("wire/half-open/silent", HALF_OPEN, "frames/cut-segments-joined")
def silent(lab: Lab) -> None:
    """Connections that fall silent inside a frame keep nobody waiting, and are answered once the rest comes."""
    scene, frame = Scene(lab, unaffected=HALF_OPEN), raw_frame(TEXT, heartbeat())
    waiting = [(scene.victim(), size) for size in (1, 2, 5, 6, 7, len(frame) - 1)]
    for peer, size in waiting:
        peer.wire.send_bytes(frame[:size], f"the first {size} bytes of a frame")
        scene.look(Fault(f"a connection that is silent behind {size} bytes of a frame", ()))
    for peer, size in waiting:
        peer.wire.send_bytes(frame[size:], "the rest of the frame")
        scene.is_answered(peer, "frames/cut-segments-joined", Fault("a frame whose rest comes late", ()))
    scene.end()


@wire_case("wire/half-open/unread", HALF_OPEN)
def unread(lab: Lab) -> None:
    """While one connection reads nothing of what is relayed to it, the others get everything."""
    scene = Scene(lab, unaffected=HALF_OPEN)
    talk, sleeper = scene.talk, scene.victim()
    if not talk.is_labelled or talk.event.relay is None:
        raise CannotTell("no event that can be repeated is relayed with a text of its own")
    is_replying = True
    for _ in range(_UNREAD):
        push = talk.peer.push(talk.topic, talk.event.event, _long(talk.payload()))
        answer = talk.peer.answer(push, None if is_replying else 0)
        is_replying = is_replying and answer.kind != "silence"
        if answer.kind not in {"ok", "silence"}:
            raise CannotTell(f"a long push is not taken: {answer}")
        for listener in talk.listeners.values():
            # Who reads keeps up, so that nothing lies before what is to be heard in the end.
            listener.sync()
    said = talk.say()
    lab.demand(
        talk.is_taken(said) and talk.is_heard(said),
        HALF_OPEN,
        "a push is taken and relayed while one connection does not read",
        said.peer.answer(said.message, 0),
    )
    scene.look(Fault("a connection that does not read", ()))
    sleeper.wire.reset()
    scene.look(Fault("the end of a connection that does not read", ()))
    scene.end()


def _long(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload whose own text is long."""
    return {
        name: value + "x" * _UNREAD_BYTES if isinstance(value, str) and value.startswith("said") else value
        for name, value in payload.items()
    }


@wire_case("wire/half-open/ends", HALF_OPEN)
def without_close(lab: Lab) -> None:
    """Connections that end without a close frame, by FIN or reset, inside a frame or after a push, touch nobody else."""
    scene = Scene(lab, unaffected=HALF_OPEN)
    half = raw_frame(TEXT, heartbeat())[:9]
    ways: dict[str, Callable[[Peer], None]] = {
        "drops TCP": lambda peer: peer.wire.abort(),
        "sends no more": lambda peer: peer.wire.half_close(),
        "resets TCP": lambda peer: peer.wire.reset(),
    }
    for what, way in ways.items():
        for inside in (b"", half, raw_frame(TEXT, heartbeat()), raw_frame(TEXT, half[6:], fin=False)):
            for peer in [scene.victim() for _ in range(_TIMES)]:
                peer.wire.send_bytes(inside, "before the end")
                way(peer)
            scene.look(Fault(f"a connection that {what} behind {len(inside)} bytes", ()))
    scene.end()


@wire_case("wire/oversize", UNAFFECTED)
def oversize(lab: Lab) -> None:
    """Messages of some megabytes, in one frame and in many, end their own connection at most."""
    beat = heartbeat().replace(b"{}", b'"%s"' % (b"x" * 3_000_000))
    size = 100_000
    parts = [beat[at : at + size] for at in range(0, len(beat), size)]
    fragments = b"".join(
        raw_frame(0 if index else TEXT, part, fin=index == len(parts) - 1) for index, part in enumerate(parts)
    )
    rows = [("a message of 3 MB", raw_frame(TEXT, beat)), ("3 MB in fragments", fragments)]
    contained(Scene(lab), UNAFFECTED, faults(rows), unanswered=())
