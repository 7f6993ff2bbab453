"""JSON of every malformed kind, and valid JSON of kinds that few send."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from conformance.client.raw_frames import TEXT, raw_frame
from conformance.verbs import json_kinds
from conformance.verbs.json_kinds import NOT_JSON, NOTHING, TRAILING, VALUES
from conformance.verbs.wire_faults import Scene, answered, closes_with, faults, heartbeat, wire_case

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.fixtures.lab import Lab

INVALID = "malformed/invalid-json-closes"
BEHIND = "malformed/trailing-data-closes"
ANY_JSON = "frames/any-json-taken"

_INTERNAL_ERROR = 1011
_V1 = "1.0.0"


def _closes(lab: Lab, requirement: str, texts: Iterable[str], vsn: str = "2.0.0") -> None:
    named = [(f"the text {text[:60]!r}", raw_frame(TEXT, text.encode())) for text in texts]
    closes_with(Scene(lab, vsn), requirement, faults(named), (_INTERNAL_ERROR,))


def _with_payload(payload: str, vsn: str = "2.0.0") -> str:
    # Only the payload of a heartbeat is an empty object.
    return heartbeat(vsn=vsn).decode().replace("{}", payload)


@wire_case("wire/json/numbers", INVALID)
def numbers(lab: Lab) -> None:
    """A payload that is no number, though it looks like one, closes the connection with 1011."""
    _closes(lab, INVALID, map(_with_payload, NOT_JSON["numbers"]))


@wire_case("wire/json/strings", INVALID)
def strings(lab: Lab) -> None:
    """A payload that is no string, though it looks like one, closes the connection with 1011."""
    _closes(lab, INVALID, map(_with_payload, NOT_JSON["strings"]))


@wire_case("wire/json/arrays", INVALID)
def arrays(lab: Lab) -> None:
    """A payload that is no array, though it looks like one, closes the connection with 1011."""
    _closes(lab, INVALID, map(_with_payload, NOT_JSON["arrays"]))


@wire_case("wire/json/objects", INVALID)
def objects(lab: Lab) -> None:
    """A payload that is no object, though it looks like one, closes the connection with 1011."""
    _closes(lab, INVALID, map(_with_payload, NOT_JSON["objects"]))


@wire_case("wire/json/literals", INVALID)
def literals(lab: Lab) -> None:
    """A payload that is a word of another language closes the connection with 1011."""
    _closes(lab, INVALID, map(_with_payload, NOT_JSON["literals"]))


@wire_case("wire/json/nothing", INVALID)
def nothing(lab: Lab) -> None:
    """A text of white space, or of a byte order mark, closes the connection with 1011."""
    _closes(lab, INVALID, NOTHING)


@wire_case("wire/json/beginnings", INVALID)
def beginnings(lab: Lab) -> None:
    """A message that is cut anywhere closes the connection with 1011."""
    _closes(lab, INVALID, json_kinds.beginnings(heartbeat().decode()))


@wire_case("wire/json/rubbish", INVALID)
def rubbish(lab: Lab) -> None:
    """Text that never was JSON, or has something before a message or inside it, closes the connection with 1011."""
    _closes(lab, INVALID, json_kinds.rubbish(heartbeat().decode()))


@wire_case("wire/json/trailing", BEHIND)
def trailing(lab: Lab) -> None:
    """A message with anything but white space behind it closes the connection with 1011."""
    _closes(lab, BEHIND, [heartbeat().decode() + rest for rest in TRAILING])


@wire_case("wire/json/v1", INVALID)
def under_v1(lab: Lab) -> None:
    """Under serializer 1.0.0 what is not JSON closes the connection with 1011, too."""
    every_third = [text for texts in NOT_JSON.values() for text in texts][::3]
    _closes(lab, INVALID, map(partial(_with_payload, vsn=_V1), every_third), _V1)


@wire_case("wire/json/values", ANY_JSON)
def values(lab: Lab) -> None:
    """A heartbeat is answered whatever valid JSON its payload is, and with any white space behind it."""
    texts = [*map(_with_payload, VALUES), *(heartbeat().decode() + rest for rest in ("\n", " \t\r\n "))]
    named = [(f"the text {text[:60]!r}", raw_frame(TEXT, text.encode())) for text in texts]
    answered(Scene(lab), ANY_JSON, faults(named))
