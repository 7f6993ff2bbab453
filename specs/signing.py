"""Ed25519 (RFC 8032) with strict reading of signatures and keys, and the bytes that a template says are signed.

Keys come from seeds that the caller gives; nothing here is random.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import nacl.bindings
import nacl.exceptions
import nacl.signing

from specs.canonical import canonical_bytes

SEED_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
#: Order of the base point, L in RFC 8032.
GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493

_FIELD_PRIME = 2**255 - 19
_SIGN_BIT = 1 << 255
_SIGNATURE_TEXT = re.compile(r"[A-Za-z0-9+/]{86}==")

#: Encodings of the eight points of small order.
SMALL_ORDER_KEYS: Final = tuple(
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    )
)

#: Other encodings of the same points: y not below the field prime, or a sign bit where x is 0.
NON_CANONICAL_SMALL_ORDER_KEYS: Final = tuple(
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    )
)


class MalformedSignature(ValueError):
    """The text is not the padded standard base64 of 64 bytes."""


class UnusableKey(ValueError):
    """The public key is none that a server may register."""


class MissingSignedMember(ValueError):
    """The payload lacks a member that its signature has to cover."""


class UnknownPlaceholder(ValueError):
    """The template of the signed bytes names something else than the topic, the event or a payload member."""


@dataclass(frozen=True, slots=True)
class SigningKeyPair:
    """An Ed25519 key pair; the seed never shows in its `repr`."""

    public_key: bytes
    seed: bytes = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKeyPair:
        """Derive the key pair of a seed of 32 bytes.

        Raises:
            ValueError: If the seed has another length.

        """
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        return cls(public_key=bytes(nacl.signing.SigningKey(seed).verify_key), seed=seed)

    def sign(self, data: bytes) -> str:
        """Sign bytes; the signature is standard base64, padded."""
        signature = nacl.signing.SigningKey(self.seed).sign(data).signature
        return base64.b64encode(signature).decode("ascii")


def decode_signature(text: Any) -> bytes:
    """Read the 64 bytes of a signature from its one permitted text.

    Raises:
        MalformedSignature: If `text` is no string, has another length, alphabet or padding, white space, or bits set
            that the padding drops.

    Source:
        `reading.md` section 8.

    """
    if not isinstance(text, str) or _SIGNATURE_TEXT.fullmatch(text) is None:
        raise MalformedSignature("not the padded standard base64 of 64 bytes")
    try:
        signature = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise MalformedSignature("not base64") from None
    if base64.b64encode(signature).decode("ascii") != text:
        raise MalformedSignature("bits are set that the padding drops")
    return signature


def verify(public_key: bytes, data: bytes, signature_text: Any) -> bool:
    """Tell whether the text is a signature of the data by the key; anything malformed is none.

    S >= L, small-order keys and non-canonical keys never verify, as in libsodium.

    Source:
        RFC 8032 section 5.1.7; `reading.md` section 8.

    """
    try:
        nacl.signing.VerifyKey(public_key).verify(data, decode_signature(signature_text))
    except (nacl.exceptions.CryptoError, ValueError, TypeError):
        return False
    return True


def check_public_key(public_key: bytes) -> None:
    """Accept a public key that only the holder of a private key can sign for.

    Raises:
        UnusableKey: If it has not 32 bytes, is of small order, is not canonically encoded, or is not a point of the
            group that RFC 8032 signs in.

    Source:
        `reading.md` section 8.

    """
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise UnusableKey(f"a public key has {PUBLIC_KEY_BYTES} bytes, not {len(public_key)}")
    if public_key in SMALL_ORDER_KEYS or public_key in NON_CANONICAL_SMALL_ORDER_KEYS:
        raise UnusableKey("the public key is of small order")
    if int.from_bytes(public_key, "little") % _SIGN_BIT >= _FIELD_PRIME:
        raise UnusableKey("the public key is not canonically encoded")
    if not nacl.bindings.crypto_core_ed25519_is_valid_point(public_key):
        raise UnusableKey("the public key is no point of the prime-order group")


def malleable_twin(signature_text: str) -> str:
    """Make the other signature, (R, S + L), that a verifier without a range check takes for the same data.

    Raises:
        MalformedSignature: If the text is no signature.

    Source:
        RFC 8032 section 8.4.

    """
    signature = decode_signature(signature_text)
    scalar = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    return base64.b64encode(signature[:32] + scalar.to_bytes(32, "little")).decode("ascii")


def signed_bytes(template: Mapping[str, Any], *, topic: str, event: str, payload: Any) -> bytes:
    """Build the bytes that the signature of an event covers.

    Args:
        template: Object whose strings `$topic`, `$event` and `$payload.name` (`$payload.a.b` for nested members) stand for
            what is sent; everything else is taken literally.
        topic: Topic of the event.
        event: Its name.
        payload: Its payload as sent.

    Raises:
        MissingSignedMember: If the payload has no such member.
        UnknownPlaceholder: If a string of the template begins with `$` and is none of the above.
        NotCanonical: If a member has no RFC 8785 form.

    Source:
        `reading.md` section 8.

    Example:
        >>> signed_bytes({"event": "$event", "n": "$payload.nonce"}, topic="payment:1", event="close", payload={"nonce": 7})
        b'{"event":"close","n":7}'

    """
    return canonical_bytes(_filled(template, {"topic": topic, "event": event, "payload": payload}))


def _filled(template: Any, sent: Mapping[str, Any]) -> Any:
    if isinstance(template, Mapping):
        return {key: _filled(member, sent) for key, member in template.items()}
    if isinstance(template, (list, tuple)):
        return [_filled(element, sent) for element in template]
    if isinstance(template, str) and template.startswith("$"):
        return _looked_up(template[1:], sent)
    return template


def _looked_up(placeholder: str, sent: Mapping[str, Any]) -> Any:
    first, *names = placeholder.split(".")
    if first not in sent or bool(names) != (first == "payload"):
        raise UnknownPlaceholder(f"${placeholder}")
    value = sent[first]
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            raise MissingSignedMember(".".join(names))
        value = value[name]
    return value
