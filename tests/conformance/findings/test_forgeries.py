"""What was made of a signature is made again of another one."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.findings.forgeries import KnownSignature, expression_of
from conformance.findings.standalone import forging, reading
from specs.signing import GROUP_ORDER, SigningKeyPair, decode_signature, malleable_twin, verify

KEYS = SigningKeyPair.from_seed(bytes(range(32)))
OTHER = SigningKeyPair.from_seed(bytes(32))
DATA = b'{"amount":"1"}'


class Signer:
    """Stands for an agent of a standalone file."""

    def __init__(self, keys: SigningKeyPair) -> None:
        self.public_key = base64.b64encode(keys.public_key).decode()


def known(keys: SigningKeyPair = KEYS) -> KnownSignature:
    return KnownSignature(keys.sign(DATA), "signature", keys.public_key, "a", DATA, "signature_data")


def made(expression: str, keys: SigningKeyPair) -> Any:
    names = {
        **vars(forging),
        **vars(reading),
        "signature": keys.sign(DATA),
        "signature_data": DATA,
        "a": Signer(keys),
    }
    return eval(expression, names)  # noqa: S307


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def variants(keys: SigningKeyPair) -> dict[str, Any]:
    """Every kind of forgery that the suite sends."""
    text = keys.sign(DATA)
    raw = decode_signature(text)
    bare = text.rstrip("=")
    scalar = int.from_bytes(raw[32:], "little")
    return {
        "malleable": malleable_twin(text),
        "seven orders": encoded(raw[:32] + (scalar + 7 * GROUP_ORDER).to_bytes(32, "little")),
        "one byte": encoded(raw[:1]),
        "half": encoded(raw[:32]),
        "short": encoded(raw[:-1]),
        "long": encoded(raw + b"\0"),
        "long in front": encoded(b"\0" + raw),
        "one and a half": encoded(raw + raw[:32]),
        "twice": encoded(raw + raw),
        "unpadded": bare,
        "half padded": f"{bare}=",
        "padded more": f"{text}=",
        "line feed": f"{text}\n",
        "space": f" {text}",
        "line break": f"{text[:44]}\n{text[44:]}",
        "stray bits": f"{bare[:-1]}{chr(ord(bare[-1]) + 1)}==",
        "hexadecimal": raw.hex(),
        "base32": base64.b32encode(raw).decode(),
        "array": list(raw),
        "key in front": encoded(keys.public_key + raw[32:]),
        "hmac": encoded(hmac.digest(keys.public_key, DATA, "sha512")),
        "digest": encoded(hashlib.sha512(DATA).digest()),
    }


@pytest.mark.parametrize("kind", variants(KEYS))
def test_every_forgery_is_recognised_and_made_of_another_key(kind: str) -> None:
    """The expression gives the same value of the same signature, and the same kind of value of another."""
    expression = expression_of(variants(KEYS)[kind], [known()])
    assert expression is not None
    assert made(expression, KEYS) == variants(KEYS)[kind]
    assert made(expression, OTHER) == variants(OTHER)[kind]


@given(st.integers(0, 63), st.integers(1, 255))
def test_every_altered_byte_is_recognised(index: int, bits: int) -> None:
    """Whatever bits of one byte are changed, the same are changed again."""
    changed = bytearray(known().raw)
    changed[index] ^= bits
    expression = expression_of(encoded(bytes(changed)), [known()])
    assert expression is not None
    assert made(expression, KEYS) == encoded(bytes(changed))


@given(st.integers(0, 200))
def test_the_alphabet_for_urls_never_gives_a_genuine_signature(number: int) -> None:
    """One signature in fifteen is the same in both alphabets; it must not be offered as a forgery."""
    signature = KEYS.sign(str(number).encode())
    assert not verify(KEYS.public_key, str(number).encode(), forging.in_url_alphabet(signature))


@pytest.mark.parametrize("value", ["hello", "", None, 7, "*" * 88, encoded(bytes(64)), [1, 2]])
def test_what_has_nothing_of_a_signature_is_left_alone(value: Any) -> None:
    """Other values stand as they are."""
    assert expression_of(value, [known()]) is None
