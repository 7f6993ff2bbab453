"""Validation of values by JSON Schema 2020-12; the only module that knows which library does it.

Formats are asserted, nothing is fetched, unknown keywords are annotations. Messages never show an instance's value: it
may be a credential.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from specs.json_text import NotJson, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

_MASK = "the value"
_LONG = re.compile(r"\"[^\"]{81,}\"|'[^']{81,}'|\S{81,}")
_KEPT_CHARACTERS = 60
_FALSE_BY_KEYWORD = frozenset({"additionalProperties", "items", "unevaluatedProperties", "unevaluatedItems"})


class SchemaInvalid(ValueError):
    """The schema is none: it breaks the meta-schema, or a reference in it leads nowhere."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a value breaks a schema.

    `pointer` is a JSON pointer into the value ("" is the value itself), `keyword` the schema keyword that failed.
    """

    pointer: str
    keyword: str
    message: str

    def __str__(self) -> str:
        """Render as `pointer: message`."""
        return f"{self.pointer or '.'}: {self.message}"


_NO_JSON_TEXT = Fault("", "type", "the value has no JSON text")


class Validator:
    """A compiled schema."""

    __slots__ = ("_validator",)

    def __init__(
        self, schema: Mapping[str, Any] | bool, *, resources: Mapping[str, Any] | None = None
    ) -> None:
        """Compile a schema.

        Args:
            schema: The schema in the 2020-12 dialect.
            resources: Further schemas by the URI that a `$ref` may name.

        Raises:
            SchemaInvalid: If it is no schema or refers to what is not there.

        """
        try:
            registry = jsonschema_rs.Registry(list(resources.items())) if resources else None
            self._validator = jsonschema_rs.Draft202012Validator(
                schema if isinstance(schema, bool) else dict(schema),
                validate_formats=True,
                registry=registry,
                mask=_MASK,
                offline=True,
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as fault:
            raise SchemaInvalid(str(fault).partition("\n")[0]) from None

    def is_valid(self, value: Any) -> bool:
        """Tell whether a value keeps the schema; what has no JSON text (bytes, NaN, a lone surrogate) does not."""
        return _unfit(value) is None and self.is_valid_json(value)

    def is_valid_json(self, value: Any) -> bool:
        """Tell whether a value that came out of JSON text keeps the schema; of any other value it may say anything."""
        try:
            return self._validator.is_valid(value)
        except ValueError:
            return False

    def first_fault(self, value: Any) -> Fault | None:
        """Return one fault of a value without looking for the others; None where it is valid.

        Which one it is, where there are several, is up to the library.
        """
        unfit = _unfit(value)
        if unfit is not None:
            return unfit
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return _fault(error)
        except ValueError:
            return _NO_JSON_TEXT
        return None

    def faults(self, value: Any) -> list[Fault]:
        """List every fault of a value, in the order in which the schema finds them; empty where it is valid.

        A binary payload, and a value that has no JSON text, are one fault each, with the keyword `type`.
        """
        unfit = _unfit(value)
        if unfit is not None:
            return [unfit]
        try:
            return [_fault(error) for error in self._validator.iter_errors(value)]
        except ValueError:
            return [_NO_JSON_TEXT]


def pointer_of(path: list[str | int]) -> str:
    """Write a path into a value as a JSON pointer (RFC 6901).

    Example:
        >>> pointer_of(["a/b", 0])
        '/a~1b/0'

    """
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in path)


def _unfit(value: Any) -> Fault | None:
    if isinstance(value, bytes):
        return Fault("", "type", "binary payload")
    try:
        # The library reads a value only where the schema looks, and lets a lone surrogate through elsewhere.
        encode(value)
    except NotJson:
        return _NO_JSON_TEXT
    return None


def _fault(error: jsonschema_rs.ValidationError) -> Fault:
    return Fault(pointer_of(error.instance_path), _keyword(error), _LONG.sub(_elided, error.message))


def _keyword(error: jsonschema_rs.ValidationError) -> str:
    kind = error.kind.name
    last = error.schema_path[-1] if error.schema_path else ""
    if kind == "falseSchema":
        return last if isinstance(last, str) and last in _FALSE_BY_KEYWORD else "false"
    # A fault of a name is found by the keyword inside propertyNames.
    return kind if kind == "propertyNames" else str(last)


def _elided(long: re.Match[str]) -> str:
    return f"{long[0][:_KEPT_CHARACTERS]}…"
