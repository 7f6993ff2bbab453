"""Canonical JSON (RFC 8785): the bytes that are signed."""

from __future__ import annotations

from typing import Any

import msgspec
import rfc8785

_LARGEST_EXACT_INTEGER = 2**53 - 1
_SORTING_ENCODER = msgspec.json.Encoder(order="sorted")


class NotCanonical(ValueError):
    """RFC 8785 has no bytes for the value."""


def canonical_bytes(value: Any) -> bytes:
    """Write a JSON value as RFC 8785 does.

    Raises:
        NotCanonical: If the value holds an integer beyond 2^53 - 1, NaN, Infinity, a lone surrogate, a key that is no string
            or anything that is not JSON, or nests too deeply.

    Source:
        RFC 8785; `reading.md` section 8.

    Example:
        >>> canonical_bytes({"topic": "payment:1", "amount": "2.5"})
        b'{"amount":"2.5","topic":"payment:1"}'

    """
    try:
        # Where no float and no key beyond ASCII is in play, sorting by byte is sorting by UTF-16 unit.
        if _is_plain(value):
            return _SORTING_ENCODER.encode(value)
        return rfc8785.dumps(value)
    except RecursionError:
        raise NotCanonical("nested too deeply") from None
    except (rfc8785.CanonicalizationError, TypeError, ValueError, AttributeError) as fault:
        raise NotCanonical(str(fault)) from None


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and key.isascii() and _is_plain(member) for key, member in value.items())
    if kind is int:
        return bool(-_LARGEST_EXACT_INTEGER <= value <= _LARGEST_EXACT_INTEGER)
    if kind is list:
        return all(map(_is_plain, value))
    return kind is str or kind is bool or value is None
