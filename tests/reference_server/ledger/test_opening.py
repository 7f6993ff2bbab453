"""Tests of `reference_server.ledger.opening` and `inspection`: what can be used as a ledger, and what is left alone."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reference_server.commits import Commits
from reference_server.ledger import Durability, Ledger, LedgerInUse, LedgerUnusable, opening
from reference_server.ledger.format import APPLICATION_ID, STEPS
from reference_server.records import Agent, Happening, Message, Resource
from reference_server.store import MemoryStore
from tests.reference_server.ledger.stores import digests, everything, killed, loaded, untouched, with_ledger

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NAME = "ledger.sqlite3"
NOISE = random.Random(4)  # noqa: S311 - no secret


def fill(store: MemoryStore, _ledger: Ledger | None = None) -> None:
    with store.transaction():
        store.put_agent(Agent("ann", "Ann", "o", "key-of-ann", "token", b"k" * 32, ("t",), metadata={"m": 1}))
        balances = {"balance_a": "1", "balance_b": "2"}
        store.put_resource(
            Resource("payment", "1", "payment:1", "open", {"a": "ann"}, NOW, balances, 3, (4,))
        )
        store.put_entry("payment:1", "transfers", 3, {"by": "a", "amount": "1", "status": "executed"})
        store.put_message(Message("m1", "t", {"x": 1}, "f", "ann", "1.0", NOW, 1))
        store.add_happening(Happening("transfer_executed", NOW, ("ann",)))
        for number in range(300):
            store.put_entry("task:1", "input", number, f"chunk {number} " * 20)


def statement(*statements: str) -> Callable[[Path], None]:
    """Change the file by SQL, leaving the log where it is."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for sql in statements:
                connection.execute(sql)
            # A closed connection carries the log into the file; one that is copied while open does not.
            copy = path.with_name("copy")
            copy.mkdir()
            for file in path.parent.glob(f"{path.name}*"):
                shutil.copy(file, copy)
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        for file in copy.iterdir():
            if not file.name.endswith("-shm"):
                file.rename(path.parent / file.name)
        shutil.rmtree(copy)
        assert path.with_name(f"{path.name}-wal").stat().st_size > 0

    return change


def overwritten(offset: int, data: bytes) -> Callable[[Path], None]:
    """Write bytes into the file, the log being carried into it before."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    return change


def cut(size: int) -> Callable[[Path], None]:
    """Cut the file off."""
    return lambda path: os.truncate(path, size)


UNUSABLE = [
    ("newer-version-in-the-log", statement("PRAGMA user_version = 99"), "format version 99"),
    ("newer-version", overwritten(60, struct.pack(">I", 99)), "use a newer wireproof"),
    ("version-0", overwritten(60, bytes(4)), "damaged"),
    ("negative-version", overwritten(60, b"\xff\xff\xff\xff"), "damaged"),
    ("another-application", overwritten(68, b"fslc"), "another application's"),
    ("no-application", overwritten(68, bytes(4)), "another application's"),
    ("no-database", overwritten(0, b"Dear diary, ..."), "does not begin as an SQLite file"),
    ("empty-file", cut(0), "does not begin as an SQLite file"),
    ("cut-off", cut(8192), "damaged"),
    ("cut-off-in-a-page", cut(6000), "damaged"),
    ("page-of-zeros", overwritten(4096, bytes(4096)), "damaged"),
    ("page-of-noise", overwritten(3 * 4096, NOISE.randbytes(4096)), "damaged"),
    ("page-size", overwritten(16, b"\x00\x07"), "damaged"),
    ("schema-of-noise", overwritten(110, NOISE.randbytes(3000)), "damaged"),
    ("missing-table", statement("DROP TABLE happenings"), "no such table"),
    ("missing-column", statement("ALTER TABLE agents RENAME COLUMN owner TO keeper"), "no such column"),
    ("no-runs", statement("DELETE FROM meta"), "damaged"),
    ("runs-of-letters", statement("UPDATE meta SET value = 'x' WHERE name = 'runs'"), "no count of runs"),
    ("runs-of-bytes", statement("UPDATE meta SET value = x'31' WHERE name = 'runs'"), "no count of runs"),
    ("runs-without-end", statement("UPDATE meta SET value = 9e999 WHERE name = 'runs'"), "no count of runs"),
    (
        "runs-beyond-counting",
        statement("UPDATE meta SET value = 9223372036854775807 WHERE name = 'runs'"),
        "no count of runs",
    ),
    ("runs-below-zero", statement("UPDATE meta SET value = -1 WHERE name = 'runs'"), "no count of runs"),
    ("json-of-an-agent", statement("UPDATE agents SET metadata = '{'"), "table agents"),
    ("json-of-another-kind", statement("UPDATE agents SET metadata = '[]'"), "table agents"),
    ("json-of-an-entry", statement("UPDATE entries SET value = '\"' WHERE number = 200"), "table entries"),
    ("json-of-a-message", statement("UPDATE messages SET payload = ''"), "table messages"),
    ("agents-of-a-happening", statement("UPDATE happenings SET agents = '[1]'"), "table happenings"),
    ("amount", statement("UPDATE happenings SET amount = 'much'"), "table happenings"),
    ("instant", statement("UPDATE resources SET inserted_at = 'today'"), "table resources"),
    ("instant-without-zone", statement("UPDATE resources SET inserted_at = '2026-11-22'"), "table resources"),
    ("nonce", statement("UPDATE resources SET executed_nonce = 'x'"), "table resources"),
    ("number", statement("UPDATE entries SET number = 'x' WHERE number = 200"), "table entries"),
]


@pytest.mark.parametrize(
    ("damage", "words"), [case[1:] for case in UNUSABLE], ids=[case[0] for case in UNUSABLE]
)
def test_what_cannot_be_used_is_told_and_left_alone(
    tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    """One line names the file and says what to do; not a byte differs, also of the log that a killed server left."""
    killed(tmp_path / "live", fill, tmp_path / "data")
    damage(tmp_path / "data" / NAME)
    with untouched(tmp_path / "data"), pytest.raises(LedgerUnusable) as raised:
        loaded(tmp_path / "data")
    line = str(raised.value)
    assert str(tmp_path / "data" / NAME) in line
    assert words in line
    assert "name another directory" in line
    assert "\n" not in line


def test_no_noise_gets_more_than_one_line(tmp_path: Path) -> None:
    """Wherever noise lies, a file is read or refused in one printable line that quotes no value; names are not UTF-8, too."""
    killed(tmp_path / "live", fill, tmp_path / "data")
    whole = tmp_path / "data" / NAME
    overwritten(0, b"")(whole)
    size = whole.stat().st_size
    lines = []
    for seed in range(400):
        noise = random.Random(seed)  # noqa: S311 - no secret
        length = noise.choice([4, 40, 3000])
        offset = 110 if seed % 2 else noise.randrange(100, size - length)
        shutil.copytree(tmp_path / "data", tmp_path / str(seed))
        overwritten(offset, noise.randbytes(length))(tmp_path / str(seed) / NAME)
        try:
            loaded(tmp_path / str(seed))
        except LedgerUnusable as exc:
            lines.append(str(exc))
    assert all(line.isprintable() and "chunk" not in line for line in lines)
    assert [line for line in lines if "not UTF-8" in line]
    assert len(lines) > 300


def test_a_killed_servers_log_is_read(tmp_path: Path) -> None:
    """What was only in the log is there, and nothing is left lying about."""
    killed(tmp_path / "live", fill, tmp_path / "data")
    assert everything(loaded(tmp_path / "data")) == everything(loaded(tmp_path / "live"))
    assert list(digests(tmp_path / "data")) == [NAME]


def test_a_half_written_log_counts_as_far_as_it_is_whole(tmp_path: Path) -> None:
    """A commit that the crash cut off is not there; those before it are."""

    def change(store: MemoryStore, ledger: Ledger) -> None:
        fill(store)

    killed(tmp_path / "live", change, tmp_path / "data")
    log = tmp_path / "data" / f"{NAME}-wal"
    os.truncate(log, log.stat().st_size - 1)
    assert loaded(tmp_path / "data").count_agents() == 0


def test_a_copy_without_a_log_gets_one(tmp_path: Path) -> None:
    """`VACUUM INTO` makes such copies; the journal that a killed server would leave there cannot be read without writing."""
    with_ledger(tmp_path / "first", fill)
    (tmp_path / "live").mkdir()
    with closing(sqlite3.connect(tmp_path / "first" / NAME)) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "live" / NAME),))

    def change(store: MemoryStore, _ledger: Ledger) -> None:
        with store.transaction():
            store.put_entry("task:1", "input", 0, "another chunk")

    killed(tmp_path / "live", change, tmp_path / "data")
    assert loaded(tmp_path / "data").entry("task:1", "input", 0) == "another chunk"


def test_an_old_sqlite_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(LedgerUnusable, match=r"SQLite 3\.37\.0 or newer"):
        loaded(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_second_server_is_kept_out(tmp_path: Path) -> None:
    """It is told so and changes nothing; the first one goes on, and what it keeps is there."""

    def sums() -> str:
        # Not read by this process: with the end of any reading, a process loses its locks on the file.
        files = [str(path) for path in sorted(tmp_path.iterdir())]
        return subprocess.run(["sha256sum", *files], capture_output=True, text=True, check=True).stdout

    def second(store: MemoryStore, _ledger: Ledger) -> None:
        before = sums()
        code = "import sys, tests.reference_server.ledger.stores as s, pathlib; s.loaded(pathlib.Path(sys.argv[1]))"
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
        assert "LedgerInUse" in done.stderr
        assert "in use by another process: stop that one" in done.stderr
        assert sums() == before
        fill(store)

    with_ledger(tmp_path, second)
    assert loaded(tmp_path).count_agents() == 1


def test_whoever_came_between_reading_and_writing_is_noticed(tmp_path: Path) -> None:
    """Another server that has run meanwhile would be forgotten otherwise."""
    path = opening.prepare(tmp_path, STEPS)
    runs = opening.read(path, STEPS, Ledger.rows, lambda _: None)
    with_ledger(tmp_path, fill)
    with pytest.raises(LedgerInUse):
        opening.open_to_write(path, STEPS, runs, Durability.NORMAL)
    assert loaded(tmp_path).count_agents() == 1


def test_a_ledger_made_by_two_at_once_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is second takes the file that is there and leaves none of his own."""
    path = opening.prepare(tmp_path, STEPS)
    inode = path.stat().st_ino
    opening._create(path, STEPS)
    assert path.stat().st_ino == inode
    assert list(digests(tmp_path)) == [NAME]


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    """Its marks are in the header, where `file` and others look."""
    path = opening.prepare(tmp_path, STEPS)
    header = path.read_bytes()[:100]
    assert struct.unpack_from(">I", header, 68) == (APPLICATION_ID,)
    assert struct.unpack_from(">I", header, 60) == (len(STEPS),)


@pytest.mark.parametrize(("durability", "level"), [(Durability.NORMAL, 1), (Durability.FULL, 2)])
def test_durability_is_what_sqlite_waits_for(tmp_path: Path, durability: Durability, level: int) -> None:
    """With full every commit waits for the disk; the log is in use either way, and nobody else gets in."""
    path = opening.prepare(tmp_path, STEPS)
    with closing(opening.open_to_write(path, STEPS, 0, durability)) as connection:
        asked = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "locking_mode")
        }
    assert asked == {"synchronous": level, "journal_mode": "wal", "locking_mode": "exclusive"}


def test_every_start_has_a_label_of_its_own(tmp_path: Path) -> None:
    """So that a seeded server makes other ids after a restart; the first is as without a ledger."""

    async def label() -> str:
        ledger = Ledger(tmp_path, Durability.NORMAL, Commits())
        ledger.load(MemoryStore())
        await ledger.close()
        return ledger.run

    assert [asyncio.run(label()) for _ in range(3)] == ["", "1", "2"]
