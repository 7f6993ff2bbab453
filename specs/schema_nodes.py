"""Subschemas as the sampler and the fault finder see them: references followed, simple conjunctions merged.

The dialect of our documents, not all of JSON Schema: references lead into the same document only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

#: Keywords that say something about a schema and refuse no value; so do those that begin with `x-`.
ANNOTATIONS: Final = frozenset(
    {
        "$anchor",
        "$comment",
        "$defs",
        "$id",
        "$schema",
        "contentEncoding",
        "contentMediaType",
        "default",
        "deprecated",
        "description",
        "examples",
        "readOnly",
        "title",
        "writeOnly",
    }
)

_LARGER = frozenset({"minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties"})
_SMALLER = frozenset({"maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties"})
_MOST_REFERENCES = 32

_TYPE_OF_KEYWORD = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "patternProperties": "object",
    "propertyNames": "object",
    "minProperties": "object",
    "maxProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "maxItems": "array",
    "uniqueItems": "array",
    "pattern": "string",
    "minLength": "string",
    "maxLength": "string",
    "format": "string",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "multipleOf": "number",
}


class Unsupported(ValueError):
    """The schema says something beyond the dialect; the text begins with the place."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place or '.'}: {what}")


def resolved(root: Schema, reference: str, place: str) -> Any:
    """Follow a reference inside a document.

    Raises:
        Unsupported: If it leads out of the document or nowhere; `place` is named.

    """
    if not reference.startswith("#"):
        raise Unsupported(place, f"reference {reference} leads out of the schema")
    node: Any = root
    for token in reference[1:].split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        node = _member(node, name)
        if node is None:
            raise Unsupported(place, f"reference {reference} leads nowhere")
    return node


def flattened(root: Schema, node: Any, place: str) -> dict[str, Any]:
    """Merge a subschema with what its `$ref` and `allOf` name into one object of keywords.

    What stands beside a reference wins over the annotations of its target; limits become the tighter ones.

    Raises:
        Unsupported: If two parts cannot be merged, references run in a circle, or the subschema is `false`.

    """
    return _flattened(root, node, place, 0)


def self_contained(root: Schema, node: Schema) -> dict[str, Any]:
    """Give a subschema the definitions of its document, so that it can be validated alone."""
    return {**node, "$defs": {**root.get("$defs", {}), **node.get("$defs", {})}}


def requirement_at(root: Schema, pointer: str) -> str | None:
    """Return the `x-requirement` that is nearest to a place in a value; None where the schema names none on the way."""
    node, found = flattened(root, root, ""), None
    for token in [*pointer.split("/")[1:], None]:
        found = node.get("x-requirement", found)
        if token is None:
            break
        below = node.get("properties", {}).get(token, node.get("items", True))
        if not isinstance(below, Mapping):
            break
        node = flattened(root, below, pointer)
    return found


def types_of(node: Schema) -> list[str]:
    """List the types a flattened subschema allows; from its other keywords where it names none, [] where those say nothing."""
    named = node.get("type")
    if isinstance(named, str):
        return [named]
    if named:
        return list(named)
    return list(dict.fromkeys(_TYPE_OF_KEYWORD[keyword] for keyword in node if keyword in _TYPE_OF_KEYWORD))


def _member(node: Any, name: str) -> Any:
    if isinstance(node, Mapping):
        return node.get(name)
    if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
        return node[int(name)]
    return None


def _flattened(root: Schema, node: Any, place: str, depth: int) -> dict[str, Any]:
    if node is True:
        return {}
    if not isinstance(node, Mapping):
        raise Unsupported(place, "no value is valid")
    if depth > _MOST_REFERENCES:
        raise Unsupported(place, "references run in a circle")
    own = {keyword: value for keyword, value in node.items() if keyword not in {"$ref", "allOf"}}
    parts = list(node.get("allOf", []))
    if "$ref" in node:
        parts.insert(0, resolved(root, node["$ref"], place))
    for part in parts:
        own = _merged(own, _flattened(root, part, place, depth + 1), place)
    return own


def _merged(own: dict[str, Any], other: Schema, place: str) -> dict[str, Any]:
    merged = dict(own)
    for keyword, value in other.items():
        if keyword not in merged:
            merged[keyword] = value
        elif merged[keyword] != value:
            merged[keyword] = _both(keyword, merged[keyword], value, place)
    return merged


def _both(keyword: str, own: Any, other: Any, place: str) -> Any:
    if keyword in _LARGER:
        return max(own, other)
    if keyword in _SMALLER:
        return min(own, other)
    if keyword == "required":
        return list(dict.fromkeys([*own, *other]))
    if keyword == "enum":
        return [value for value in own if value in other]
    if keyword == "type":
        return _common_types(own, other, place)
    if keyword == "properties":
        shared = {name: {"allOf": [own[name], other[name]]} for name in own if name in other}
        return {**own, **other, **shared}
    if keyword in ANNOTATIONS or keyword.startswith("x-"):
        return own
    raise Unsupported(place, f"{keyword} stands twice")


def _common_types(own: Any, other: Any, place: str) -> list[str]:
    mine, theirs = ([types] if isinstance(types, str) else list(types) for types in (own, other))
    common = [name for name in mine if name in theirs or (name == "integer" and "number" in theirs)]
    common += [name for name in theirs if name == "integer" and "number" in mine and name not in common]
    if not common:
        raise Unsupported(place, "no type is common to all parts")
    return common
