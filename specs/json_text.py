"""The one JSON codec: text of a frame to a value and back.

What is refused here is what Phoenix refuses. Writing malformed JSON on purpose is not done here.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, TypeAlias

import msgspec

#: Looked for as a number, it is found in a tenth of the time.
_BACKSLASH = ord("\\")
#: Most of what a large value consists of; it is passed over without a call for each.
_ATOMS: Final = frozenset({str, int, bool, type(None)})
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class _Fields(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """The array of a message as nearly every client writes it."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: Any


#: Join ref, ref, topic, event and payload.
PlainFields: TypeAlias = tuple[str | None, str | None, str, str, Any]

_decode_fields = msgspec.json.Decoder(_Fields).decode


class MalformedJson(ValueError):
    """The text is not JSON that Phoenix would take."""


class DuplicateKey(MalformedJson):
    """An object of the text names the same member twice."""


class RepeatedMembers(dict[str, Any]):
    """An object whose text names a member more than once; it holds the first value of each."""


class NotJson(ValueError):
    """The value has no JSON text."""


def decode(text: bytes | str) -> Any:
    """Decode one JSON text; of a duplicate key the last value counts.

    Integers keep their precision up to 4300 digits, Python's own limit.

    Raises:
        MalformedJson: If `text` is not JSON, has anything behind the value, a byte order mark, NaN or Infinity, a number
            beyond a double, a lone surrogate, invalid UTF-8, or nests deeper than the interpreter's stack allows.

    Source:
        `phoenix-wire.md` M-1 and section 17.

    Example:
        >>> decode(b'[null,"7","phoenix","heartbeat",{}]')
        [None, '7', 'phoenix', 'heartbeat', {}]

    """
    try:
        return _decode(text)
    except RecursionError:
        raise MalformedJson("nested too deeply") from None
    except UnicodeError as fault:
        raise MalformedJson(f"not UTF-8: {fault.reason if hasattr(fault, 'reason') else fault}") from None
    except msgspec.DecodeError as fault:
        raise MalformedJson(str(fault)) from None


def decode_first_wins(text: bytes | str) -> Any:
    """Decode one JSON text; of a duplicate key the first value counts, as on a Phoenix server.

    An object that names a member more than once is a `RepeatedMembers`.

    Raises:
        MalformedJson: As `decode`.

    Source:
        `phoenix-wire.md` section 17 (Jason 1.4.4).

    Example:
        >>> decode_first_wins('{"a":1,"a":2}')
        {'a': 1}

    """
    value = decode(text)
    return value if _names_each_member_once(text, value) else _decode_pairs(text, _first_of_each)


def repeats_a_member(value: Any) -> bool:
    """Tell whether any object in a value that `decode_first_wins` gave names a member more than once."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, RepeatedMembers):
            return True
        left.extend(_inner(each))
    return False


def _inner(value: Any) -> list[Any]:
    """Return what in an array or an object may be one itself, or a number with a fraction; nothing of any other value."""
    if isinstance(value, dict):
        return [each for each in value.values() if type(each) not in _ATOMS]
    return [each for each in value if type(each) not in _ATOMS] if isinstance(value, (list, tuple)) else []


def decode_plain_fields(text: bytes) -> PlainFields | None:
    """Decode an array of two refs, topic, event and payload, if it is a plain one.

    A plain one has five elements, strings or null as refs, strings as topic and event, and no object that names a member
    twice. Nothing is said of any other text, not even whether it is JSON: `decode_first_wins` takes all of them.

    Returns:
        What `decode_first_wins` would give; None if the text is not plain.

    Example:
        >>> decode_plain_fields(b'[null,"7","phoenix","heartbeat",{}]')
        (None, '7', 'phoenix', 'heartbeat', {})

    """
    try:
        fields = _decode_fields(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    topic, payload = fields.topic, fields.payload
    plain = fields.join_ref, fields.ref, topic, fields.event, payload
    # The most frequent payload is told here: where no colon is escaped, those outside of the topic are one for each member.
    is_flat = (
        type(payload) is dict and text.count(b":") == len(payload) + topic.count(":") and b"\\" not in text
    )
    return plain if is_flat or _names_each_member_once(text, list(plain)) else None


def decode_strict(text: bytes | str) -> Any:
    """Decode one JSON text in which every object names each member once.

    Raises:
        DuplicateKey: If an object has the same key twice.
        MalformedJson: As `decode`.

    """
    decode(text)
    return _decode_pairs(text, _each_once)


def encode(value: Any, *, nulls: int = 0) -> bytes:
    """Encode a value as compact JSON in raw UTF-8.

    `bytes` inside a value are written as base64 text: a binary payload has to be taken out before.

    Args:
        value: Anything that JSON has.
        nulls: How many `None` the caller knows to be in the value; any number up to the true one saves a second look.

    Raises:
        NotJson: If the value holds NaN, Infinity, a lone surrogate, an unknown type, or nests too deeply.

    Source:
        `phoenix-wire.md` F-9.

    Example:
        >>> encode(["3", None, "é"]).decode()
        '["3",null,"é"]'

    """
    try:
        text = _encode(value)
        # msgspec writes null for NaN: only a text with more nulls than are accounted for can hide one.
        hides_nan = text.count(b"null") > nulls and _has_non_finite(value)
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except (TypeError, ValueError, OverflowError) as fault:
        raise NotJson(str(fault)) from None
    if hides_nan:
        raise NotJson("NaN and Infinity have no JSON text")
    return text


def encode_string(value: str) -> bytes:
    """Encode a string that came out of JSON text, so that it has one; in less time than `encode`."""
    return _encode(value)


def _has_non_finite(value: Any) -> bool:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, float) and not math.isfinite(each):
            return True
        left.extend(_inner(each))
    return False


def _names_each_member_once(text: bytes | str, value: Any) -> bool:
    """Tell from the colons of a text that its value lost no member to a duplicate key.

    Every member has a colon of its own, and all other colons of a text stand in its strings. So a text has just as many
    colons, escaped ones included, as its value has members and colons in strings, unless a member was lost. The value is
    written anew to count those: a walk through it takes twenty times as long.
    """
    colons = text.count(":") if isinstance(text, str) else text.count(b":")
    if isinstance(value, dict) and colons == len(value):
        return True
    return _colons_of(value) == colons + _count_escaped_colons(text)


def _colons_of(value: Any) -> int:
    """Count the members of all objects in a value out of JSON text, and the colons of all its strings."""
    try:
        return int(_encode(value).count(b":"))
    except RecursionError:
        return _count_colons(value)


def _count_colons(value: Any) -> int:
    found = 0
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            found += len(each)
            left.extend(each)
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)
        elif isinstance(each, str):
            found += each.count(":")
    return found


def _count_escaped_colons(text: bytes | str) -> int:
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    if b"\\u003" not in text:
        return 0
    # What is left of backslashes that are no escape themselves begins one.
    escapes = text.replace(b"\\\\", b"")
    return escapes.count(b"\\u003a") + escapes.count(b"\\u003A")


def _decode_pairs(text: bytes | str, hook: Any) -> Any:
    try:
        return json.loads(text, object_pairs_hook=hook)
    except RecursionError:
        raise MalformedJson("nested too deeply") from None


def _first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else RepeatedMembers(reversed(pairs))


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateKey("an object names a member twice")
    return members
