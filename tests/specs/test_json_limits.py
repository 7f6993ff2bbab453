"""Depth and digits of a JSON text, against what a decoder finds in it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specs.json_limits import excess

texts = st.text(alphabet='[]{}"\\0123456789aé\n', max_size=12)
values = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _digits(value: Any) -> int:
    members = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, int | float):
        return max(map(len, re.findall("[0-9]+", json.dumps(value))))
    return max(map(_digits, members), default=0)


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_just_what_goes_too_far_is_found(value: Any, is_ascii: bool, indent: int | None) -> None:
    """A text keeps the limits that its value has reached, and none below them."""
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode()
    depth, digits = _depth(value), _digits(value)
    assert excess(text, depth, digits) is None
    assert depth == 0 or (excess(text, depth - 1, digits) or "").startswith("nested more than")
    assert digits == 0 or "digits" in (excess(text, depth, digits - 1) or "")


@given(st.binary(max_size=300), st.integers(1, 5), st.integers(1, 5))
def test_any_bytes_are_looked_at_without_an_error(text: bytes, depth: int, digits: int) -> None:
    """What is no JSON may get either answer, but no exception."""
    assert excess(text, depth, digits) is None or excess(text, 10_000, 10_000) is None


@pytest.mark.parametrize(
    "text",
    [b"[" * 500_000, b"[]" * 250_000, b'"' * 500_000, b'\\"' * 250_000, b"1" * 500_000, b'[""' * 160_000],
)
def test_hostile_texts_are_looked_at_in_one_pass(text: bytes) -> None:
    """Half a megabyte of anything is decided on, with no recursion."""
    excess(text, 128, 1000)
