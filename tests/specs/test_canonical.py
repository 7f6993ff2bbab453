"""Tests of canonical JSON."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from specs.canonical import NotCanonical, canonical_bytes

SAFE = 2**53 - 1
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
    max_leaves=16,
)


@given(plain)
def test_the_fast_path_writes_what_rfc8785_writes(value):
    """Values without floats and with ASCII keys have the same bytes either way."""
    assert canonical_bytes(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1.0, "a": -0.0}, b'{"a":0,"b":1}'),
        ([1e20, 1e21, 1e-7], b"[100000000000000000000,1e+21,1e-7]"),
        ({"\U0001f600": 1, "\ufb33": 2}, '{"\U0001f600":1,"\ufb33":2}'.encode()),
        ("\x0f\n\x7f/é", b'"\\u000f\\n\x7f/\xc3\xa9"'),
    ],
)
def test_numbers_and_key_order_are_those_of_rfc_8785(value, expected):
    """Floats as ECMAScript writes them; keys by UTF-16 unit."""
    assert canonical_bytes(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        SAFE + 1,
        -SAFE - 1,
        float("nan"),
        float("inf"),
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        b"x",
        object(),
        [{"a": 2**60}],
    ],
    ids=range(10),
)
def test_what_rfc_8785_cannot_express_is_refused(value):
    """One exception of our own for all of it."""
    with pytest.raises(NotCanonical):
        canonical_bytes(value)
