"""Recognises what was made of a signature, so that the same can be made of another one.

A forged signature is none, whoever signs; but it has to be wrong in the same way, or another fault would be shown.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from specs.signing import GROUP_ORDER, SIGNATURE_BYTES

_HALF_BYTES = 32
_MOST_ORDERS = 16
_SHORTEST = 16
_LINE = 44
_NEWEST = 24
"""How many signatures back a forgery may go."""


@dataclass(frozen=True, slots=True)
class KnownSignature:
    """A signature, and what a standalone file calls it, its key and what it covers."""

    text: str
    name: str
    public_key: bytes
    key_name: str
    data: bytes
    data_name: str

    @property
    def raw(self) -> bytes:
        """Its 64 bytes."""
        return base64.b64decode(self.text)


def expression_of(value: Any, signatures: Iterable[KnownSignature]) -> str | None:
    """Return an expression that makes a value of one of the signatures; None where nothing of theirs is in it."""
    newest = list(signatures)[-_NEWEST:][::-1]
    if isinstance(value, list) and len(value) == SIGNATURE_BYTES:
        return next((f"list(raw({one.name}))" for one in newest if list(one.raw) == value), None)
    if not isinstance(value, str) or not len(value) >= _SHORTEST:
        return _short(value, newest)
    decoded = _decoded(value)
    for one in newest:
        for made in (_as_text(value, one), None if decoded is None else _as_bytes(decoded, one)):
            if made is not None:
                return made
    return None


def _short(value: Any, newest: list[KnownSignature]) -> str | None:
    """Return the expression of a signature that was cut to a few bytes."""
    decoded = _decoded(value) if isinstance(value, str) and value else None
    if not decoded:
        return None
    return next((_resized(decoded, one) for one in newest if one.raw.startswith(decoded)), None)


def _as_text(value: str, one: KnownSignature) -> str | None:
    """Return how a text was made of the text of a signature."""
    return next((expression for made, expression in _texts(one) if made == value), None)


def _texts(one: KnownSignature) -> Iterator[tuple[str, str]]:
    text, name = one.text, one.name
    bare = text.rstrip("=")
    yield bare, f"{name}.rstrip('=')"
    yield f"{bare}=", f"{name}.rstrip('=') + '='"
    yield f"{text}=", f"{name} + '='"
    for space in ("\n", " ", "\t", "\r\n"):
        yield f"{text}{space}", f"{name} + {space!r}"
        yield f"{space}{text}", f"{space!r} + {name}"
        yield (
            f"{text[:_LINE]}{space}{text[_LINE:]}",
            f"{name}[:{_LINE}] + {space!r} + {name}[{_LINE}:]",
        )
    yield f"{bare[:-1]}{chr(ord(bare[-1]) + 1)}==", f"stray_bits({name})"
    yield text.replace("+", "-").replace("/", "_"), f"in_url_alphabet({name})"
    yield one.raw.hex(), f"raw({name}).hex()"
    yield base64.b32encode(one.raw).decode(), f"base32({name})"


def _as_bytes(decoded: bytes, one: KnownSignature) -> str | None:
    """Return how bytes were made of the bytes of a signature."""
    if len(decoded) != SIGNATURE_BYTES:
        return _resized(decoded, one)
    raw = one.raw
    changed = [index for index in range(SIGNATURE_BYTES) if raw[index] != decoded[index]]
    if len(changed) == 1:
        return f"flipped({one.name}, {changed[0]}, {raw[changed[0]] ^ decoded[changed[0]]})"
    if decoded == one.public_key + raw[_HALF_BYTES:]:
        return f"b64(raw({one.key_name}.public_key) + raw({one.name})[{_HALF_BYTES}:])"
    if decoded[:_HALF_BYTES] == raw[:_HALF_BYTES]:
        return _raised(decoded, one)
    if decoded == hmac.digest(one.public_key, one.data, "sha512"):
        return f"hmac_512({one.key_name}.public_key, canonical({one.data_name}))"
    if decoded == hashlib.sha512(one.data).digest():
        return f"sha_512(canonical({one.data_name}))"
    return None


def _raised(decoded: bytes, one: KnownSignature) -> str | None:
    difference = _scalar(decoded) - _scalar(one.raw)
    times, rest = divmod(difference, GROUP_ORDER)
    return f"raised({one.name}, {times})" if rest == 0 and 0 < times <= _MOST_ORDERS else None


def _scalar(raw: bytes) -> int:
    return int.from_bytes(raw[_HALF_BYTES:], "little")


def _resized(decoded: bytes, one: KnownSignature) -> str | None:
    """Return how a signature was cut or made longer."""
    raw, name = one.raw, one.name
    if decoded and len(decoded) < SIGNATURE_BYTES and raw.startswith(decoded):
        return f"b64(raw({name})[:{len(decoded)}])"
    for more, written in (
        (raw, f"raw({name})"),
        (raw[:_HALF_BYTES], f"raw({name})[:{_HALF_BYTES}]"),
        (decoded[SIGNATURE_BYTES:], f"{decoded[SIGNATURE_BYTES:]!r}"),
        (decoded[:-SIGNATURE_BYTES], f"{decoded[:-SIGNATURE_BYTES]!r}"),
    ):
        if more and decoded == raw + more:
            return f"b64(raw({name}) + {written})"
        if more and decoded == more + raw:
            return f"b64({written} + raw({name}))"
    return None


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
