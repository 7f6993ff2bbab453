"""Tests of `reference_server.ledger.format`: older files, and the rules that the file itself holds."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reference_server.ledger import Ledger, LedgerUnusable
from reference_server.ledger.format import STEPS, take_steps
from reference_server.ledger.rows import statements_of
from reference_server.records import Agent, Entry, Happening, Message, Resource
from reference_server.store import MemoryStore
from tests.reference_server.ledger.stores import everything, killed, loaded, untouched, with_ledger
from tests.reference_server.ledger.test_opening import statement

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NAME = "ledger.sqlite3"
EXECUTED = {"by": "a", "amount": "1", "status": "executed"}
CHANNEL = Resource("payment", "1", "payment:1", "open", {}, NOW, {"balance_a": "1", "balance_b": "2"}, 3)


SUMMED = ("agents", "resources", "entries", "messages", "happenings")
TO_VERSION_2 = (
    *(f"DROP TRIGGER {table}_{change}" for table in SUMMED for change in ("added", "changed", "gone")),
    *(f"ALTER TABLE {table} DROP COLUMN sum" for table in SUMMED),
    "DELETE FROM meta WHERE name = 'total'",
    "PRAGMA user_version = 2",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "UPDATE meta SET value = value + 1",
)
TO_VERSION_1 = (
    *TO_VERSION_2,
    "DROP TRIGGER execution_by_insert",
    "DROP TRIGGER execution_by_update",
    "DROP TABLE executions",
    "PRAGMA user_version = 1",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "UPDATE meta SET value = value + 1",
)
"""What makes of a ledger one from before executions had a table of their own."""


def fill(store: MemoryStore, _ledger: Ledger) -> None:
    with store.transaction():
        store.put_agent(Agent("ann", "Ann", "o", "key", "token", b"", reputation=Decimal("4.5")))
        store.put_resource(CHANNEL)
        store.put_entry("payment:1", "transfers", 3, EXECUTED)
        store.put_entry("payment:1", "transfers", 2**70, EXECUTED)
        store.put_entry("payment:1", "transfers", 4, {**EXECUTED, "status": "rejected"})
        store.put_entry("payment:1", "proposals", 5, {"by": "a", "amount": "1"})
        store.put_message(Message("m1", "t", {}, "f", "ann", "1.0", NOW, 1))
        store.add_happening(Happening("transfer_executed", NOW, ("ann",), Decimal(1)))


def rows(directory: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(directory / NAME)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize(("version", "way_back"), [(1, TO_VERSION_1), (2, TO_VERSION_2)])
def test_an_older_ledger_is_brought_up_to_date(
    tmp_path: Path, version: int, way_back: tuple[str, ...]
) -> None:
    """A killed server has left it: all is there, what it executed is known as executed, and it is changed once."""

    def use(store: MemoryStore, _ledger: Ledger) -> None:
        assert everything(store) == before

    killed(tmp_path / "live", fill, tmp_path / "data")
    before = everything(loaded(tmp_path / "live"))
    statement(*way_back)(tmp_path / "data" / NAME)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    assert rows(tmp_path / "copy", "PRAGMA user_version") == [(version,)]
    with_ledger(tmp_path / "data", use)
    assert rows(tmp_path / "data", "PRAGMA user_version") == [(3,)]
    assert rows(tmp_path / "data", "SELECT topic, nonce FROM executions ORDER BY nonce") == [
        ("payment:1", 3),
        ("payment:1", str(2**70)),
    ]
    schema = rows(tmp_path / "data", "SELECT name, sql FROM sqlite_schema ORDER BY name")
    with_ledger(tmp_path / "new", lambda _store, _ledger: None)
    assert schema == rows(tmp_path / "new", "SELECT name, sql FROM sqlite_schema ORDER BY name")
    assert everything(loaded(tmp_path / "data")) == before


def test_an_older_ledger_that_cannot_be_brought_up_to_date_is_left_alone(tmp_path: Path) -> None:
    """A step that fails is told, and no byte differs."""
    killed(tmp_path / "live", fill, tmp_path / "data")
    statement(*TO_VERSION_1)(tmp_path / "data" / NAME)

    class Impossible(Ledger):
        steps = (*STEPS[:1], ("SELECT * FROM never_made",))

    with untouched(tmp_path / "data"), pytest.raises(LedgerUnusable, match="never_made"):
        loaded(tmp_path / "data", Impossible)
    assert loaded(tmp_path / "data").count_agents() == 1


def test_what_an_older_server_has_written_is_summed_up_when_it_is_written_again(tmp_path: Path) -> None:
    """Its rows have no sum; whatever is written over them, added and removed beside them, the total stays right."""
    killed(tmp_path / "live", fill, tmp_path / "data")
    statement(*TO_VERSION_2)(tmp_path / "data" / NAME)

    def use(store: MemoryStore, _ledger: Ledger) -> None:
        with store.transaction():
            store.put_resource(CHANNEL)
            store.put_resource(Resource("payment", "2", "payment:2", "open", {}, NOW, {}))
            store.delete_entry("payment:1", "proposals", 5)
        with store.transaction():
            store.put_resource(CHANNEL)
            store.put_entry("payment:1", "proposals", 6, {"by": "b", "amount": "1"})
            store.put_entry("payment:1", "transfers", 4, {**EXECUTED, "status": "dropped"})
            store.delete_entry("payment:1", "proposals", 6)

    store = with_ledger(tmp_path / "data", use)
    assert everything(loaded(tmp_path / "data")) == everything(store)
    unsummed = "SELECT (SELECT count(*) FROM resources WHERE sum IS NULL), (SELECT count(sum) FROM entries)"
    assert rows(tmp_path / "data", unsummed) == [(0, 1)]


@pytest.mark.parametrize(
    "damage",
    [
        ("UPDATE entries SET value = replace(value, '1', '2') WHERE number = 5",),
        ("UPDATE agents SET owner = 'p'",),
        ("UPDATE agents SET public_key = x'00'",),
        ("UPDATE resources SET data = replace(data, '2', '9')",),
        ("UPDATE messages SET status = 'acknowledged', sum = NULL",),
        ("DROP TRIGGER messages_gone", "DELETE FROM messages"),
        (
            "DROP TRIGGER happenings_added",
            "INSERT INTO happenings SELECT NULL, kind, at, agents, amount, family, sum FROM happenings",
        ),
        ("UPDATE meta SET value = value + 1 WHERE name = 'total'",),
        ("DELETE FROM meta WHERE name = 'total'",),
    ],
)
def test_rows_that_are_not_those_that_were_written_are_damage(
    tmp_path: Path, damage: tuple[str, ...]
) -> None:
    """SQLite finds nothing wrong with them; they are told all the same, and no byte differs."""
    killed(tmp_path / "live", fill, tmp_path / "data")
    statement("DROP TRIGGER messages_changed", *damage)(tmp_path / "data" / NAME)
    with untouched(tmp_path / "data"), pytest.raises(LedgerUnusable, match="is damaged"):
        loaded(tmp_path / "data")


def test_an_older_row_among_newer_ones_is_damage(tmp_path: Path) -> None:
    """As where a page was not written, or comes from a copy: each row is one that was written, but not beside the others."""
    former = with_ledger(tmp_path, fill) and rows(tmp_path, "SELECT sum, data FROM resources")

    def change(store: MemoryStore, _ledger: Ledger) -> None:
        with store.transaction():
            store.put_resource(replace(CHANNEL, data={"balance_a": "3", "balance_b": "0"}))

    with_ledger(tmp_path, change)
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        connection.execute("DROP TRIGGER resources_changed")
        connection.execute("UPDATE resources SET sum = ?, data = ?", former[0])
        connection.commit()
    with untouched(tmp_path), pytest.raises(LedgerUnusable, match="older than others"):
        loaded(tmp_path)


@pytest.fixture
def connection() -> Any:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        take_steps(connection, STEPS)
        yield connection


def write(connection: sqlite3.Connection, *changes: Any) -> None:
    for sql, parameters in statements_of(changes):
        connection.execute(sql, parameters)


@pytest.mark.parametrize("nonce", [1, 2**64])
@pytest.mark.parametrize("former", ["executed", "rejected"])
def test_a_nonce_executes_once_by_the_files_own_rule(
    connection: sqlite3.Connection, nonce: int, former: str
) -> None:
    """Also where the entry was removed or rewritten in between; other nonces and topics do not matter."""
    write(connection, Entry("p:1", "transfers", nonce, EXECUTED))
    write(connection, Entry("p:2", "transfers", nonce, EXECUTED))
    write(connection, Entry("p:1", "transfers", nonce + 1, EXECUTED))
    write(connection, Entry("p:1", "other", nonce, EXECUTED))
    with pytest.raises(sqlite3.IntegrityError):
        write(connection, Entry("p:1", "transfers", nonce, EXECUTED))
    write(connection, Entry("p:1", "transfers", nonce, {**EXECUTED, "status": "rejected"}))
    if former == "executed":
        write(connection, Entry("p:1", "transfers", nonce, None))
    with pytest.raises(sqlite3.IntegrityError):
        write(connection, Entry("p:1", "transfers", nonce, EXECUTED))
    assert connection.execute("SELECT count(*) FROM executions").fetchone() == (3,)


@pytest.mark.parametrize("balance", ["balance_a", "balance_b"])
def test_a_balance_below_zero_is_refused_by_the_files_own_rule(
    connection: sqlite3.Connection, balance: str
) -> None:
    """Large and exact ones are taken; other families may call something else a balance."""

    def channel(amount: Any, family: str = "payment") -> Resource:
        return Resource(family, "1", f"{family}:1", "open", {}, NOW, {balance: amount})

    write(connection, channel("0"), channel("9" * 30 + ".12345678"))
    assert (
        "9" * 30 + ".12345678" in connection.execute("SELECT balance_a, balance_b FROM resources").fetchone()
    )
    write(connection, channel("-1", "other"), channel({"x": -1}, "other"))
    for amount in ("-1", "-0.00000001", -1):
        with pytest.raises(sqlite3.IntegrityError):
            write(connection, channel(amount))
