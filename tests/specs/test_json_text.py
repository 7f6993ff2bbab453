"""Tests of the JSON codec."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specs.json_text import (
    DuplicateKey,
    MalformedJson,
    NotJson,
    decode,
    decode_first_wins,
    decode_strict,
    encode,
)

REFUSED = [
    b"",
    b" ",
    b"nul",
    b'{"a":1} x',
    b"[1,]",
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"01",
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\xed\xa0\x80"',
    b'"\xff"',
    b"\xef\xbb\xbf{}",
    b'"\x01"',
    "\ud800",
    b"[" * 100_000,
]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
@pytest.mark.parametrize("decoder", [decode, decode_first_wins, decode_strict])
def test_what_phoenix_refuses_is_refused(decoder, text):
    """Every decoder raises MalformedJson and nothing else (M-1, section 17)."""
    with pytest.raises(MalformedJson):
        decoder(text)


@given(values)
def test_a_value_survives_its_text(value):
    """Decoding the encoded value gives it back, whichever decoder reads it, and the standard library agrees."""
    text = encode(value)
    assert decode(text) == decode_first_wins(text) == decode_strict(text) == json.loads(text) == value


def test_integers_keep_their_precision():
    """A large integer stays an integer."""
    assert decode(encode(2**200)) == 2**200


def test_the_readings_of_a_duplicate_key_differ_by_decoder():
    """The last value counts for a client, the first for Phoenix, and the strict reading refuses."""
    text = b'[1,{"a":1,"b":{"c":3,"c":4},"a":2}]'
    assert decode(text) == [1, {"a": 2, "b": {"c": 4}}]
    assert decode_first_wins(text) == [1, {"a": 1, "b": {"c": 3}}]
    with pytest.raises(DuplicateKey):
        decode_strict(text)


@pytest.mark.parametrize(
    "value", [float("nan"), [{"a": float("inf")}], "\ud800", {"\ud800": 1}, object(), 10**5000], ids=range(6)
)
def test_what_has_no_json_text_is_not_written(value):
    """Nothing is silently turned into null or replaced."""
    with pytest.raises(NotJson):
        encode(value)


def test_text_is_compact_raw_utf8():
    """No white space and no escapes that are not needed (F-9)."""
    assert encode({"é": ["x", None]}) == '{"é":["x",null]}'.encode()
