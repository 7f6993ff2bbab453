"""Tells one set of documents from another, so that a finding is not replayed under other rules than it was made under."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from specs.model import Api

_DIGITS = 16


def digest_of(api: Api) -> str:
    """Return 16 hexadecimal digits that change with anything the documents say."""
    text = json.dumps(_plain(api), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def _plain(value: Any) -> Any:
    """Return a value of the model as JSON in which nothing depends on chance."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(member) for member in value), key=str)
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
