"""Whether the files of an open ledger are still where the next server will look for them.

A file that was removed can be written to for as long as it is open: all commits succeed, and nothing of it is ever found again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_server.ledger.faults import LedgerRemoved

if TYPE_CHECKING:
    from pathlib import Path


class Whereabouts:
    """The files of a ledger that was opened to be written.

    Args:
        path: The ledger file; SQLite keeps the log beside what a link leads to.

    """

    def __init__(self, path: Path) -> None:
        real = path.resolve()
        files = (path, real.with_name(f"{real.name}-wal"))
        self._files = {file: found for file in files if (found := _identity(file)) is not None}

    def check(self) -> None:
        """Look for every file.

        Raises:
            LedgerRemoved: If one is no longer there, or is another one.

        """
        for file, identity in self._files.items():
            if _identity(file) != identity:
                raise LedgerRemoved(f"{file} was removed or replaced by another file")


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
