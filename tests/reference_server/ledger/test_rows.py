"""Tests of `reference_server.ledger.rows`: what a record is after a restart."""

from __future__ import annotations

import sqlite3
import tempfile
import zlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reference_server.ledger import Ledger
from reference_server.ledger.rows import row_sum, statements_of
from reference_server.records import ACKNOWLEDGED, Agent, Entry, Happening, Message, Resource
from reference_server.store import MemoryStore
from specs.json_text import NotJson
from tests.reference_server.ledger.stores import everything, loaded, with_ledger

NOW = datetime(2026, 11, 22, 10, 30, 0, 123456, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
integers = st.integers() | st.sampled_from([2**63 - 1, 2**63, -(2**63), 2**64, 10**400, -(10**400)])
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, json_values, max_size=3)
decimals = st.decimals(0, 10**31, allow_nan=False, allow_infinity=False, places=8) | st.just(Decimal("1E+2"))
instants = st.datetimes(timezones=st.just(UTC))
numbers = st.integers(0) | st.sampled_from([2**63, 10**400])

# As in the server, credentials name one agent, a topic one resource, and a message never changes its addressee.
agents = st.builds(
    lambda name, key, *rest: Agent(name, f"n{name}", f"o{key}", f"a{name}{key}", f"s{name}{key}", *rest),
    texts,
    st.sampled_from(["\0", "1", "\U0001f600"]),
    st.binary(max_size=32),
    st.lists(texts, max_size=3, unique=True).map(tuple),
    texts,
    decimals,
    decimals,
    objects,
)
resources = st.builds(
    lambda family, name, *rest: Resource(family, name, f"{family}:{name}", *rest),
    st.sampled_from(["payment", "task", "\0"]),
    texts,
    texts,
    st.dictionaries(texts, texts, max_size=3),
    instants,
    objects,
    numbers,
    st.lists(numbers, max_size=3).map(tuple),
)
values = json_values.filter(lambda value: value is not None)
messages = st.builds(
    lambda name, kind, payload, sender, *rest: Message(name, kind, payload, sender, f"to{name}", *rest),
    texts,
    texts,
    json_values,
    texts,
    texts,
    instants,
    st.integers(1, 2**53),
    st.sampled_from(["pending", "acknowledged", "rejected"]),
    st.none() | texts,
)
happenings = st.builds(Happening, texts, instants, st.lists(texts, max_size=2).map(tuple), decimals, texts)
DEEP_NUL = {"\0": ["\0\0", "\U0001f600", {"": 10**400, "é\0x": -0.0}]}


def put(store: MemoryStore, record: Any) -> None:
    match record:
        case Agent():
            store.put_agent(record)
        case Resource():
            store.put_resource(record)
        case Entry():
            store.put_entry(record.topic, record.collection, record.number, record.value)
        case Message():
            store.put_message(record)
        case Happening():
            store.add_happening(record)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            agents | resources | st.builds(Entry, texts, texts, integers, values) | messages | happenings,
            min_size=1,
            max_size=4,
        ),
        max_size=4,
    )
)
@example(
    [
        [
            Resource(
                "payment",
                "\0",
                "payment:\0",
                "open",
                {"a\0": "\0"},
                NOW,
                DEEP_NUL,
                2**64,
                (1, 2**63, 10**400),
            ),
            Entry("payment:\0", "proposals", 10**400, DEEP_NUL),
            Entry("payment:\0", "proposals", 7, "\0"),
            Message("\0", "\0", DEEP_NUL, "\0", "\0", "\0", NOW, 1, "rejected", "\0"),
            Happening("\0", NOW, ("\0",), Decimal("1234567890123456789012345678901.12345678"), "\0"),
        ]
    ]
)
def test_whatever_a_store_takes_is_there_after_a_restart(transactions: list[list[Any]]) -> None:
    """Every record, every index, the order of happenings, and the next message's number are the same."""

    def change(store: MemoryStore, _ledger: Ledger) -> None:
        for records in transactions:
            with store.transaction():
                for record in records:
                    put(store, record)

    with tempfile.TemporaryDirectory() as directory:
        before = with_ledger(Path(directory), change)
        after = loaded(Path(directory))
    assert everything(after) == everything(before)
    assert after.next_message_number() == before.next_message_number()


def test_of_several_states_in_one_transaction_the_last_is_kept(tmp_path: Path) -> None:
    """What is put and removed in one transaction is gone; what is removed and put again is there."""

    def change(store: MemoryStore, _ledger: Ledger) -> None:
        with store.transaction():
            store.put_entry("t", "c", 1, "first")
            store.put_entry("t", "c", 2, "kept")
            store.delete_entry("t", "c", 1)
        with store.transaction():
            store.delete_entry("t", "c", 2)
            store.put_entry("t", "c", 2, "again")
            store.put_entry("t", "c", 3, "gone")
            store.delete_entry("t", "c", 3)

    with_ledger(tmp_path, change)
    assert loaded(tmp_path).entries("t", "c") == [(2, "again")]


def test_equal_happenings_are_all_kept(tmp_path: Path) -> None:
    """Two transfers of one amount in one instant are two."""
    happening = Happening("transfer_executed", NOW, ("a",), Decimal(1))

    def change(store: MemoryStore, _ledger: Ledger) -> None:
        with store.transaction():
            store.add_happening(happening)
            store.add_happening(happening)

    with_ledger(tmp_path, change)
    assert loaded(tmp_path).happenings(NOW) == [happening, happening]


def test_an_instant_of_another_zone_stays_that_instant(tmp_path: Path) -> None:
    """It is kept in UTC."""
    at = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))

    def change(store: MemoryStore, _ledger: Ledger) -> None:
        with store.transaction():
            store.put_resource(Resource("task", "1", "task:1", "open", {}, at))

    with_ledger(tmp_path, change)
    kept = loaded(tmp_path).resource_by_topic("task:1")
    assert kept is not None
    assert (kept.inserted_at, kept.inserted_at.utcoffset()) == (at, timedelta(0))


def test_numbers_are_readable_and_in_order_in_the_file(tmp_path: Path) -> None:
    """Integers as far as 64 bits go; an acknowledged message keeps its place."""

    def change(store: MemoryStore, _ledger: Ledger) -> None:
        with store.transaction():
            for number in (10, 9, 2**70, 2):
                store.put_entry("t", "c", number, "x")
            store.put_message(Message("m1", "t", {}, "x", "a", "1.0", NOW, 1))
        with store.transaction():
            store.put_message(Message("m1", "t", {}, "x", "a", "1.0", NOW, 1, ACKNOWLEDGED))

    with_ledger(tmp_path, change)
    connection = sqlite3.connect(tmp_path / "ledger.sqlite3")
    rows = connection.execute("SELECT number FROM entries ORDER BY number").fetchall()
    statuses = connection.execute("SELECT number, status FROM messages").fetchall()
    connection.close()
    assert [number for (number,) in rows] == [2, 9, 10, str(2**70)]
    assert statuses == [(1, ACKNOWLEDGED)]


def test_a_value_without_json_text_is_refused() -> None:
    """Nothing is handed to the writer that could not be read again."""
    with pytest.raises(NotJson):
        statements_of([Entry("t", "c", 1, {"x": float("nan")})])


def test_texts_do_not_follow_the_record() -> None:
    """What becomes of a value after its transaction reaches no statement."""
    value = {"x": [1]}
    [(_, parameters)] = statements_of([Entry("t", "c", 1, value)])
    value["x"].append(2)
    assert parameters[-1] == '{"x":[1]}'


def test_the_sum_of_a_row_is_that_of_its_bytes() -> None:
    """It stands in files: no other release of anything may ever compute another one."""
    values = ["é\0\x7f\u2028\ue000", b"\0\xff", None, 2**63 - 1, "10", -1, ""]
    data = b"\xc3\xa9\x00\x7f\xe2\x80\xa8\xee\x80\x80|\x00\xff|\xff|9223372036854775807|10|-1|"
    assert row_sum(values) == zlib.crc32(data.replace(b"|", b"\0"))
