"""Tests of `reference_server.ledger.writer`: groups, what is reported as kept, and what happens after a failure."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from reference_server.ledger import opening
from reference_server.ledger.format import STEPS
from reference_server.ledger.rows import statements_of
from reference_server.ledger.writer import Operation, Writer
from reference_server.records import Entry
from tests.reference_server.ledger.stores import loaded

TIMEOUT_S = 10.0


class Recorder:
    """A writer over a file, and what it reports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x INTEGER PRIMARY KEY, CHECK (x <> 13))")
        self.connection = connection
        self.reports: list[Any] = []
        self.ended = threading.Event()
        self.writer = Writer(connection, self._kept, self._end)

    def _kept(self, number: int) -> None:
        self.reports.append((number, self.rows()))

    def _end(self, fault: Exception | None) -> None:
        self.fault = fault
        self.ended.set()

    def rows(self) -> list[int]:
        """Return what another process would read."""
        other = sqlite3.connect(self.path)
        rows = [x for (x,) in other.execute("SELECT x FROM t ORDER BY x")]
        other.close()
        return rows

    def run(self, *operations: Operation, is_stopped: bool = True) -> None:
        for operation in operations:
            self.writer.put(operation)
        if is_stopped:
            self.writer.stop()
        self.writer.start()
        assert self.ended.wait(TIMEOUT_S)


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "t.sqlite3")


def insert(number: int, *values: Any) -> Operation:
    return number, [("INSERT INTO t VALUES (?)", (value,)) for value in values]


def test_all_that_waits_is_one_group(recorder: Recorder) -> None:
    """It is reported once, with its last number, when others can read it."""
    recorder.run(*(insert(number, number) for number in range(1, 6)))
    assert recorder.reports == [(5, [1, 2, 3, 4, 5])]
    assert recorder.fault is None
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        recorder.connection.execute("SELECT 1")


def test_a_group_is_of_bounded_size(recorder: Recorder) -> None:
    """What is left makes another one, in order; the end waits for it."""
    recorder.run(*(insert(number) for number in range(1, 2001)))
    assert [number for number, _ in recorder.reports] == [1024, 2000]


@pytest.mark.parametrize(
    "failing",
    [
        insert(3, 30, 13),
        insert(3, 30, 1),
        insert(3, 30, 2**64),
        insert(3, 30, "\ud800"),
        insert(3, 30, {}),
        (3, [("INSERT INTO t VALUES (30)", ()), ("NONSENSE", ())]),
    ],
    ids=["check", "key", "64-bit", "surrogate", "type", "syntax"],
)
def test_what_fails_ends_it_and_leaves_what_came_before(recorder: Recorder, failing: Operation) -> None:
    """The operation leaves no part of itself, those before it are kept and reported, none after it is ever written."""
    recorder.run(insert(1, 1), insert(2, 2), failing, insert(4, 4), is_stopped=False)
    assert recorder.reports == [(2, [1, 2])]
    assert recorder.fault is not None
    recorder.writer.put(insert(5, 5))
    assert recorder.rows() == [1, 2]


def test_a_failure_of_the_first_reports_nothing(recorder: Recorder) -> None:
    """Nothing is kept."""
    recorder.run(insert(1, 13), insert(2, 2), is_stopped=False)
    assert (recorder.reports, recorder.rows()) == ([], [])


@pytest.mark.parametrize("when", ["BEGIN", "SAVEPOINT", "RELEASE", "COMMIT"])
def test_a_group_that_sqlite_cannot_commit_is_not_reported(tmp_path: Path, when: str) -> None:
    """Neither where a disk is full at the commit nor where SQLite has given up the transaction before."""
    recorder = Recorder(tmp_path / "t.sqlite3")
    recorder.writer = Writer(Failing(recorder.connection, when), recorder._kept, recorder._end)  # type: ignore[arg-type]
    recorder.run(insert(1, 1), insert(2, 2), is_stopped=False)
    assert recorder.reports == []
    assert isinstance(recorder.fault, sqlite3.OperationalError)
    assert recorder.rows() == []


class Failing:
    """A connection that gives up its transaction at the second statement of a kind, a COMMIT at the first."""

    def __init__(self, connection: sqlite3.Connection, when: str) -> None:
        self._connection = connection
        self._when = when
        self._left = 1 if when in {"BEGIN", "COMMIT"} else 2

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        if sql.startswith(self._when):
            self._left -= 1
            if self._left == 0:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_a_full_disk_ends_it_with_what_is_kept_so_far(tmp_path: Path) -> None:
    """A file that may not grow: every reported operation can be read, and no other was reported."""
    recorder = Recorder(tmp_path / "t.sqlite3")
    recorder.connection.execute("CREATE TABLE filling (x BLOB)")
    recorder.connection.execute("PRAGMA max_page_count = 50")

    def fill(number: int) -> Operation:
        return number, [*insert(number, number)[1], ("INSERT INTO filling VALUES (zeroblob(20000))", ())]

    recorder.run(*map(fill, range(1, 100)), is_stopped=False)
    assert "full" in str(recorder.fault)
    kept = [number for number, _ in recorder.reports]
    assert recorder.rows() == list(range(1, (kept[-1] if kept else 0) + 1))


def test_stopping_waits_for_what_was_put(recorder: Recorder) -> None:
    """Operations that are put before the stop are written, also where the thread is busy with others."""
    recorder.writer.start()
    for number in range(1, 500):
        recorder.writer.put(insert(number, number + 100))
    recorder.writer.stop()
    assert recorder.ended.wait(TIMEOUT_S)
    assert (recorder.reports[-1][0], len(recorder.rows())) == (499, 499)


def test_what_was_kept_beside_a_large_failure_survives_a_kill(tmp_path: Path) -> None:
    """Where the log has just begun anew, and what fails has outgrown the cache: SQLite would lose the whole group, and all behind it."""
    path = opening.prepare(tmp_path / "data", STEPS)
    connection = opening.open_to_write(path, STEPS, 0, opening.Durability.NORMAL)
    kept: list[int] = []
    writer = Writer(connection, kept.append, lambda _: None)
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    large = [Entry("task:1", "input", number, f"{number}" * 10_000) for number in range(1000)]
    failing = [*statements_of(large), ("SELECT * FROM never_made", ())]
    with pytest.raises(sqlite3.OperationalError, match="never_made"):
        writer.write([(1, statements_of([Entry("task:2", "input", 0, "kept")])), (2, failing)])
    assert kept == [1]
    shutil.copytree(tmp_path / "data", tmp_path / "killed")
    connection.close()
    store = loaded(tmp_path / "killed")
    assert store.entries("task:2", "input") == [(0, "kept")]
    assert store.entries("task:1", "input") == []
