"""How deep a JSON text nests and how long its numbers are, found before it is decoded.

Only for texts that are valid JSON do the answers have to be right: a decoder refuses the others anyway.
"""

from __future__ import annotations

from array import array
from itertools import accumulate

_OPENING, _CLOSING = b"[{", b"]}"
_NOT_STRUCTURE = bytes(set(range(256)) - set(_OPENING + _CLOSING))
#: Brackets as steps of signed bytes: one level down, one level up.
_STEPS = bytes(1 if byte in _OPENING else 0xFF for byte in range(256))
_DIGITS_ALIKE = bytes(ord("0") if byte in b"0123456789" else byte for byte in range(256))


def excess(text: bytes, depth: int, digits: int) -> str | None:
    """Say in which way a text goes too far; None where it does not.

    Args:
        text: JSON in UTF-8.
        depth: How many arrays and objects may stand within each other.
        digits: How many digits a number may have in a row.

    Example:
        >>> excess(b'[["]]]]"]]', depth=1, digits=9)
        'nested more than 1 deep'

    """
    # A text of n bytes nests at most n / 2 deep and has a number of at most n digits.
    if len(text) > 2 * depth and _may_nest(text, depth) and _depth(text) > depth:
        return f"nested more than {depth} deep"
    if len(text) > digits:
        long = b"0" * (digits + 1)
        if long in text.translate(_DIGITS_ALIKE) and long in _unquoted(text).translate(_DIGITS_ALIKE):
            return f"a number of more than {digits} digits"
    return None


def _may_nest(text: bytes, depth: int) -> bool:
    return text.count(b"[") + text.count(b"{") > depth


def _depth(text: bytes) -> int:
    steps = _unquoted(text).translate(_STEPS, _NOT_STRUCTURE)
    return max(accumulate(array("b", steps)), default=0)


def _unquoted(text: bytes) -> bytes:
    """Return the text without what its strings hold."""
    without_escapes = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b'"'.join(without_escapes.split(b'"')[::2])
