"""A look at a ledger file that leaves every byte as it is.

A connection that may write would carry the log of a killed server into the file as soon as it is closed, even where it then turns out
that this server must not touch it. So the header is read by ourselves, and all else through a connection that cannot write.
"""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from reference_server.ledger.faults import LedgerInUse, LedgerUnusable
from reference_server.ledger.format import APPLICATION_ID, LOG, LOG_IS_EMPTY, version_of
from reference_server.ledger.log_inspection import damaged_at
from reference_server.redaction import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_VERSION_AT, _APPLICATION_ID_AT = 60, 68
_BUSY_TIMEOUT_S = 0.0
_NOT_ITS_FAULT = tuple(
    f"SQLITE_{name}"
    for name in ("AUTH", "CANTOPEN", "FULL", "IOERR", "NOMEM", "PERM", "PROTOCOL", "READONLY")
)


@contextmanager
def inspected(path: Path, newest: int) -> Iterator[sqlite3.Connection]:
    """Give a connection that only reads, to a file that was found to be a whole ledger of a known version.

    Args:
        path: The ledger file.
        newest: The newest known format version.

    Raises:
        LedgerInUse: If another process has it open.
        LedgerUnusable: If it is no ledger, a newer one, or damaged; also for what SQLite finds within the block.

    """
    _check_header(path, newest)
    # A reader makes an empty one.
    has_log = _log_of(path).exists()
    try:
        with closing(_reader(path)) as connection, _leaving_nothing(path):
            _check_version(path, version_of(connection), newest)
            _check_pages(path, connection)
            _check_log(path, connection, is_there=has_log)
            yield connection
    except sqlite3.Error as exc:
        raise fault_of(path, exc) from exc
    except OSError as exc:
        raise LedgerUnusable(f"cannot use {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        # SQLite quotes damaged names in its messages, and the sqlite3 module decodes those before it raises anything.
        raise damaged(path, "text that is not UTF-8") from exc


def fault_of(path: Path, exc: sqlite3.Error) -> LedgerUnusable:
    """Say in one line what an error of SQLite means for whoever starts a server."""
    if _is_busy(exc):
        return in_use(path)
    if getattr(exc, "sqlite_errorname", "").startswith(_NOT_ITS_FAULT):
        return LedgerUnusable(f"cannot use {path}: {exc}")
    # What is stored may be a credential, so a value that the message quotes is left out.
    return damaged(path, str(exc).partition(" with text ")[0])


def in_use(path: Path) -> LedgerInUse:
    """Say that another process is at it, and what to do."""
    return LedgerInUse(f"{path} is in use by another process: stop that one, or name another directory")


def damaged(path: Path, what: str) -> LedgerUnusable:
    """Say that a file is damaged, and what is left to do."""
    return LedgerUnusable(
        f"{path} is damaged ({printable(what)}): restore a copy of it, or name another directory"
    )


def _check_header(path: Path, newest: int) -> None:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as exc:
        raise LedgerUnusable(f"cannot read {path}: {exc.strerror}") from exc
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise damaged(path, "it does not begin as an SQLite file")
    if struct.unpack_from(">I", header, _APPLICATION_ID_AT) != (APPLICATION_ID,):
        raise LedgerUnusable(
            f"{path} is no ledger of wireproof but another application's: name another directory"
        )
    _check_version(path, struct.unpack_from(">i", header, _VERSION_AT)[0], newest)


def _check_version(path: Path, version: int, newest: int) -> None:
    if version > newest:
        raise LedgerUnusable(
            f"{path} has format version {version} and this wireproof knows {newest} at most: "
            "use a newer wireproof, or name another directory"
        )
    if version < 1:
        raise damaged(path, f"format version {version}")


def _check_pages(path: Path, connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, " ".join(found.split()))


def _check_log(path: Path, connection: sqlite3.Connection, *, is_there: bool) -> None:
    log = _log_of(path)
    if not is_there and _is_log_lost(connection):
        raise LedgerUnusable(
            f"{log}, the log of {path.name}, was removed or not copied with it, and commits in it would be lost: put it back, "
            f"make an empty file of that name to go on without them (touch {log.name}), or name another directory"
        )
    at = damaged_at(log) if log.exists() else None
    if at is not None:
        raise LedgerUnusable(
            f"{log} is damaged at byte {at}, and commits behind it would be lost: restore a copy of both files, "
            f"cut it off there to go on without them (truncate -s {at}), or name another directory"
        )


def _is_log_lost(connection: sqlite3.Connection) -> bool:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (LOG,)).fetchone()
    return row is not None and bool(row[0] == LOG_IS_EMPTY)


def _log_of(path: Path) -> Path:
    real = path.resolve()
    return real.with_name(f"{real.name}-wal")


def _reader(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None)


@contextmanager
def _leaving_nothing(path: Path) -> Iterator[None]:
    """Remove what a reader makes and leaves: an empty log and an index of it.

    To be left before the reader's connection is closed: its lock keeps servers away, whose log must never be taken from them.
    """
    present = {other.name for other in path.parent.iterdir()}
    is_locked = True
    try:
        yield
    except sqlite3.Error as exc:
        is_locked = not _is_busy(exc)
        raise
    finally:
        log, index = (path.with_name(f"{path.name}-{kind}") for kind in ("wal", "shm"))
        if is_locked and log.name not in present and log.exists() and log.stat().st_size == 0:
            log.unlink()
        if is_locked and index.name not in present:
            index.unlink(missing_ok=True)


def _is_busy(exc: sqlite3.Error) -> bool:
    return getattr(exc, "sqlite_errorname", "").startswith("SQLITE_BUSY")
