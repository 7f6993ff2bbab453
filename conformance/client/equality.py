"""Equality of JSON values as JSON sees it: 1 equals 1.0, but true equals no number."""

from __future__ import annotations

from typing import Any


def same(left: Any, right: Any) -> bool:
    """Tell whether two decoded JSON values are equal."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def holds(whole: Any, part: dict[str, Any]) -> bool:
    """Tell whether an object has every member of `part`, with an equal value; it may have more."""
    return isinstance(whole, dict) and all(key in whole and same(whole[key], part[key]) for key in part)


def one_form(value: Any) -> Any:
    """Return a decoded JSON value in the one form that all equal ones have as text: whole numbers as integers, keys sorted."""
    if isinstance(value, dict):
        return {key: one_form(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [one_form(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
