"""From a directory to a connection that writes its ledger, made where there is none.

Nothing that exists is changed before all of it was read.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from reference_server.ledger.faults import LedgerUnusable
from reference_server.ledger.format import (
    APPLICATION_ID,
    LOG,
    LOG_IS_BEGUN,
    LOG_IS_EMPTY,
    OLDEST_SQLITE,
    take_steps,
    version_of,
)
from reference_server.ledger.inspection import damaged, fault_of, in_use, inspected
from reference_server.ledger.rows import Rows, UnreadableRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from reference_server.ledger.format import Step
    from reference_server.records import Change

FILE_NAME: Final = "ledger.sqlite3"
_DIRECTORY_MODE, _FILE_MODE = 0o700, 0o600
_RUNS, _MOST_RUNS = "runs", 2**62


class Durability(StrEnum):
    """What a confirmed change survives."""

    NORMAL = "normal"
    """The end of the process, however sudden."""
    FULL = "full"
    """The end of the machine, too."""


def prepare(directory: Path, steps: Sequence[Step]) -> Path:
    """Make the directory and an empty ledger in it where they are missing; return the path of the file.

    Raises:
        LedgerUnusable: If that is not possible.

    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise LedgerUnusable(f"a ledger needs SQLite {wanted} or newer, not {sqlite3.sqlite_version}")
    path = directory / FILE_NAME
    try:
        # It holds credentials.
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        if not path.exists():
            _create(path, steps)
    except (FileExistsError, NotADirectoryError):
        raise LedgerUnusable(f"{directory} is not a directory: name another one") from None
    except OSError as exc:
        raise LedgerUnusable(f"cannot write to {directory}: {exc.strerror}") from exc
    except sqlite3.Error as exc:
        raise LedgerUnusable(f"cannot make a ledger in {directory}: {exc}") from exc
    if not os.access(directory, os.W_OK | os.X_OK) or not os.access(path, os.W_OK):
        raise LedgerUnusable(f"cannot write to {directory}: Permission denied")
    return path


def read(
    path: Path,
    steps: Sequence[Step],
    rows: Callable[[sqlite3.Connection], Rows],
    take: Callable[[Change], None],
) -> int:
    """Read a whole ledger and change nothing; what is older is brought to the newest version in memory alone.

    Args:
        path: The ledger file.
        steps: What leads to the newest version.
        rows: Makes records of rows.
        take: Is given every record.

    Returns:
        How many servers have written to it so far.

    Raises:
        LedgerUnusable: If it cannot be used; what was taken by then is worth nothing.

    """
    with inspected(path, len(steps)) as connection, closing(sqlite3.connect(":memory:")) as copy:
        source = connection
        if version_of(connection) < len(steps):
            connection.backup(copy)
            take_steps(copy, steps)
            source = copy
        try:
            for record in rows(source).records():
                take(record)
        except UnreadableRow as exc:
            raise damaged(path, str(exc)) from exc
        return _runs(source)


def open_to_write(path: Path, steps: Sequence[Step], runs: int, durability: Durability) -> sqlite3.Connection:
    """Take hold of a ledger, bring it to the newest version, and count one more run of a server.

    Args:
        path: The ledger file.
        steps: What leads to the newest version.
        runs: As it was read; another figure shows that somebody has written since.
        durability: What a commit survives.

    Returns:
        A connection for the use of one thread at a time; nobody else can open the file while it is open.

    Raises:
        LedgerUnusable: If it cannot be used, now that it is to be written.

    """
    try:
        # Absolute: what begins with "file:" may be taken for an URI.
        connection = sqlite3.connect(
            path.absolute(), timeout=0.0, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as exc:
        raise fault_of(path, exc) from exc
    try:
        # Exclusive mode first: then the log needs no shared index, and no second server gets in.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        # A copy that was made by VACUUM INTO has no log, and what a crash leaves of its journal no reader can read.
        connection.execute("PRAGMA journal_mode = WAL")
        # A savepoint's journal must not depend on the room in another directory.
        connection.execute("PRAGMA temp_store = MEMORY")
        # What is rolled back must not have got into the log before: where the log had just begun anew, SQLite (3.40) then writes
        # the rest of the transaction so that nobody can read it, nor anything behind it, after a crash.
        connection.execute("PRAGMA cache_spill = OFF")
        # The run must never be forgotten: its number keeps its ids apart from those of other runs.
        connection.execute("PRAGMA synchronous = FULL")
        _begin_run(connection, path, steps, runs)
        connection.execute(f"PRAGMA synchronous = {durability.name}")
    except BaseException as exc:
        with suppress(sqlite3.Error):
            connection.close()
        if isinstance(exc, sqlite3.Error):
            raise fault_of(path, exc) from exc
        raise
    return connection


def _begin_run(connection: sqlite3.Connection, path: Path, steps: Sequence[Step], runs: int) -> None:
    connection.execute("BEGIN EXCLUSIVE")
    if _runs(connection) != runs:
        raise in_use(path)
    take_steps(connection, steps)
    connection.execute("UPDATE meta SET value = ? WHERE name = ?", (runs + 1, _RUNS))
    _note_log(connection, LOG_IS_EMPTY)
    connection.execute("COMMIT")
    # Into the file and out of the log; what follows stands in the log alone.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _note_log(connection, LOG_IS_BEGUN)


def _note_log(connection: sqlite3.Connection, value: int) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (LOG, value))


def _create(path: Path, steps: Sequence[Step]) -> None:
    """Make an empty ledger under another name first: a half-made one never has the right name."""
    # No two processes share it: in containers many have the same number.
    new = path.with_name(f"{path.name}.new-{secrets.token_hex(8)}")
    # SQLite takes over the mode for the files beside it.
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE))
    try:
        _fill(new, steps)
        # Unlike a rename, a link never replaces what another server has made meanwhile.
        with suppress(FileExistsError):
            path.hardlink_to(new)
    finally:
        # Where a disk is full, whoever starts the server again and again must not fill it further.
        for beside in ("", "-journal", "-wal", "-shm"):
            new.with_name(f"{new.name}{beside}").unlink(missing_ok=True)
    _sync(path.parent)


def _fill(new: Path, steps: Sequence[Step]) -> None:
    with closing(sqlite3.connect(new.absolute(), isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        take_steps(connection, steps)
        connection.execute("INSERT INTO meta VALUES (?, 0)", (_RUNS,))
        connection.execute("COMMIT")


def _sync(directory: Path) -> None:
    """Make a new name in a directory survive the end of the machine."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _runs(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_RUNS,)).fetchone()
    if row is None or type(row[0]) is not int or not 0 <= row[0] < _MOST_RUNS:
        raise sqlite3.DatabaseError("no count of runs")
    return row[0]
