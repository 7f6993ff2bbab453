"""Tests of samples and single faults, over generated schemas and against a second validator."""

from __future__ import annotations

import re

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specs.faults import Unsupported, single_faults
from specs.samples import FORMAT_EXAMPLES, full, minimal
from specs.validation import Validator

strings = st.one_of(
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 5),
        st.integers(0, 90),
    ),
    st.just({"type": "string"}),
    st.sampled_from(["date-time", "date", "uuid", "email", "uri", "ipv4"]).map(
        lambda name: {"type": "string", "format": name}
    ),
    st.sampled_from(["^[a-z]+$", "^[0-9a-f]{2}$", "ab"]).map(
        lambda pattern: {"type": "string", "pattern": pattern, "examples": ["ab"]}
    ),
    st.sampled_from([{"enum": ["1h", "24h"]}, {"const": "x"}, {"type": "string", "default": "d"}]),
)
integers = st.one_of(
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
        st.integers(-9, 9),
        st.integers(0, 9),
    ),
    st.builds(lambda low: {"type": "integer", "exclusiveMinimum": low}, st.integers(-9, 9)),
    st.builds(lambda high: {"type": "integer", "exclusiveMaximum": high}, st.integers(-9, 9)),
    st.builds(
        lambda step, low: {"type": "integer", "multipleOf": step, "minimum": low},
        st.integers(2, 7),
        st.integers(-9, 9),
    ),
)
numbers = st.one_of(
    st.builds(lambda low: {"type": "number", "minimum": low, "maximum": 100}, st.integers(0, 100)),
    st.builds(
        lambda low: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + 1},
        st.integers(-3, 3),
    ),
    st.just({"type": "number", "multipleOf": 0.5}),
)
leaves = st.one_of(
    strings,
    integers,
    numbers,
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}]),
)


def arrays(items):
    return st.builds(
        lambda schema, low, more: {"type": "array", "items": schema, "minItems": low, "maxItems": low + more},
        items,
        st.integers(0, 3),
        st.integers(1, 3),
    )


def _object(properties, required_count, is_closed):
    schema = {"type": "object", "properties": properties, "required": sorted(properties)[:required_count]}
    return {**schema, "additionalProperties": False} if is_closed else schema


def objects(members):
    return st.builds(
        _object,
        st.dictionaries(st.sampled_from(["a", "b", "seq", "a/b"]), members, max_size=4),
        st.integers(0, 4),
        st.booleans(),
    )


unions = st.sampled_from(
    [
        {
            "oneOf": [
                {"type": "string", "pattern": "^[0-9]+$", "examples": ["12"]},
                {"type": "integer", "minimum": 0},
            ]
        },
        {
            "anyOf": [
                {"type": "null"},
                {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
            ]
        },
        {"allOf": [{"type": "integer", "minimum": 2}, {"minimum": 4, "maximum": 9}]},
    ]
)

schemas = st.recursive(leaves | unions, lambda inner: arrays(inner) | objects(inner), max_leaves=8)


def second_opinion(schema, value):
    """Ask `jsonschema`; it lets a trailing newline through, and without extras it knows few formats."""
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@given(schemas)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_samples_are_valid_for_two_validators(schema):
    """The smallest and the fullest value keep their schema, and are the same each time."""
    for sample in (minimal, full):
        value = sample(schema)
        assert Validator(schema).is_valid(value)
        assert second_opinion(schema, value)
        assert sample(schema) == value


@given(schemas)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_faults_are_invalid_for_two_validators(schema):
    """Every fault breaks its schema; the known differences are the trailing newline and formats."""
    for value in (minimal(schema), full(schema)):
        faults = single_faults(schema, value)
        for fault in faults:
            assert not Validator(schema).is_valid(fault.value)
            if fault.keyword != "format" and not fault.site.startswith("pattern-newline@"):
                assert not second_opinion(schema, fault.value)
        assert len({fault.site for fault in faults}) == len(faults)
        assert any(fault.keyword in {"type", "enum", "const", "oneOf", "anyOf"} for fault in faults)


CHUNK = {
    "type": "object",
    "x-requirement": "task/payload",
    "properties": {
        "chunk": {"type": "string", "maxLength": 3, "x-requirement": "task/chunk"},
        "seq": {"type": "integer", "minimum": 0},
        "id": {"type": "string", "pattern": "^[a-z]+$", "examples": ["ab", "abc"]},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 1},
    },
    "required": ["chunk", "seq"],
    "additionalProperties": False,
}


def test_the_smallest_value_has_required_members_and_the_fullest_all():
    """Examples count from either end."""
    assert minimal(CHUNK).keys() == {"chunk", "seq"}
    assert full(CHUNK).keys() == {"chunk", "seq", "id", "tags"}
    assert full(CHUNK)["id"] == "abc"


def test_every_site_is_named_once():
    """The sites of a schema, and nothing else."""
    assert [fault.site for fault in single_faults(CHUNK, full(CHUNK))] == [
        "type@.", "additionalProperties@.", "required@chunk", "required@seq",
        "type@chunk", "maxLength@chunk", "type@seq", "minimum@seq",
        "type@id", "pattern@id", "pattern-newline@id",
        "type@tags", "minItems@tags", "uniqueItems@tags", "type@tags.0",
    ]  # fmt: skip


def test_a_fault_is_at_the_edge():
    """One below the minimum, one character too many, the same text with a newline."""
    faults = {fault.site: fault for fault in single_faults(CHUNK, full(CHUNK))}
    assert faults["minimum@seq"].value["seq"] == -1
    assert len(faults["maxLength@chunk"].value["chunk"]) == 4
    assert faults["pattern-newline@id"].value["id"] == "abc\n"
    assert faults["required@seq"].value == {key: value for key, value in full(CHUNK).items() if key != "seq"}
    assert faults["minimum@seq"].pointer == faults["required@seq"].pointer == "/seq"


def test_the_nearest_requirement_counts():
    """A property's own id also covers its absence; the rest has the id of what is around it."""
    faults = {fault.site: fault.requirement for fault in single_faults(CHUNK, full(CHUNK))}
    assert {site for site, requirement in faults.items() if requirement == "task/chunk"} == {
        "required@chunk", "type@chunk", "maxLength@chunk",
    }  # fmt: skip
    assert set(faults.values()) == {"task/chunk", "task/payload"}


def test_a_fault_inside_a_branch_counts_where_the_union_fails():
    """A text that no branch takes is a fault of the union; a number that the other branch takes is none."""
    amount = {
        "oneOf": [
            {"type": "string", "pattern": "^[0-9]+$", "examples": ["12"]},
            {"type": "integer", "minimum": 0},
        ]
    }
    sites = {fault.site: fault.value for fault in single_faults(amount, "12")}
    assert sites.keys() == {"oneOf@.", "type@.", "pattern@.", "pattern-newline@."}
    assert isinstance(sites["pattern@."], str)
    assert {fault.site for fault in single_faults(amount, 0)} == {"oneOf@.", "type@.", "minimum@."}


def test_references_are_followed_and_may_recur():
    """A tree is sampled to an end, and its faults stand at their places."""
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}},
                "required": ["n"],
            }
        },
    }
    assert minimal(tree) == {"n": 0}
    assert {"type@.", "required@n", "type@next.next.n"} <= {
        fault.site for fault in single_faults(tree, full(tree))
    }


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"properties": {"a": {"type": "string", "pattern": "a"}}, "required": ["a"]}, "/a"),
        ({"type": "integer", "minimum": 1, "maximum": 0}, "."),
        ({"$ref": "#/nowhere"}, "."),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "/a/a"),
        (False, "."),
    ],
)
def test_what_cannot_be_sampled_is_named(schema, place):
    """The place stands in the message."""
    with pytest.raises(Unsupported, match=re.escape(place)):
        minimal(schema)


def test_a_keyword_without_a_known_fault_is_named():
    """Nothing is left out in silence."""
    with pytest.raises(Unsupported, match="contains@a"):
        single_faults({"properties": {"a": {"type": "array", "contains": {"const": 1}}}}, {"a": [1]})


def test_faults_need_a_valid_value():
    """A value that is broken already has no single faults."""
    with pytest.raises(ValueError, match="not valid"):
        single_faults(CHUNK, {})


@pytest.mark.parametrize("name", FORMAT_EXAMPLES)
def test_every_format_has_a_valid_and_an_invalid_text(name):
    """The example keeps its format, and the fault of its site breaks it."""
    schema = {"type": "string", "format": name}
    assert "format@." in {fault.site for fault in single_faults(schema, minimal(schema))}


def test_a_fault_breaks_its_own_keyword():
    """A candidate that only breaks a neighbouring keyword is passed over."""
    schema = {"type": "string", "pattern": "^[a-z!]+$", "maxLength": 2, "examples": ["ab"]}
    (fault,) = (fault for fault in single_faults(schema, "ab") if fault.site == "pattern@.")
    assert "pattern" in {found.keyword for found in Validator(schema).faults(fault.value)}
