"""What the tests of the ledger share: stores over a directory, and all that a store holds."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reference_server.commits import Commits
from reference_server.ledger import Durability, Ledger
from reference_server.store import MemoryStore

NOT_RECORDS = {"journal", "_undo", "_changes", "_weights"}


def everything(store: MemoryStore) -> dict[str, Any]:
    """Return all records and indices of a store, without what is empty; 1, 1.0 and true differ."""
    tables = {name: value for name, value in vars(store).items() if name not in NOT_RECORDS}
    return {
        name: typed(
            {key: inner for key, inner in table.items() if inner != {}} if isinstance(table, dict) else table
        )
        for name, table in tables.items()
    }


def typed(value: Any) -> Any:
    """Return a value that equals another one only where all types are equal, too."""
    if dataclasses.is_dataclass(value):
        return type(value), [typed(getattr(value, each.name)) for each in dataclasses.fields(value)]
    if isinstance(value, dict):
        return dict, {typed(key): typed(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        # As a key it must be hashable.
        return type(value), tuple(map(typed, value))
    return type(value), value


def with_ledger(
    directory: Path, use: Callable[[MemoryStore, Ledger], None], ledger: type[Ledger] = Ledger
) -> MemoryStore:
    """Load a store from a directory, use it, wait until all is kept, and return it."""

    async def main() -> MemoryStore:
        store, opened = MemoryStore(), ledger(directory, Durability.NORMAL, Commits())
        opened.load(store)
        try:
            use(store, opened)
        finally:
            await opened.close()
        return store

    return asyncio.run(main())


def loaded(directory: Path, ledger: type[Ledger] = Ledger) -> MemoryStore:
    """Return a store as the next server would have it."""
    return with_ledger(directory, lambda _store, _ledger: None, ledger)


def digests(directory: Path) -> dict[str, str]:
    """Return the digest of every file of a directory, by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


@contextmanager
def untouched(directory: Path) -> Iterator[None]:
    """Hold that every file is byte for byte as it was, and none was added."""
    before = digests(directory)
    yield
    assert digests(directory) == before


def killed(
    directory: Path,
    use: Callable[[MemoryStore, Ledger], None],
    target: Path,
    ledger: type[Ledger] = Ledger,
) -> None:
    """Leave in another directory what a killed server leaves: the file and a log that was not carried into it."""

    async def main() -> None:
        store, opened = MemoryStore(), ledger(directory, Durability.NORMAL, commits := Commits())
        opened.load(store)
        use(store, opened)
        is_kept = asyncio.Event()
        commits.call_when_kept(is_kept.set)
        await is_kept.wait()
        shutil.copytree(directory, target)
        await opened.close()

    asyncio.run(main())
    assert (target / "ledger.sqlite3-wal").stat().st_size > 0
