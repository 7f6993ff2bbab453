"""Tests of Ed25519 and the signed bytes."""

from __future__ import annotations

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from specs import signing
from specs.canonical import NotCanonical
from specs.signing import (
    MalformedSignature,
    MissingSignedMember,
    SigningKeyPair,
    UnknownPlaceholder,
    UnusableKey,
    check_public_key,
    decode_signature,
    malleable_twin,
    signed_bytes,
    verify,
)

# RFC 8032 section 7.1, tests 1 to 3: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
KEYS = SigningKeyPair.from_seed(bytes(range(32)))
DATA = b"data"
SIGNATURE = KEYS.sign(DATA)
PRIME = 2**255 - 19


@pytest.mark.parametrize(("seed", "public_key", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032_hold(seed, public_key, message, signature):
    """Key, signature and verification are those of the standard."""
    keys = SigningKeyPair.from_seed(bytes.fromhex(seed))
    assert keys.public_key.hex() == public_key
    text = keys.sign(bytes.fromhex(message))
    assert decode_signature(text).hex() == signature
    assert verify(keys.public_key, bytes.fromhex(message), text)


@given(st.binary(min_size=32, max_size=32), st.binary())
def test_another_library_agrees_on_honest_signatures(seed, data):
    """OpenSSL makes the same key and the same signature."""
    keys, other = SigningKeyPair.from_seed(seed), Ed25519PrivateKey.from_private_bytes(seed)
    assert keys.public_key == other.public_key().public_bytes_raw()
    assert decode_signature(keys.sign(data)) == other.sign(data)


@given(st.integers(0, 511))
def test_a_flipped_bit_anywhere_is_refused_by_both_libraries(bit):
    """Every bit of a signature counts."""
    altered = bytearray(decode_signature(SIGNATURE))
    altered[bit // 8] ^= 1 << bit % 8
    assert not verify(KEYS.public_key, DATA, base64.b64encode(altered).decode())
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(KEYS.public_key).verify(bytes(altered), DATA)


def test_other_data_and_another_key_are_refused():
    """A signature is good for its own data and key alone."""
    assert verify(KEYS.public_key, DATA, SIGNATURE)
    assert not verify(KEYS.public_key, b"Data", SIGNATURE)
    assert not verify(SigningKeyPair.from_seed(bytes(32)).public_key, DATA, SIGNATURE)


def test_the_malleable_twin_differs_by_the_group_order_and_is_refused():
    """S + L satisfies the equation, and only the range check refuses it (RFC 8032 section 8.4)."""
    twin, honest = decode_signature(malleable_twin(SIGNATURE)), decode_signature(SIGNATURE)
    assert twin[:32] == honest[:32]
    assert int.from_bytes(twin[32:], "little") - int.from_bytes(honest[32:], "little") == signing.GROUP_ORDER
    assert not verify(KEYS.public_key, DATA, malleable_twin(SIGNATURE))


@pytest.mark.parametrize(
    "key", signing.SMALL_ORDER_KEYS + signing.NON_CANONICAL_SMALL_ORDER_KEYS, ids=lambda key: key.hex()
)
def test_a_small_order_key_is_refused_at_both_steps(key):
    """It cannot be registered, and a signature of identity and 0 does not verify by it."""
    with pytest.raises(UnusableKey):
        check_public_key(key)
    forged = base64.b64encode(bytes([1]) + bytes(63)).decode()
    assert not verify(key, DATA, forged)


def is_on_curve_with_small_order(key):
    """Multiply the point by 8 in plain integers (RFC 8032 section 5.1)."""
    d = -121665 * pow(121666, -1, PRIME) % PRIME
    y = int.from_bytes(key, "little") % 2**255 % PRIME
    x_squared = (y * y - 1) * pow(d * y * y + 1, -1, PRIME) % PRIME
    x = pow(x_squared, (PRIME + 3) // 8, PRIME)
    if x * x % PRIME != x_squared:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    assert x * x % PRIME == x_squared
    for _ in range(3):
        t = d * x * x * y * y
        x, y = 2 * x * y * pow(1 + t, -1, PRIME) % PRIME, (y * y + x * x) * pow(1 - t, -1, PRIME) % PRIME
    return (x, y) == (0, 1)


def test_the_listed_keys_are_the_small_order_ones():
    """Eight distinct points that 8 takes to the identity, and six further encodings of them."""
    assert len(set(signing.SMALL_ORDER_KEYS)) == 8
    assert len(set(signing.NON_CANONICAL_SMALL_ORDER_KEYS)) == 6
    assert all(
        map(is_on_curve_with_small_order, signing.SMALL_ORDER_KEYS + signing.NON_CANONICAL_SMALL_ORDER_KEYS)
    )
    assert not is_on_curve_with_small_order(KEYS.public_key)


@pytest.mark.parametrize(
    "key",
    [
        b"",
        KEYS.public_key[:31],
        KEYS.public_key + b"\x00",
        (PRIME + 3).to_bytes(32, "little"),
        (2).to_bytes(32, "little"),
    ],
)
def test_a_key_of_wrong_length_or_off_the_group_is_refused(key):
    """Wrong length, y beyond the field prime, no point of the curve."""
    with pytest.raises(UnusableKey):
        check_public_key(key)


@given(st.binary(min_size=32, max_size=32))
def test_an_honest_key_is_accepted(seed):
    """Whatever the seed, its public key can be registered."""
    check_public_key(SigningKeyPair.from_seed(seed).public_key)


def with_dropped_bits():
    """Set the four bits of the last sextet that padding drops."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return SIGNATURE[:85] + alphabet[alphabet.index(SIGNATURE[85]) + 1] + "=="


@pytest.mark.parametrize(
    "text",
    [
        "",
        SIGNATURE[:-2],
        f" {SIGNATURE}",
        f"{SIGNATURE}\n",
        SIGNATURE.rstrip("=") + "=",
        with_dropped_bits(),
        "_" * 86 + "==",
        base64.b64encode(bytes(63)).decode(),
        base64.b64encode(bytes(65)).decode(),
        "é" * 86 + "==",
        None,
        7,
        b"A" * 88,
    ],
)
def test_a_signature_has_one_text_only(text):
    """Other lengths, alphabets, paddings and types are malformed, and verify as nothing."""
    with pytest.raises(MalformedSignature):
        decode_signature(text)
    assert not verify(KEYS.public_key, DATA, text)


@pytest.mark.parametrize("key", [b"", b"x" * 31, b"x" * 33])
def test_a_key_of_wrong_length_verifies_nothing(key):
    """Verification answers, it does not raise."""
    assert not verify(key, DATA, SIGNATURE)


def test_a_seed_has_32_bytes_and_is_not_shown():
    """A wrong length raises, and the seed is not part of the repr."""
    with pytest.raises(ValueError, match="32"):
        SigningKeyPair.from_seed(bytes(31))
    assert repr(KEYS.seed) not in repr(KEYS)


def test_the_template_says_what_is_signed():
    """Topic, event and members of the payload as sent; the rest literally; keys in canonical order."""
    template = {
        "topic": "$topic",
        "event": "$event",
        "amount": "$payload.amount",
        "v": 1,
        "in": ["$payload.a.b"],
    }
    payload = {"amount": "12.50", "nonce": 7, "a": {"b": None}}
    assert (
        signed_bytes(template, topic="payment:1", event="close", payload=payload)
        == b'{"amount":"12.50","event":"close","in":[null],"topic":"payment:1","v":1}'
    )


@pytest.mark.parametrize("payload", [{}, {"a": 1}, None, [], "x", b"x"])
def test_a_missing_member_is_named(payload):
    """A payload of any type without the member cannot be signed."""
    with pytest.raises(MissingSignedMember, match="amount"):
        signed_bytes({"amount": "$payload.amount"}, topic="t", event="e", payload=payload)


@pytest.mark.parametrize("placeholder", ["$", "$other", "$payload", "$topic.x", "$$"])
def test_an_unknown_placeholder_is_refused(placeholder):
    """A template with a slip of the pen does not sign a literal text."""
    with pytest.raises(UnknownPlaceholder):
        signed_bytes({"a": placeholder}, topic="t", event="e", payload={})


def test_a_member_without_canonical_form_cannot_be_signed():
    """An integer beyond 2^53 raises."""
    with pytest.raises(NotCanonical):
        signed_bytes({"n": "$payload.n"}, topic="t", event="e", payload={"n": 2**53})
