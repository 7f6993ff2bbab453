"""Tests of validation."""

from __future__ import annotations

import pytest

from specs.validation import Fault, SchemaInvalid, Validator

SCHEMA = {
    "type": "object",
    "x-requirement": "a/b",
    "properties": {
        "a/b": {"type": "array", "items": {"$ref": "#/$defs/small"}},
        "at": {"type": "string", "format": "date-time"},
        "name": {"type": "string", "pattern": "^[a-z]+$"},
    },
    "required": ["name"],
    "$defs": {"small": {"type": "integer", "maximum": 3}},
}


def places(value):
    return [(fault.pointer, fault.keyword) for fault in Validator(SCHEMA).faults(value)]


def test_a_valid_value_has_no_fault():
    """Both questions have the same answer; `x-` keywords refuse nothing."""
    value = {"name": "a", "a/b": [1, 2.0], "at": "2026-01-01T00:00:00Z"}
    assert Validator(SCHEMA).is_valid(value)
    assert places(value) == []


def test_every_fault_has_its_pointer_and_keyword():
    """Faults behind references and in arrays are placed in the value, with escaped tokens; formats are asserted."""
    value = {"a/b": [1, 9, "x"], "at": "now"}
    assert not Validator(SCHEMA).is_valid(value)
    assert set(places(value)) == {
        ("", "required"),
        ("/a~1b/1", "maximum"),
        ("/a~1b/2", "type"),
        ("/at", "format"),
    }


def test_the_first_fault_is_one_of_all_and_none_of_a_valid_value():
    """Whoever wants one fault gets a true one, also of what has no JSON text."""
    validator = Validator(SCHEMA)
    value = {"a/b": [1, 9, "x"], "at": "now"}
    assert validator.first_fault(value) in validator.faults(value)
    assert validator.first_fault({"name": "a"}) is None
    assert validator.first_fault(b"{}") == Fault("", "type", "binary payload")
    assert [validator.first_fault({"name": float("nan")})] == validator.faults({"name": float("nan")})


def test_a_trailing_newline_does_not_match_an_anchored_pattern():
    """The dollar sign is the end of the text, as in ECMA-262."""
    assert places({"name": "a\n"}) == [("/name", "pattern")]


@pytest.mark.parametrize(
    ("schema", "value", "fault"),
    [
        ({"additionalProperties": False}, {"a": 1}, ("", "additionalProperties")),
        ({"items": False}, [1], ("/0", "items")),
        ({"properties": {"a": False}}, {"a": 1}, ("/a", "false")),
        ({"propertyNames": {"pattern": "^a$"}}, {"b": 1}, ("", "propertyNames")),
        ({"oneOf": [{"type": "string"}, {"const": 1}]}, 2, ("", "oneOf")),
        (False, 1, ("", "false")),
    ],
)
def test_a_fault_is_called_by_the_keyword_that_the_author_wrote(schema, value, fault):
    """False subschemas and names are blamed on the keyword around them."""
    (found,) = Validator(schema).faults(value)
    assert (found.pointer, found.keyword) == fault


@pytest.mark.parametrize(
    "value", ["s3cret" * 3, {"name": 12345678}, {"name": "S3CRET"}, {"name": "a", "at": "s3cret"}]
)
def test_a_message_does_not_show_the_value(value):
    """The value may be a credential."""
    for fault in Validator(SCHEMA).faults(value):
        assert "s3cret" not in str(fault).lower()
        assert "12345678" not in str(fault)


def test_a_message_elides_long_names():
    """A name of the peer's making cannot flood a report."""
    (fault,) = Validator({"propertyNames": {"maxLength": 3}}).faults({"x " * 5000: 1})
    assert len(fault.message) < 200


def test_a_binary_payload_is_one_fault():
    """Bytes never keep a schema, not even the empty one."""
    assert Validator({}).faults(b"{}") == [Fault("", "type", "binary payload")]
    assert not Validator(True).is_valid(b"{}")


NESTED = [[]]
for _ in range(100_000):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "value", ["\ud800", {"\ud800": 1}, ["x", {"a": "\udfff"}], float("nan"), object(), NESTED], ids=range(6)
)
def test_what_is_not_json_is_one_fault_and_no_exception(value):
    """Lone surrogates, foreign types and endless nesting anywhere in the value, whatever the schema looks at."""
    assert [fault.keyword for fault in Validator({}).faults(value)] == ["type"]
    assert not Validator({}).is_valid(value)


def test_bytes_inside_a_value_are_refused_where_the_schema_looks():
    """They are no JSON string."""
    validator = Validator({"properties": {"a": {"type": "string"}}})
    assert validator.faults({"a": b"x"})
    assert not validator.is_valid({"a": b"x"})


@pytest.mark.parametrize(
    "schema", [{"type": "objekt"}, {"$ref": "#/nowhere"}, {"pattern": "("}, {"$ref": "urn:x"}]
)
def test_an_invalid_schema_is_refused_in_one_line(schema):
    """A reference out of the given resources leads nowhere and nothing is fetched."""
    with pytest.raises(SchemaInvalid) as caught:
        Validator(schema)
    assert "\n" not in str(caught.value)


def test_a_reference_leads_into_the_given_resources():
    """Further schemas are found by their URI."""
    validator = Validator(
        {"$ref": "urn:example:a#/$defs/n"}, resources={"urn:example:a": {"$defs": {"n": {"const": 1}}}}
    )
    assert validator.is_valid(1)
    assert not validator.is_valid(2)
