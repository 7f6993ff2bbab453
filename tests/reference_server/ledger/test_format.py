"""Tests of `reference_server.ledger.format`: older files, and the rules that the file itself holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
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

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NAME = "ledger.sqlite3"
EXECUTED = {"by": "a", "amount": "1", "status": "executed"}
CHANNEL = Resource("payment", "1", "payment:1", "open", {}, NOW, {"balance_a": "1", "balance_b": "2"}, 3)


class LedgerOfVersion1(Ledger):
    """A server from before executions had a table of their own."""

    steps = STEPS[:1]


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


def test_an_older_ledger_is_brought_up_to_date(tmp_path: Path) -> None:
    """A killed server of version 1 has left it: all is there, what it executed is known as executed, and it is changed once."""

    def use(store: MemoryStore, _ledger: Ledger) -> None:
        assert everything(store) == before

    killed(tmp_path / "live", fill, tmp_path / "data", LedgerOfVersion1)
    assert rows(tmp_path / "live", "PRAGMA user_version") == [(1,)]
    before = everything(loaded(tmp_path / "live", LedgerOfVersion1))
    with_ledger(tmp_path / "data", use)
    assert rows(tmp_path / "data", "PRAGMA user_version") == [(2,)]
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
    killed(tmp_path / "live", fill, tmp_path / "data", LedgerOfVersion1)

    class Impossible(Ledger):
        steps = (*STEPS[:1], ("SELECT * FROM never_made",))

    with untouched(tmp_path / "data"), pytest.raises(LedgerUnusable, match="never_made"):
        loaded(tmp_path / "data", Impossible)
    assert loaded(tmp_path / "data").count_agents() == 1


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
