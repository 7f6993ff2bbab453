"""Valid values of a schema, always the same: the smallest and the fullest.

Examples in the schema come first; a `pattern` needs one, for no text is guessed from a pattern. Every value is checked
by `specs.validation` before it is returned.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from specs.schema_nodes import Schema, Unsupported, flattened, self_contained, types_of
from specs.validation import SchemaInvalid, Validator

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FORMAT_EXAMPLES", "Unsupported", "full", "minimal"]

#: A text of each format that is asserted.
FORMAT_EXAMPLES: Final = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:30:00Z",
    "duration": "PT1H",
    "email": "agent@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "json-pointer": "/a/0",
    "regex": "^a$",
    "time": "12:30:00Z",
    "uri": "https://example.org/a",
    "uri-reference": "/a",
    "uuid": "6f1c2b1e-8a53-4a39-9d0c-1f2e3d4c5b6a",
}

_DEEPEST = 24
_FULLEST_DEPTH = 4
_FILLED_LENGTH = 64
_TEXT = "abcdefghijklmnopqrstuvwxyz"


def minimal(schema: Schema | bool) -> Any:
    """Build the smallest valid value: required members only, lowest bounds, first example, first branch.

    Raises:
        Unsupported: If the schema asks for more than the dialect allows; the JSON pointer of the place is named.

    Example:
        >>> minimal({"type": "object", "required": ["seq"], "properties": {"seq": {"type": "integer", "minimum": 1}}})
        {'seq': 1}

    """
    return _checked(schema, is_full=False)


def full(schema: Schema | bool) -> Any:
    """Build the fullest valid value: every member, upper bounds, last example, last branch.

    Raises:
        Unsupported: As `minimal`.

    """
    return _checked(schema, is_full=True)


def _checked(schema: Schema | bool, *, is_full: bool) -> Any:
    root = {} if isinstance(schema, bool) else schema
    value = _Sampler(root, is_full).build(schema, "", 0)
    for fault in _compiled(schema, "").faults(value):
        raise Unsupported(fault.pointer, f"the sample breaks {fault.keyword}")
    return value


def _compiled(schema: Schema | bool, place: str) -> Validator:
    try:
        return Validator(schema)
    except SchemaInvalid as fault:
        raise Unsupported(place, str(fault)) from None


@dataclass(frozen=True, slots=True)
class _Sampler:
    root: Schema
    is_full: bool

    def build(self, schema: Any, place: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise Unsupported(place, "nests without end")
        node = flattened(self.root, schema, place)
        given = self.given(node)
        if given:
            return given[-1 if self.is_full else 0]
        for keyword in ("oneOf", "anyOf"):
            if keyword in node:
                return self.branch(node, keyword, place, depth)
        return self.of_type(node, place, depth)

    def given(self, node: Schema) -> list[Any]:
        """List the values that a subschema itself names, of which all are valid."""
        if "const" in node:
            return [node["const"]]
        for keyword in ("examples", "enum"):
            if node.get(keyword):
                return list(node[keyword])
        return [node["default"]] if "default" in node else []

    def branch(self, node: Schema, keyword: str, place: str, depth: int) -> Any:
        rest = {name: value for name, value in node.items() if name != keyword}
        branches = reversed(node[keyword]) if self.is_full else node[keyword]
        whole = _compiled(self_contained(self.root, node), place)
        reasons = []
        for branch in branches:
            try:
                value = self.build({"allOf": [rest, branch]}, place, depth + 1)
            except Unsupported as reason:
                reasons.append(str(reason))
                continue
            if whole.is_valid(value):
                return value
        raise Unsupported(place, f"no branch of {keyword} gives a valid value {'; '.join(reasons)}".rstrip())

    def of_type(self, node: Schema, place: str, depth: int) -> Any:
        types = types_of(node)
        match types[0] if types else "object":
            case "object":
                return self.object(node, place, depth)
            case "array":
                return self.array(node, place, depth)
            case "string":
                return self.string(node, place)
            case "integer" | "number" as kind:
                return self.number(node, place, is_integer=kind == "integer")
            case "boolean":
                return self.is_full
            case _:
                return None

    def object(self, node: Schema, place: str, depth: int) -> dict[str, Any]:
        properties = node.get("properties", {})
        required = node.get("required", [])
        names = list(required) + [name for name in properties if name not in required]
        least = max(len(required), node.get("minProperties", 0))
        most = node.get("maxProperties", len(names)) if self.is_full and depth < _FULLEST_DEPTH else least
        members: dict[str, Any] = {}
        for name in names[: max(least, most)]:
            schema = properties.get(name, node.get("additionalProperties", True))
            if schema is False:
                continue
            members[name] = self.build(schema, f"{place}/{name}", depth + 1)
        for name in self.more_names(node, least - len(members), properties):
            members[name] = self.build(node.get("additionalProperties", True), f"{place}/{name}", depth + 1)
        return members

    def more_names(self, node: Schema, count: int, taken: Schema) -> Iterator[str]:
        names = self.given(flattened(self.root, node.get("propertyNames", True), "propertyNames"))
        candidates = itertools.chain(names, (f"member{number}" for number in itertools.count(1)))
        return itertools.islice((name for name in candidates if name not in taken), max(0, count))

    def array(self, node: Schema, place: str, depth: int) -> list[Any]:
        prefix = node.get("prefixItems", [])
        items = node.get("items", True)
        least = node.get("minItems", 0)
        wanted = max(least, len(prefix), 2) if self.is_full and depth < _FULLEST_DEPTH else least
        count = min(wanted, node.get("maxItems", wanted), len(prefix) if items is False else wanted)
        built = [
            self.build(schema, f"{place}/{index}", depth + 1) for index, schema in enumerate(prefix[:count])
        ]
        rest = count - len(built)
        if rest > 0 and node.get("uniqueItems"):
            return built + self.distinct(items, place, depth, rest, least - len(built))
        return built + [
            self.build(items, f"{place}/{index}", depth + 1) for index in range(len(built), count)
        ]

    def distinct(self, schema: Any, place: str, depth: int, wanted: int, least: int) -> list[Any]:
        """Build different values of one schema: what it names, then the first sample and others beside it."""
        node = flattened(self.root, schema, place)
        first = self.build(schema, f"{place}/0", depth + 1)
        candidates = itertools.chain([first], self.given(node), _beside(first))
        valid = _compiled(self_contained(self.root, node), place)
        found: list[Any] = []
        for candidate in itertools.islice(candidates, 4 * wanted + 8):
            if len(found) < wanted and candidate not in found and valid.is_valid(candidate):
                found.append(candidate)
        if len(found) < least:
            raise Unsupported(place, f"only {len(found)} different items are known of {least}")
        return found

    def string(self, node: Schema, place: str) -> str:
        if "pattern" in node:
            raise Unsupported(place, "a pattern needs examples")
        least: int = node.get("minLength", 0)
        most: int | None = node.get("maxLength")
        if "format" in node:
            if node["format"] not in FORMAT_EXAMPLES:
                raise Unsupported(place, f"format {node['format']} needs examples")
            return FORMAT_EXAMPLES[str(node["format"])]
        length = max(least, 1 if most != 0 else 0)
        if self.is_full:
            length = most if most is not None and most <= _FILLED_LENGTH else max(least, 12)
        return (_TEXT * (length // len(_TEXT) + 1))[:length]

    def number(self, node: Schema, place: str, *, is_integer: bool) -> int | float:
        step = _step(node, is_integer=is_integer)
        low, high = _bounds(node, step, is_on_grid=is_integer or "multipleOf" in node)
        wanted = high if self.is_full and high is not None else low
        if wanted is None:
            wanted = Fraction(0) if high is None or high >= 0 else high
        if self.is_full and high is None:
            wanted += step
        if (low is not None and wanted < low) or (high is not None and wanted > high):
            raise Unsupported(place, "no number between the bounds")
        return int(wanted) if wanted.denominator == 1 else float(wanted)


def _step(node: Schema, *, is_integer: bool) -> Fraction:
    """Return the distance between valid numbers; where all are valid, one that stays between exclusive bounds."""
    step = Fraction(str(node.get("multipleOf", 1)))
    if is_integer:
        return Fraction(step.numerator)
    ends = [node[keyword] for keyword in ("exclusiveMinimum", "exclusiveMaximum") if keyword in node]
    if "multipleOf" in node or len(ends) < 2:
        return step
    return min(step, (Fraction(str(ends[1])) - Fraction(str(ends[0]))) / 4)


def _bounds(node: Schema, step: Fraction, *, is_on_grid: bool) -> tuple[Fraction | None, Fraction | None]:
    """Return the lowest and the highest valid number; on the grid of the step where only multiples of it are valid."""
    low, above, high, below = (
        Fraction(str(node[keyword])) if keyword in node else None
        for keyword in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    )
    if is_on_grid:
        low = None if low is None else math.ceil(low / step) * step
        above = None if above is None else (math.floor(above / step) + 1) * step
        high = None if high is None else math.floor(high / step) * step
        below = None if below is None else (math.ceil(below / step) - 1) * step
    else:
        above = None if above is None else above + step
        below = None if below is None else below - step
    lows = [bound for bound in (low, above) if bound is not None]
    highs = [bound for bound in (high, below) if bound is not None]
    return max(lows, default=None), min(highs, default=None)


def _beside(value: Any) -> Iterator[Any]:
    """Yield values like the given one."""
    for number in itertools.count(1):
        if isinstance(value, bool):
            yield not value
        elif isinstance(value, (int, float)):
            yield value + number
        elif isinstance(value, str):
            yield f"{value}{number}"
        elif isinstance(value, dict):
            yield {**value, **{name: next(_beside(member)) for name, member in value.items()}}
        else:
            yield [value] * number
