"""Every single fault of a valid value: one for each place where its schema says anything.

A fault has a site, a stable slug of keyword and place, that names a case for good. Each value is shown to break its
keyword at its place by `specs.validation`; a place where that cannot be done raises, so that nothing is left out in
silence. What a schema says about members that the valid value lacks is not reached: take the fullest value too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from specs.near_misses import NEAR_MISSES, of_additional, of_newline
from specs.samples import FORMAT_EXAMPLES, minimal
from specs.schema_nodes import ANNOTATIONS, Schema, Unsupported, flattened, self_contained
from specs.validation import SchemaInvalid, Validator, pointer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["SchemaFault", "Unsupported", "single_faults"]

_UNIONS: Final = ("oneOf", "anyOf")
_WALKED: Final = frozenset(
    {"properties", "required", "additionalProperties", "patternProperties", "prefixItems"}
)
_CLOSING: Final = ("additionalProperties", "unevaluatedProperties")


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """A value with one fault.

    `site` is the slug, such as `required@chunk` or `type@.`; `pointer` the JSON pointer of the subject: for `required`
    of the missing member, else of the value that breaks `keyword`. `value` is the whole value with the fault in it,
    `requirement` the id that the schema gives there (`x-requirement`; for a missing member rather `x-required`), if any.
    """

    site: str
    keyword: str
    pointer: str
    value: Any
    requirement: str | None


def single_faults(schema: Schema | bool, valid_value: Any) -> list[SchemaFault]:
    """List a faulty value for every site of the schema that the valid value reaches, in the order of the schema.

    Inside a matching branch of `oneOf` or `anyOf` a fault counts where it makes the whole union fail; where another
    branch takes the value, it is none.

    Args:
        schema: The schema, in the dialect of `specs.schema_nodes`.
        valid_value: A value that is valid by it, such as `specs.samples.full` gives.

    Raises:
        ValueError: If `valid_value` is not valid.
        Unsupported: If a keyword is not known here, or no value was found that breaks it at its site.

    Example:
        >>> schema = {"type": "object", "properties": {"seq": {"type": "integer", "minimum": 0}}, "required": ["seq"]}
        >>> [(fault.site, fault.value) for fault in single_faults(schema, {"seq": 0})]
        [('type@.', []), ('required@seq', {}), ('type@seq', {'seq': '0'}), ('minimum@seq', {'seq': -1})]

    """
    try:
        validator = Validator(schema)
    except SchemaInvalid as fault:
        raise Unsupported("", str(fault)) from None
    for broken in validator.faults(valid_value):
        raise ValueError(f"the value is not valid: {broken}")
    finder = _Finder({} if isinstance(schema, bool) else schema, validator, valid_value)
    return list(_first_of_each_site(finder.at(schema, _Place((), None), valid_value)))


def _first_of_each_site(found: Iterable[SchemaFault]) -> Iterator[SchemaFault]:
    seen: set[str] = set()
    for fault in found:
        if fault.site not in seen:
            seen.add(fault.site)
            yield fault


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: the path into the value, the requirement there, and the union around it, if any."""

    path: tuple[str | int, ...]
    requirement: str | None
    union: tuple[str, str] | None = None

    def inside(self, node: Schema) -> _Place:
        return replace(self, requirement=node.get("x-requirement", self.requirement))

    def member(self, token: str | int) -> _Place:
        return replace(self, path=(*self.path, token))

    @property
    def pointer(self) -> str:
        return pointer_of(list(self.path))

    def site(self, keyword: str) -> str:
        return f"{keyword}@{'.'.join(map(str, self.path)) or '.'}"


@dataclass(frozen=True, slots=True)
class _Finder:
    root: Schema
    validator: Validator
    whole: Any

    def at(self, schema: Any, place: _Place, value: Any) -> Iterator[SchemaFault]:
        node = flattened(self.root, schema, place.pointer)
        place = place.inside(node)
        for keyword in sorted(node, key=_keyword_order):
            yield from self.of_keyword(keyword, node, place, value)
        if isinstance(value, dict):
            yield from self.in_object(node, place, value)
        if isinstance(value, list):
            yield from self.in_array(node, place, value)
        for keyword in _UNIONS:
            if keyword in node:
                yield from self.in_union(keyword, node, place, value)

    def of_keyword(self, keyword: str, node: Schema, place: _Place, value: Any) -> Iterator[SchemaFault]:
        if keyword in ANNOTATIONS or keyword.startswith("x-") or keyword in _WALKED:
            return
        if keyword in _CLOSING:
            yield from self.additional(keyword, node, place, value)
            return
        if keyword not in NEAR_MISSES:
            raise Unsupported(place.site(keyword), "no fault is known for this keyword")
        subject, candidates = NEAR_MISSES[keyword]
        if not _is_about(subject, value) or (keyword == "format" and node["format"] not in FORMAT_EXAMPLES):
            return
        yield from self.first(keyword, place, candidates(node, value))
        if keyword == "pattern" and str(node["pattern"]).endswith("$"):
            yield from self.first("pattern", place, of_newline(node, value), slug="pattern-newline")

    def additional(self, keyword: str, node: Schema, place: _Place, value: Any) -> Iterator[SchemaFault]:
        if isinstance(value, dict) and node[keyword] is False:
            yield from self.first(keyword, place, of_additional(node, value))

    def in_object(self, node: Schema, place: _Place, value: dict[str, Any]) -> Iterator[SchemaFault]:
        yield from self.additional(
            "additionalProperties", {"additionalProperties": True, **node}, place, value
        )
        properties = node.get("properties", {})
        for name in node.get("required", []):
            described = flattened(self.root, properties.get(name, True), place.pointer)
            # That a member is there may be another requirement than what it looks like.
            named = {"x-requirement": described["x-required"]} if "x-required" in described else described
            yield from self.missing(name, place.inside(named), value)
        rest = node.get("additionalProperties", True)
        for name, member in value.items():
            schema = properties.get(name, True if "patternProperties" in node else rest)
            if schema is not False:
                yield from self.at(schema, place.member(name), member)

    def missing(self, name: str, place: _Place, value: dict[str, Any]) -> Iterator[SchemaFault]:
        without = {key: member for key, member in value.items() if key != name}
        for fault in self.first("required", place, iter([without])):
            gone = place.member(name)
            yield replace(fault, site=gone.site("required"), pointer=gone.pointer)

    def in_array(self, node: Schema, place: _Place, value: list[Any]) -> Iterator[SchemaFault]:
        prefix = node.get("prefixItems", [])
        for index, schema in enumerate(prefix[: len(value)]):
            yield from self.at(schema, place.member(index), value[index])
        items = node.get("items", True)
        if isinstance(items, bool) or node.get("maxItems", len(prefix) + 1) <= len(prefix):
            return
        grown = value if len(value) > len(prefix) else [*value, self.sample(items, place)]
        if len(grown) == len(prefix) + 1 or grown is value:
            finder = replace(self, whole=_replaced(self.whole, place.path, grown))
            yield from finder.at(items, place.member(len(prefix)), grown[len(prefix)])

    def in_union(self, keyword: str, node: Schema, place: _Place, value: Any) -> Iterator[SchemaFault]:
        union = place.union or (place.pointer, keyword)
        for branch in node[keyword]:
            alone = flattened(self.root, branch, place.pointer)
            if Validator(self_contained(self.root, alone)).is_valid(value):
                yield from self.at(branch, replace(place, union=union), value)

    def sample(self, schema: Any, place: _Place) -> Any:
        node = flattened(self.root, schema, place.pointer)
        return minimal(self_contained(self.root, node))

    def first(
        self, keyword: str, place: _Place, candidates: Iterator[Any], *, slug: str | None = None
    ) -> Iterator[SchemaFault]:
        """Yield the first candidate that breaks the keyword at the place; none where there is no candidate at all."""
        site = place.site(slug or keyword)
        tried = False
        for candidate in candidates:
            tried = True
            faulty = _replaced(self.whole, place.path, candidate)
            if self.is_broken(faulty, keyword, place):
                yield SchemaFault(site, keyword, place.pointer, faulty, place.requirement)
                return
        if tried and place.union is None and slug is None:
            raise Unsupported(site, "no value was found that breaks it")

    def is_broken(self, faulty: Any, keyword: str, place: _Place) -> bool:
        pointer, blamed = place.union or (place.pointer, keyword)
        is_closing = keyword in {*_CLOSING, "items"}
        return any(
            fault.keyword == blamed
            and (fault.pointer == pointer or (is_closing and fault.pointer.startswith(f"{pointer}/")))
            for fault in self.validator.faults(faulty)
        )


def _keyword_order(keyword: str) -> tuple[bool, str]:
    return (keyword != "type", keyword)


def _is_about(subject: Any, value: Any) -> bool:
    if subject is None:
        return True
    return isinstance(value, subject) and not isinstance(value, bool)


def _replaced(whole: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return the whole value with another one at a path; nothing is changed in place."""
    if not path:
        return value
    token, rest = path[0], path[1:]
    if isinstance(whole, dict):
        return {
            key: _replaced(member, rest, value) if key == token else member for key, member in whole.items()
        }
    return [_replaced(item, rest, value) if index == token else item for index, item in enumerate(whole)]
