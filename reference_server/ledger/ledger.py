"""The ledger as the server sees it: fills a store at the start, then keeps every transaction of it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from reference_server.ledger import opening
from reference_server.ledger.faults import LedgerRemoved, LedgerUnusable
from reference_server.ledger.format import STEPS, Step
from reference_server.ledger.opening import Durability
from reference_server.ledger.rows import Rows, statements_of
from reference_server.ledger.whereabouts import Whereabouts
from reference_server.ledger.writer import Operation, Writer
from reference_server.records import Agent, Change, Entry, Happening, Message, Resource
from reference_server.structured_log import log_event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from reference_server.commits import Commits
    from reference_server.store import MemoryStore, Store

_log = logging.getLogger("reference_server.ledger")

_UNWRITABLE = "it cannot be written any more: all that was confirmed is in it, the rest is lost"
_REMOVED = (
    "its files were taken away from it: what was confirmed is in them, wherever they are; the rest is lost"
)


class Ledger:
    """The journal of a store, in an SQLite file of a directory.

    Args:
        directory: Where the file is, or is made.
        durability: What a confirmed change survives.
        commits: Counts the transactions of the store.

    After `load` it must be closed. `failed` is done when nothing more can be kept.

    """

    rows: ClassVar[type[Rows]] = Rows
    """Makes records of what was kept; another one remembers otherwise."""
    writer_type: ClassVar[type[Writer]] = Writer
    steps: ClassVar[Sequence[Step]] = STEPS
    """The format; another one has other rules."""

    def __init__(self, directory: Path, durability: Durability, commits: Commits) -> None:
        self._directory = directory
        self._durability = durability
        self._commits = commits
        self._loop = asyncio.get_running_loop()
        self._writer: Writer | None = None
        self._is_stopping = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        self.run = ""
        """Label of the run, another one for every start of a server; empty for the first."""

    def load(self, store: MemoryStore, misfit: Callable[[Resource], str | None] = lambda _: None) -> None:
        """Put every record into an empty store, and journal what is changed in it from then on.

        Args:
            store: An empty one.
            misfit: Says of a resource why it cannot be served, if so.

        Raises:
            LedgerUnusable: If the directory or what is in it cannot be used; nothing in it was changed.

        """
        path = opening.prepare(self._directory, self.steps)
        count = 0

        def take(record: Change) -> None:
            nonlocal count
            count += 1
            reason = misfit(record) if isinstance(record, Resource) else None
            if reason is not None:
                raise LedgerUnusable(
                    f"{path} has {reason}: use the documents that it was written with, or name another directory"
                )
            restore(store, record)

        runs = opening.read(path, self.steps, self.rows, take)
        connection = opening.open_to_write(path, self.steps, runs, self._durability)
        self.run = str(runs) if runs else ""
        self._writer = self.writer_type(
            connection,
            lambda number: self._tell(self.keep, number),
            lambda fault: self._tell(self._end, fault),
            Whereabouts(path).check,
        )
        self._writer.start()
        store.journal = self
        log_event(
            _log, logging.INFO, "ledger_opened", path=path, records=count, durability=str(self._durability)
        )

    def append(self, changes: Sequence[Change]) -> None:
        """Take the changes of one transaction; it is kept when `commits` says so.

        Raises:
            NotJson: If a record holds what has no JSON text; nothing was taken.

        """
        statements = statements_of(changes)
        self.hand_over((self._commits.make(), statements))

    def hand_over(self, operation: Operation) -> None:
        """Let an operation be written."""
        if self._writer is not None:
            self._writer.put(operation)

    def keep(self, number: int) -> None:
        """Take all up to this number for kept."""
        self._commits.keep(number)

    async def close(self) -> None:
        """Wait until all is kept, or cannot be, then let go of the files; harmless when repeated."""
        if self._writer is None:
            return
        if not self._is_stopping:
            self._is_stopping = True
            self._writer.stop()
        await asyncio.shield(self._ended)

    def _end(self, fault: Exception | None) -> None:
        if fault is not None:
            is_removed = isinstance(fault, LedgerRemoved)
            text = _REMOVED if is_removed else _UNWRITABLE
            path, reason = self._directory, _reason(fault)
            log_event(_log, logging.CRITICAL, "ledger_failed", path=path, reason=reason, text=text)
            self.failed.set_result(None)
        self._ended.set_result(None)

    def _tell(self, call: Callable[..., None], *arguments: object) -> None:
        # Where the loop is closed, nobody is left to be told.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)


def restore(store: Store, record: Change) -> None:
    """Put one record into a store."""
    with store.transaction():
        if isinstance(record, Agent):
            store.put_agent(record)
        elif isinstance(record, Resource):
            store.put_resource(record)
        elif isinstance(record, Entry):
            store.put_entry(record.topic, record.collection, record.number, record.value)
        elif isinstance(record, Message):
            store.put_message(record)
        elif isinstance(record, Happening):
            store.add_happening(record)


def _reason(fault: Exception) -> str:
    # Only of these it is known that they quote no payload.
    return str(fault) if isinstance(fault, sqlite3.Error | LedgerRemoved) else type(fault).__name__
