"""The one thread that writes: it takes all that waits as one group, so that many transactions share one commit.

Rules for this file. Transactions are written in the order of their numbers. Nothing is reported as kept before the COMMIT of its
group has returned and the files were seen to be in their place. After the first failure nothing is written any more: what a client
may know is then a beginning of what was made, and what is in the file is that beginning or (where a commit failed half-way) a longer
one.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reference_server.ledger.rows import Statement

Operation: TypeAlias = "tuple[int, Sequence[Statement]]"
"""The number of a transaction and what writes it."""

_LARGEST_GROUP: Final = 1024


class Writer:
    """Writes operations to a connection that nobody else uses from now on.

    Args:
        connection: Of the ledger; is closed by the thread as its last deed.
        on_kept: Is told the number up to which all is kept.
        on_end: Is told that the thread has ended, with what ended it; None where it was asked to.
        check: Raises where what was committed would not be found again.

    All three are called in the writer's thread.

    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        on_kept: Callable[[int], None],
        on_end: Callable[[Exception | None], None],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._on_kept = on_kept
        self._on_end = on_end
        self._check = check
        self._queue: SimpleQueue[Operation | None] = SimpleQueue()
        # A daemon: whoever wants the process to end at once need not wait for a disk that stalls.
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Take one more operation; never waits."""
        self._queue.put(operation)

    def stop(self) -> None:
        """Let the thread end once all that was put is written."""
        self._queue.put(None)

    def write(self, group: Sequence[Operation]) -> None:
        """Write a group with one commit.

        Raises:
            Exception: What made an operation fail; those before it are kept and reported, where SQLite allows it.

        """
        kept, fault = 0, None
        self._connection.execute("BEGIN")
        for number, statements in group:
            try:
                self._write_one(statements)
            except Exception as exc:  # noqa: BLE001 - whatever it is, the operations before it are good
                fault = exc
                break
            kept = number
        if kept and self._connection.in_transaction:
            self._connection.execute("COMMIT")
            self._check()
            self._on_kept(kept)
        if fault is not None:
            raise fault

    def _write_one(self, statements: Sequence[Statement]) -> None:
        execute = self._connection.execute
        execute("SAVEPOINT operation")
        try:
            for sql, parameters in statements:
                execute(sql, parameters)
        except BaseException:
            # A disk that is full may have ended the whole transaction by itself.
            if self._connection.in_transaction:
                execute("ROLLBACK TO operation")
            raise
        execute("RELEASE operation")

    def _run(self) -> None:
        fault: Exception | None = None
        try:
            while group := self._next_group():
                self.write(group)
        except Exception as exc:  # noqa: BLE001 - whatever it is, nothing more may be reported as kept
            fault = exc
        self._close()
        self._on_end(fault)

    def _next_group(self) -> list[Operation]:
        """Wait for something to write and return all that waits; nothing where the thread is to end."""
        group: list[Operation] = []
        operation = self._queue.get()
        while operation is not None:
            group.append(operation)
            if self._queue.empty() or len(group) == _LARGEST_GROUP:
                return group
            operation = self._queue.get()
        if group:
            self._queue.put(None)
        return group

    def _close(self) -> None:
        # Closing carries the log into the file; where that fails, the next start does it.
        with suppress(sqlite3.Error):
            self._connection.close()
