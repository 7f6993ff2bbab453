"""Puts names in the place of values that another attempt would not have: ids, credentials, topics, signatures.

A symbolic value is JSON in which `{"$": [...]}` stands for a text; its parts are texts as they are and `{"=": expression}`, where
the expression is what a standalone file calls the value.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from conformance.findings.standalone import core, ending, forging, low_level, reading

TEXT, EXPRESSION = "$", "="
CALLED = "\0"
"""Begins the name of a member that is an expression, in what came."""
SHORTEST = 6
"""Characters of a value that is looked for inside of other texts."""
_AFFIX = 10
"""Characters of a secret that no text may share with it unnamed."""
_WORDS = re.compile(r"[a-z_]+(:[a-z_]+)*")
"""What a topic has before its id."""
_AGENT_ID = re.compile(r"(?<=[?&]agent_id=)[^&]+")
_RESERVED = frozenset(
    {"came", "conversation", "endpoint", "is_seen"}.union(
        dir(builtins), *(vars(means) for means in (reading, core, forging, low_level, ending))
    )
)
"""What a standalone file has names for already."""


class NotSymbolic(Exception):
    """Something that was sent cannot be said without values of this attempt."""


class Symbols:
    """What is known at some point of an attempt, and what a standalone file calls it."""

    def __init__(self) -> None:
        self._known: list[tuple[str, str]] = []
        self._secrets: list[tuple[str, str]] = []
        self._short: dict[str, str] = {}
        """Values that may be part of any text by chance, such as the id 17: they are named where they stand alone."""
        self._names: set[str] = set()

    def name(self, wish: str) -> str:
        """Return an identifier like the wish that nothing else has."""
        base = re.sub(r"\W+", "_", wish, flags=re.ASCII).strip("_").lower() or "it"
        if base[0].isdigit() or keyword.iskeyword(base) or base in _RESERVED:
            base = f"the_{base}"
        number, name = 1, base
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name

    def define(self, value: str, expression: str, *, is_secret: bool = False) -> None:
        """Let an expression stand for a value from here on; the first one stays."""
        if len(value) < SHORTEST:
            if value and not is_secret:
                self._short.setdefault(value, expression)
            return
        if any(value == known for known, _ in self._known):
            return
        self._known.append((value, expression))
        # A value may be part of another: the longer one is looked for first.
        self._known.sort(key=lambda pair: -len(pair[0]))
        if is_secret:
            self._secrets.append((value, expression))

    def expression_of(self, value: str) -> str | None:
        """Return what stands for exactly this value."""
        short = self._short.get(value) if _is_telling(value) else None
        return next((expression for known, expression in self._known if known == value), short)

    def id(self, value: Any) -> Any:
        """Return what is known to be an id with a name in its place, however short it is."""
        expression = self._short.get(value) if isinstance(value, str) else None
        return lone(expression) if expression is not None else self.json(value)

    def text(self, text: str, *, is_query: bool = False) -> Any:
        """Return a text with names in it: a plain string where there is nothing to name.

        Raises:
            NotSymbolic: If a piece of a credential would be left.

        """
        parts: list[Any] = [text]
        for value, expression in self._known:
            written = quote(value, safe="") if is_query else value
            named = f"quote({expression}, safe='')" if written != value else expression
            parts = [piece for part in parts for piece in _split(part, written, named)]
        parts = [piece for part in parts for piece in self._with_short(part, is_whole=part == text)]
        parts = [piece for part in parts for piece in self._without_secrets(part)]
        kept = [part for part in parts if part != ""]
        return {TEXT: kept} if any(isinstance(part, dict) for part in kept) else text

    def _with_short(self, part: Any, *, is_whole: bool) -> list[Any]:
        """Name a short value that is a whole text, what a topic is about, or the value of a query's parameter."""
        if not isinstance(part, str):
            return [part]
        if is_whole and part in self._short and _is_telling(part):
            return [{EXPRESSION: self._short[part]}]
        head, _, tail = part.rpartition(":")
        if is_whole and tail in self._short and _WORDS.fullmatch(head):
            return [f"{head}:", {EXPRESSION: self._short[tail]}]
        found = _AGENT_ID.search(part)
        if found is None or found[0] not in self._short:
            return [part]
        return [part[: found.start()], {EXPRESSION: self._short[found[0]]}, part[found.end() :]]

    def _without_secrets(self, part: Any) -> list[Any]:
        """Name the beginning of a credential as such, so that a shortened one is no secret in a file.

        Raises:
            NotSymbolic: If another piece of it is left.

        """
        if not isinstance(part, str):
            return [part]
        for value, expression in self._secrets:
            for size in range(len(value) - 1, _AFFIX - 1, -1):
                if value[:size] in part:
                    return _split(part, value[:size], f"{expression}[:{size}]")
            pieces = (value[at : at + _AFFIX] for at in range(len(value) - _AFFIX + 1))
            if any(piece in part for piece in pieces):
                raise NotSymbolic("it holds a piece of a credential")
        return [part]

    def anything(self, value: Any) -> Any:
        """Return a value that came with names in its texts, those of its members' names as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._member(name): self.anything(member) for name, member in value.items()}
        return [self.anything(item) for item in value] if isinstance(value, (list, tuple)) else value

    def _member(self, name: str) -> str:
        expression = self.expression_of(name)
        return name if expression is None else f"{CALLED}{expression}"

    def json(self, value: Any) -> Any:
        """Return a JSON value with names in its texts.

        Raises:
            NotSymbolic: If a member would be called by such a value.

        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            if any(name == TEXT or not isinstance(self.text(name), str) for name in value):
                raise NotSymbolic("a member is called by a value of this attempt")
            return {name: self.json(member) for name, member in value.items()}
        return [self.json(item) for item in value] if isinstance(value, (list, tuple)) else value


def _is_telling(value: str) -> bool:
    """Tell whether a short text is likely to be an id wherever it stands alone: no number, no ref, no single letter."""
    return len(value) > 1 and any(map(str.isalpha, value))


def _split(part: Any, value: str, expression: str) -> list[Any]:
    if not isinstance(part, str) or value not in part:
        return [part]
    pieces: list[Any] = []
    for piece in part.split(value):
        pieces += [{EXPRESSION: expression}, piece]
    return pieces[1:]


def lone(expression: str) -> Any:
    """Return the symbolic text that is one expression."""
    return {TEXT: [{EXPRESSION: expression}]}


def names_in(value: Any) -> set[str]:
    """Return the identifiers that the expressions of a symbolic value use."""
    if isinstance(value, Mapping):
        if isinstance(value.get(EXPRESSION), str):
            return set(re.findall(r"(?<![.\w'\"])[A-Za-z_]\w*", value[EXPRESSION]))
        return {name for member in value.values() for name in names_in(member)}
    if isinstance(value, (list, tuple)):
        return {name for item in value for name in names_in(item)}
    return set()


def frozen(value: Any) -> Any:
    """Return a JSON value that can be a key; true and 1 stay apart."""
    if isinstance(value, Mapping):
        return ("object", tuple(sorted((str(name), frozen(member)) for name, member in value.items())))
    if isinstance(value, (list, tuple)):
        return ("array", tuple(frozen(item) for item in value))
    return ("true" if value else "false",) if isinstance(value, bool) else value


def thawed(value: Any) -> Any:
    """Return the JSON value of a key."""
    if isinstance(value, tuple):
        if value[0] == "object":
            return {name: thawed(member) for name, member in value[1]}
        if value[0] == "array":
            return [thawed(item) for item in value[1]]
        return value[0] == "true"
    return value
