"""Tests of the JSON codec."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specs import json_text
from specs.json_text import (
    DuplicateKey,
    MalformedJson,
    NotJson,
    decode,
    decode_first_wins,
    decode_plain_fields,
    decode_strict,
    encode,
    repeats_a_member,
)

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED = [
    b"",
    b" ",
    b"nul",
    b'{"a":1} x',
    b"[1,]",
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"01",
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\xed\xa0\x80"',
    b'"\xff"',
    b"\xef\xbb\xbf{}",
    b'"\x01"',
    "\ud800",
    b"[" * 100_000,
]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)

# Texts rather than values: keys come twice, and a colon stands for itself, as an escape, and in keys.
_SCALARS = [
    "null",
    "true",
    "0",
    "-1.5e3",
    '""',
    '":"',
    '"\\u003a"',
    '"\\u003A:"',
    '"a\\"b:"',
    '"\\\\u003a"',
    '"é:"',
    '"null"',
]
_KEYS = ['"a"', '"b"', '":"', '"\\u003a"', '"\\u0061"', '""']
texts = st.recursive(
    st.sampled_from(_SCALARS),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(st.tuples(st.sampled_from(_KEYS), inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=10,
)


def first_of_each(pairs):
    members = {}
    for key, value in pairs:
        members.setdefault(key, value)
    return members


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
@pytest.mark.parametrize("decoder", [decode, decode_first_wins, decode_strict])
def test_what_phoenix_refuses_is_refused(decoder, text):
    """Every decoder raises MalformedJson and nothing else (M-1, section 17)."""
    with pytest.raises(MalformedJson):
        decoder(text)


@settings(deadline=None)
@given(values)
def test_a_value_survives_its_text(value):
    """Decoding the encoded value gives it back, whichever decoder reads it, and the standard library agrees."""
    text = encode(value)
    assert decode(text) == decode_first_wins(text) == decode_strict(text) == json.loads(text) == value


@settings(deadline=None)
@given(texts)
def test_the_first_of_equal_keys_counts_whatever_the_colons(text):
    """Where keys may be repeated, the reading is that of the standard library with the first of each kept."""
    expected = json.loads(text, object_pairs_hook=first_of_each)
    assert decode_first_wins(text) == decode_first_wins(text.encode()) == expected


@given(
    st.lists(texts, min_size=4, max_size=6),
    st.lists(st.sampled_from(['"1"', "null", '"t:1"', r'"t\u003a1"']), max_size=5),
)
def test_plain_fields_are_those_of_the_whole_reading(parts, plain):
    """An array is either not plain, or read as `decode_first_wins` reads it; what breaks it is never plain."""
    text = f"[{','.join([*plain, *parts])}]".encode()
    assert decode_plain_fields(text) in (None, tuple(decode_first_wins(text)))
    for broken in (text[:-1], text + b"]", text[:-1] + b",1e400]", b"\xef\xbb\xbf" + text, text + b"\xff"):
        assert decode_plain_fields(broken) is None


@pytest.mark.parametrize("payload", REFUSED, ids=range(len(REFUSED)))
def test_fields_with_a_refused_payload_are_not_plain(payload):
    """The payload is looked at as closely as a whole text."""
    payload = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    assert decode_plain_fields(b'["1","2","t","e",' + payload + b"]") is None


@pytest.mark.parametrize("payload", ["{}", '{"a":1,"b":":"}', "[1,[]]", "null", '{"at":"12:30"}'])
def test_what_clients_write_is_plain(payload):
    """The quick reading takes what it is there for."""
    text = f'[null,"2","task:1","e",{payload}]'.encode()
    assert decode_plain_fields(text) == (None, "2", "task:1", "e", json.loads(payload))


def test_integers_keep_their_precision():
    """A large integer stays an integer."""
    assert decode(encode(2**200)) == 2**200


def test_the_readings_of_a_duplicate_key_differ_by_decoder():
    """The last value counts for a client, the first for Phoenix, and the strict reading refuses."""
    text = b'[1,{"a":1,"b":{"c":3,"c":4},"a":2}]'
    assert decode(text) == [1, {"a": 2, "b": {"c": 4}}]
    assert decode_first_wins(text) == [1, {"a": 1, "b": {"c": 3}}]
    with pytest.raises(DuplicateKey):
        decode_strict(text)


@pytest.mark.parametrize(
    ("text", "is_repeated"),
    [
        (b'{"a":1,"b":1}', False),
        (b'[{"a":1},{"a":1},"a"]', False),
        (b'{"a":1,"a":1}', True),
        (b'{"a":{"b":[{"c":{},"c":{}}]}}', True),
        (rb'{"a":1,"\u0061":1}', True),
        (rb'{"a":"\u003a:"}', False),
        (rb'{"x":"\u003a","a":1,"a":2}', True),
    ],
)
def test_a_member_named_twice_is_remembered(text, is_repeated):
    """Wherever it stands and however it is written; the object equals the plain one of its first values."""
    value = decode_first_wins(text)
    assert repeats_a_member(value) is is_repeated
    assert value == json.loads(text, object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert encode(value) == encode(json.loads(json.dumps(value)))


@pytest.mark.parametrize(
    "value", [float("nan"), [{"a": float("inf")}], "\ud800", {"\ud800": 1}, object(), 10**5000], ids=range(6)
)
def test_what_has_no_json_text_is_not_written(value):
    """Nothing is silently turned into null or replaced."""
    with pytest.raises(NotJson):
        encode(value)


@pytest.mark.parametrize("nulls", [0, 1, 2])
def test_known_nulls_hide_no_nan(nulls):
    """A NaN beside the nulls that the caller knows is found all the same."""
    with pytest.raises(NotJson):
        encode([None, None, {"x": float("nan")}], nulls=nulls)
    assert encode([None, None, {"x": "null"}], nulls=nulls) == b'[null,null,{"x":"null"}]'


def test_text_is_compact_raw_utf8():
    """No white space and no escapes that are not needed (F-9)."""
    assert encode({"é": ["x", None]}) == '{"é":["x",null]}'.encode()


def steps(call: Callable[[], object]) -> int:
    """Count the calls of functions, in Python and below, that a call makes; each costs more than an element of an array."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count


MANY = 100_000
LARGE = {
    "array": '{"a":[[' + "1," * MANY + '":"]]}',
    "object": '{"a":{' + "".join(f'"{number}":":",' for number in range(MANY)) + '"b":1}}',
    "escaped colon": '{"a":["\\u003a",' + '":",' * MANY + "null]}",
    "nulls": '{"a":[' + "null," * MANY + "1]}",
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_a_large_value_is_not_walked_through_step_by_step(text: str) -> None:
    """Ten megabytes of small values would keep everybody waiting for seconds."""
    value = decode(text)
    assert steps(lambda: decode_first_wins(text.encode())) < MANY / 100
    assert steps(lambda: decode_plain_fields(f'[null,"1","t","e",{text}]'.encode())) < MANY / 100
    assert steps(lambda: repeats_a_member(value)) < MANY / 100
    assert steps(lambda: encode(value)) < MANY / 100
    assert decode_plain_fields(f'[null,"1","t","e",{text}]'.encode()) == (None, "1", "t", "e", value)


def test_colons_are_counted_also_where_a_value_is_too_deep_to_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading and writing reach the end of the stack at different depths."""

    def refuse(_value: object) -> bytes:
        raise RecursionError

    monkeypatch.setattr(json_text, "_encode", refuse)
    for text in ('[{"a":":","b":["::"]}]', '[{"\\u003a":1,"a":{":":2}}]'):
        value = json.loads(text)
        assert json_text._names_each_member_once(text, value)
        assert not json_text._names_each_member_once(text.replace("[{", '[{"a":0,', 1), value)
