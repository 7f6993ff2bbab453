"""Values that break one keyword of a subschema and stay as near to a valid value as they can.

Each function takes the flattened subschema and a valid value of it, and yields candidates, the best first. Whether a
candidate does break the keyword is for the caller to check.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

Candidates = Iterator[Any]

_OTHERS: Final[tuple[Any, ...]] = (7, "7", True, None, [], {})


def of_type(_node: Mapping[str, Any], value: Any) -> Candidates:
    """Yield values of other types: for a number its text, for a string a number."""
    if isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, (int, float)):
        yield str(value)
    elif isinstance(value, dict):
        yield []
    elif isinstance(value, list):
        yield {}
    yield from _OTHERS
    yield 0.5


def of_enum(_node: Mapping[str, Any], value: Any) -> Candidates:
    """Yield values of the same type that are not listed: another case, something behind it."""
    if isinstance(value, str):
        yield from (value.upper(), value.swapcase(), f"{value}x", f"x{value}", "")
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield from (value + number for number in range(1, 64))
    elif isinstance(value, list):
        yield [*value, None]
    elif isinstance(value, dict):
        yield {**value, _unused(value): None}
    yield from _OTHERS


def of_pattern(_node: Mapping[str, Any], value: str) -> Candidates:
    """Yield texts that no longer match."""
    yield from (
        f"{value}!",
        f"!{value}",
        f" {value}",
        value.swapcase(),
        "",
        "!",
        " ",
        "\x00",
        "é",
        value * 2,
        value[:-1],
    )


def of_newline(_node: Mapping[str, Any], value: str) -> Candidates:
    """Yield the text with a trailing newline, which a `$` lets through in some regex engines."""
    yield f"{value}\n"


def of_format(node: Mapping[str, Any], value: str) -> Candidates:
    """Yield texts that are not in the format."""
    yield from (f"not a {node['format']}", f"{value} ", "", "(", "\x00")


def of_min_length(node: Mapping[str, Any], value: str) -> Candidates:
    """Yield the text cut to one character less than the least."""
    if node["minLength"] > 0:
        yield value[: node["minLength"] - 1]


def of_max_length(node: Mapping[str, Any], value: str) -> Candidates:
    """Yield the text, going on as it ends, with one character more than the most."""
    yield value + (value[-1:] or "a") * (node["maxLength"] + 1 - len(value))


def of_minimum(node: Mapping[str, Any], _value: float) -> Candidates:
    """Yield the next number below, a multiple where multiples are asked."""
    yield node["minimum"] - _grain(node)


def of_maximum(node: Mapping[str, Any], _value: float) -> Candidates:
    """Yield the next number above, a multiple where multiples are asked."""
    yield node["maximum"] + _grain(node)


def of_exclusive_minimum(node: Mapping[str, Any], _value: float) -> Candidates:
    """Yield the bound itself, then what is below."""
    yield from (node["exclusiveMinimum"], node["exclusiveMinimum"] - _grain(node))


def of_exclusive_maximum(node: Mapping[str, Any], _value: float) -> Candidates:
    """Yield the bound itself, then what is above."""
    yield from (node["exclusiveMaximum"], node["exclusiveMaximum"] + _grain(node))


def of_multiple(node: Mapping[str, Any], value: float) -> Candidates:
    """Yield numbers between the multiples."""
    yield from (value + 1, value - 1)
    half = Fraction(str(value)) + Fraction(str(node["multipleOf"])) / 2
    yield int(half) if half.denominator == 1 else float(half)


def of_min_items(node: Mapping[str, Any], value: list[Any]) -> Candidates:
    """Yield the array with one item less than the least."""
    if node["minItems"] > 0:
        yield value[: node["minItems"] - 1]


def of_max_items(node: Mapping[str, Any], value: list[Any]) -> Candidates:
    """Yield the array, its items going round, with one item more than the most."""
    yield list(itertools.islice(itertools.cycle(value or [None]), node["maxItems"] + 1))


def of_unique_items(node: Mapping[str, Any], value: list[Any]) -> Candidates:
    """Yield the array with an item twice."""
    if node["uniqueItems"]:
        yield [*value[:1], *value] if value else [None, None]


def of_items(node: Mapping[str, Any], value: list[Any]) -> Candidates:
    """Yield the array with an item more, where no more are permitted."""
    if node["items"] is False:
        yield [*value, None]


def of_additional(_node: Mapping[str, Any], value: dict[str, Any]) -> Candidates:
    """Yield the object with a member that is not described."""
    yield {**value, _unused(value): True}


def of_names(_node: Mapping[str, Any], value: dict[str, Any]) -> Candidates:
    """Yield the object with an unfit name beside the others."""
    member = next(iter(value.values()), None)
    for name in ("!", "", " ", "A", "a b", "é", "\n", "x" * 300, _unused(value)):
        yield {**value, name: member}


def of_min_properties(node: Mapping[str, Any], value: dict[str, Any]) -> Candidates:
    """Yield the object with one member less than the least, the required ones kept longest."""
    if node["minProperties"] > 0:
        required = set(node.get("required", []))
        names = sorted(value, key=lambda name: name not in required)
        yield {name: value[name] for name in names[: node["minProperties"] - 1]}


def of_max_properties(node: Mapping[str, Any], value: dict[str, Any]) -> Candidates:
    """Yield the object with one member more than the most."""
    grown = dict(value)
    while len(grown) <= node["maxProperties"]:
        grown[_unused(grown)] = True
    yield grown


def of_union(node: Mapping[str, Any], value: Any) -> Candidates:
    """Yield values that should fit no branch: spoiled ones of the same type, then others."""
    if isinstance(value, dict):
        yield from ({}, {_unused(value): True})
    else:
        yield from of_enum(node, value)
    if isinstance(value, str):
        yield from ("!", " ", "\x00")
    yield from (-1, 0.5, "", *_OTHERS, [[None]], {"unexpected": True})


#: The keywords that have near misses, with the type of value that each one speaks about (`None`: of any).
NEAR_MISSES: Final[Mapping[str, tuple[type | tuple[type, ...] | None, Callable[[Any, Any], Candidates]]]] = {
    "type": (None, of_type),
    "enum": (None, of_enum),
    "const": (None, of_enum),
    "pattern": (str, of_pattern),
    "format": (str, of_format),
    "minLength": (str, of_min_length),
    "maxLength": (str, of_max_length),
    "minimum": ((int, float), of_minimum),
    "maximum": ((int, float), of_maximum),
    "exclusiveMinimum": ((int, float), of_exclusive_minimum),
    "exclusiveMaximum": ((int, float), of_exclusive_maximum),
    "multipleOf": ((int, float), of_multiple),
    "minItems": (list, of_min_items),
    "maxItems": (list, of_max_items),
    "uniqueItems": (list, of_unique_items),
    "items": (list, of_items),
    "propertyNames": (dict, of_names),
    "minProperties": (dict, of_min_properties),
    "maxProperties": (dict, of_max_properties),
    "oneOf": (None, of_union),
    "anyOf": (None, of_union),
}


def _unused(members: Mapping[str, Any]) -> str:
    names = itertools.chain(["unexpected"], (f"unexpected{number}" for number in itertools.count(1)))
    return next(name for name in names if name not in members)


def _grain(node: Mapping[str, Any]) -> int | float:
    step = node.get("multipleOf", 1)
    return step if isinstance(step, (int, float)) else 1
