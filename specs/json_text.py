"""The one JSON codec: text of a frame to a value and back.

What is refused here is what Phoenix refuses. Writing malformed JSON on purpose is not done here.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder()


class MalformedJson(ValueError):
    """The text is not JSON that Phoenix would take."""


class DuplicateKey(MalformedJson):
    """An object of the text names the same member twice."""


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
        return _DECODER.decode(text)
    except RecursionError:
        raise MalformedJson("nested too deeply") from None
    except UnicodeError as fault:
        raise MalformedJson(f"not UTF-8: {fault.reason if hasattr(fault, 'reason') else fault}") from None
    except msgspec.DecodeError as fault:
        raise MalformedJson(str(fault)) from None


def decode_first_wins(text: bytes | str) -> Any:
    """Decode one JSON text; of a duplicate key the first value counts, as on a Phoenix server.

    Raises:
        MalformedJson: As `decode`.

    Source:
        `phoenix-wire.md` section 17 (Jason 1.4.4).

    Example:
        >>> decode_first_wins('{"a":1,"a":2}')
        {'a': 1}

    """
    value = decode(text)
    if not _may_repeat_a_key(value):
        return value
    return _decode_pairs(text, _first_of_each)


def decode_strict(text: bytes | str) -> Any:
    """Decode one JSON text in which every object names each member once.

    Raises:
        DuplicateKey: If an object has the same key twice.
        MalformedJson: As `decode`.

    """
    decode(text)
    return _decode_pairs(text, _each_once)


def encode(value: Any) -> bytes:
    """Encode a value as compact JSON in raw UTF-8.

    `bytes` inside a value are written as base64 text: a binary payload has to be taken out before.

    Raises:
        NotJson: If the value holds NaN, Infinity, a lone surrogate, an unknown type, or nests too deeply.

    Source:
        `phoenix-wire.md` F-9.

    Example:
        >>> encode(["3", None, "é"]).decode()
        '["3",null,"é"]'

    """
    try:
        text = _ENCODER.encode(value)
        # msgspec writes null for NaN: only a text with a null in it can hide one.
        hides_nan = b"null" in text and _has_non_finite(value)
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except (TypeError, ValueError, OverflowError) as fault:
        raise NotJson(str(fault)) from None
    if hides_nan:
        raise NotJson("NaN and Infinity have no JSON text")
    return text


def _has_non_finite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_has_non_finite, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_has_non_finite, value))


def _may_repeat_a_key(value: Any) -> bool:
    """Tell whether any object in a decoded value has a member; only then can its text have had one twice."""
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, list) and any(map(_may_repeat_a_key, value))


def _decode_pairs(text: bytes | str, hook: Any) -> Any:
    try:
        return json.loads(text, object_pairs_hook=hook)
    except RecursionError:
        raise MalformedJson("nested too deeply") from None


def _first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else dict(reversed(pairs))


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateKey("an object names a member twice")
    return members
