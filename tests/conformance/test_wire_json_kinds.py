"""The tables of texts: what is said to be no JSON is none to two foreign parsers, and what is said to be JSON is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from conformance.verbs.json_kinds import NOT_JSON, NOTHING, TRAILING, VALUES, beginnings, rubbish

MESSAGE = '[null,"wire","phoenix","heartbeat",{}]'
WHOLE = (NOTHING, beginnings(MESSAGE), rubbish(MESSAGE))
LEAST_MALFORMED, LEAST_VALID = 250, 45


def malformed() -> Iterator[str]:
    """Yield every whole text that is said to be no JSON."""
    for texts in NOT_JSON.values():
        yield from (MESSAGE.replace("{}", text) for text in texts)
    for texts in WHOLE:
        yield from texts
    yield from (MESSAGE + text for text in TRAILING)


def refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def test_there_are_many_and_none_twice() -> None:
    """No text is sent twice in a kind."""
    texts = list(malformed())
    assert len(texts) >= LEAST_MALFORMED
    assert len(VALUES) >= LEAST_VALID
    for kind in (*NOT_JSON.values(), *WHOLE, TRAILING, VALUES):
        assert len(set(kind)) == len(kind)


@pytest.mark.parametrize(
    "text", list(malformed()), ids=lambda text: text[:40].encode("unicode_escape").decode()
)
def test_what_is_no_json_is_refused_by_two_parsers(text: str) -> None:
    """Python's own and msgspec's refuse it."""
    with pytest.raises(ValueError, match=r"Exp|JSON|Extra|Inv|Unterm|BOM|delim"):
        json.loads(text, parse_constant=refuse)
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(text.encode())


def test_what_is_json_is_taken_by_two_parsers() -> None:
    """Python's own and msgspec's take it, and agree on it."""
    for value in VALUES:
        text = MESSAGE.replace("{}", value)
        assert json.loads(text, parse_constant=refuse) == msgspec.json.decode(text.encode())
