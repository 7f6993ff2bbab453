"""Parsers that take more than JSON: what JavaScript, Python and people write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reference_server.deviations.deviation import deviation
from reference_server.deviations.written.malformed import ignores_text, mends_text
from specs.serializer import SERIALIZERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

INVALID = "malformed/invalid-json-closes"

_TRAILING_COMMA = re.compile(rb",(\s*[\]}])")
_COMMENT = re.compile(rb"/\*.*?\*/|//[^\n]*\n")
_WORDS = {rb"\bTrue\b": b"true", rb"\bFalse\b": b"false", rb"\b(None|undefined|nil)\b": b"null"}
_CLOSING = {"[": "]", "{": "}"}


def _mends(server: Assembly, mend: Callable[[bytes], bytes]) -> None:
    for vsn in SERIALIZERS:
        mends_text(server, mend, vsn)


@deviation(INVALID, shows="A comma behind the last element of an array or an object is taken.")
def takes_trailing_commas(server: Assembly) -> None:
    """Read as newer JavaScript does."""
    _mends(server, lambda data: _TRAILING_COMMA.sub(rb"\1", data))


@deviation(INVALID, shows="A string in single quotes is taken.")
def takes_single_quotes(server: Assembly) -> None:
    """Read both kinds of quotes as one."""
    _mends(server, lambda data: data.replace(b"'", b'"'))


@deviation(INVALID, shows="A line break and other control characters inside a string are taken.")
def takes_control_characters(server: Assembly) -> None:
    """Read a control character as if it were not there."""
    _mends(server, lambda data: re.sub(rb"[\x00-\x1f]", b"", data))


@deviation(INVALID, shows="The words True, None and undefined are taken.")
def takes_words_of_other_languages(server: Assembly) -> None:
    """Read what other languages print."""

    def mend(data: bytes) -> bytes:
        for word, own in _WORDS.items():
            data = re.sub(word, own, data)
        return data

    _mends(server, mend)


@deviation(INVALID, shows="A comment in a message is taken.")
def takes_comments(server: Assembly) -> None:
    """Read configuration files as well."""
    _mends(server, lambda data: _COMMENT.sub(b"", data))


@deviation(INVALID, shows="A message whose last brackets are missing is taken.")
def closes_open_brackets(server: Assembly) -> None:
    """Read text that streams, as far as it has come."""

    def mend(data: bytes) -> bytes:
        opened: list[str] = []
        for sign in data.decode():
            if sign in _CLOSING:
                opened.append(_CLOSING[sign])
            elif opened and sign == opened[-1]:
                opened.pop()
        return data + "".join(reversed(opened)).encode()

    _mends(server, mend)


@deviation(INVALID, shows="A text frame of white space makes no difference.")
def ignores_blank_text(server: Assembly) -> None:
    """Take a blank line for a sign of life."""
    ignores_text(server, lambda data: data.isspace())
