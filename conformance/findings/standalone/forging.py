"""The means of files whose conversation has a signature that does not fit."""

from __future__ import annotations

import base64
import hashlib
import hmac

from conformance.findings.standalone.reading import b64

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def raw(signature: str) -> bytes:
    """Return the bytes of a signature."""
    return base64.b64decode(signature)


def flipped(signature: str, index: int, bits: int) -> str:
    """Return a signature with some bits of one byte changed."""
    changed = bytearray(raw(signature))
    changed[index] ^= bits
    return b64(bytes(changed))


def raised(signature: str, times: int) -> str:
    """Return a signature whose scalar S is raised by a multiple of the group order (RFC 8032, 8.4)."""
    scalar = int.from_bytes(raw(signature)[32:], "little") + times * GROUP_ORDER
    return b64(raw(signature)[:32] + scalar.to_bytes(32, "little"))


def in_url_alphabet(signature: str) -> str:
    """Return a signature in the alphabet for URLs; without padding where that makes no difference."""
    changed = signature.replace("+", "-").replace("/", "_")
    return changed if changed != signature else signature.rstrip("=")


def stray_bits(signature: str) -> str:
    """Return a signature with a bit set that the padding drops."""
    text = signature.rstrip("=")
    return f"{text[:-1]}{chr(ord(text[-1]) + 1)}=="


def base32(signature: str) -> str:
    """Return a signature in base32."""
    return base64.b32encode(raw(signature)).decode()


def hmac_512(public_key: str, data: bytes) -> str:
    """Return the HMAC of data under a public key, which everybody knows."""
    return b64(hmac.digest(raw(public_key), data, "sha512"))


def sha_512(data: bytes) -> str:
    """Return a digest in the place of a signature."""
    return b64(hashlib.sha512(data).digest())
