"""Tests of `reference_server.ledger.log_inspection`: a log that is damaged before its end is told, one that a crash cut off is read."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from reference_server.ledger import Ledger, LedgerUnusable, writer
from reference_server.ledger.log_inspection import damaged_at
from reference_server.store import MemoryStore
from tests.reference_server.ledger.stores import killed, loaded, untouched, with_ledger
from tests.reference_server.ledger.test_opening import statement

NAME = "ledger.sqlite3"
COMMITS = 12
TOPIC, COLLECTION = "task:1", "input"
HEADER_BYTES, FRAME_BYTES = 32, 24 + 4096
COUNT_A_RUN = "UPDATE meta SET value = value + 1 WHERE name = 'runs'"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return what a killed server has left: a log of one commit for each of some chunks."""
    monkeypatch.setattr(writer, "_LARGEST_GROUP", 1)

    def use(store: MemoryStore, _ledger: Ledger) -> None:
        for number in range(COMMITS):
            with store.transaction():
                store.put_entry(TOPIC, COLLECTION, number, f"chunk {number} " * 20)

    killed(tmp_path / "live", use, tmp_path / "data")
    return tmp_path / "data"


def log_of(directory: Path) -> Path:
    return directory / f"{NAME}-wal"


def kept(directory: Path) -> list[int]:
    return [number for number, _ in loaded(directory).entries(TOPIC, COLLECTION)]


def test_damage_before_the_last_commits_is_told_and_left_alone(tmp_path: Path, data: Path) -> None:
    """Wherever it is: in the header, in the head of a frame or in its page; what is served lacks the last two commits at most."""
    whole = log_of(data).read_bytes()
    draws = random.Random(7)  # noqa: S311 - no secret
    frames = range(HEADER_BYTES, len(whole), FRAME_BYTES)
    places = [
        *range(0, HEADER_BYTES, 4),
        *(at + draws.choice([0, 4, 8, 12, 16, 20, 24, 2000]) for at in frames),
    ]
    refused = 0
    for number, at in enumerate(places):
        copy = tmp_path / str(number)
        shutil.copytree(data, copy)
        log_of(copy).write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with untouched(copy):
            found = damaged_at(log_of(copy))
            if found is not None:
                with pytest.raises(LedgerUnusable) as raised:
                    loaded(copy)
        if found is None:
            assert kept(copy)[: COMMITS - 2] == list(range(COMMITS - 2))
        else:
            refused += 1
            assert f"{log_of(copy)} is damaged at byte {found}, " in str(raised.value)
            assert found <= at < found + FRAME_BYTES
    assert refused > len(places) - 10


def test_cut_off_where_it_is_damaged_the_rest_is_read(data: Path) -> None:
    """As the message says."""
    log = log_of(data)
    with log.open("r+b") as file:
        file.seek(HEADER_BYTES + log.stat().st_size // 2)
        file.write(b"damage")
    at = damaged_at(log)
    assert at is not None
    os.truncate(log, at)
    numbers = kept(data)
    assert 0 < len(numbers) < COMMITS
    assert numbers == list(range(len(numbers)))


def test_a_log_that_a_crash_has_cut_off_is_read(tmp_path: Path, data: Path) -> None:
    """Anywhere, also within a header or a frame; and where the last commit has holes."""
    whole = log_of(data).read_bytes()
    draws = random.Random(8)  # noqa: S311 - no secret
    for number in range(40):
        copy = tmp_path / str(number)
        shutil.copytree(data, copy)
        log = log_of(copy)
        os.truncate(log, draws.choice([number, draws.randrange(len(whole))]))
        assert damaged_at(log) is None
        numbers = kept(copy)
        assert numbers == list(range(len(numbers)))
    with log_of(data).open("r+b") as file:
        file.seek(len(whole) - FRAME_BYTES + 100)
        file.write(b"damage" * 80)
    assert kept(data) == list(range(COMMITS - 1))


def test_what_is_left_from_before_a_log_was_begun_anew_is_no_damage(tmp_path: Path) -> None:
    """Whole commits of former times stand behind its end."""
    with_ledger(tmp_path, lambda _store, _ledger: None)
    changes = [COUNT_A_RUN] * 10, ["PRAGMA wal_checkpoint(RESTART)", COUNT_A_RUN, COUNT_A_RUN]
    statement(*changes[0], *changes[1])(tmp_path / NAME)
    assert log_of(tmp_path).stat().st_size >= HEADER_BYTES + 10 * FRAME_BYTES
    assert damaged_at(log_of(tmp_path)) is None
    assert loaded(tmp_path).count_agents() == 0


@pytest.mark.parametrize("content", [b"", b"x", b"Dear diary, " * 2000, bytes(50_000)])
def test_what_is_no_log_is_no_damaged_one(tmp_path: Path, content: bytes) -> None:
    """SQLite begins a log of its own in its place."""
    with_ledger(tmp_path, lambda _store, _ledger: None)
    log_of(tmp_path).write_bytes(content)
    assert damaged_at(log_of(tmp_path)) is None
    assert loaded(tmp_path).count_agents() == 0


def test_a_log_that_was_removed_is_told_and_nothing_is_touched(data: Path) -> None:
    """Put back it is read; an empty file in its place goes on without it, as the message says."""
    whole = log_of(data).read_bytes()
    log_of(data).unlink()
    with untouched(data), pytest.raises(LedgerUnusable) as raised:
        loaded(data)
    assert f"{log_of(data)}, the log of {NAME}, was removed or not copied with it" in str(raised.value)
    assert f"(touch {NAME}-wal)" in str(raised.value)
    log_of(data).write_bytes(whole)
    copy = shutil.copytree(data, data.with_name("copy"))
    assert kept(copy) == list(range(COMMITS))
    log_of(data).write_bytes(b"")
    assert kept(data) == []
    assert kept(data) == []


def look_at(file: Path, _copy: Path) -> Path:
    """Somebody looks at what a crash has left; SQLite then carries the log into the file and removes it."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("SELECT count(*) FROM entries").fetchone()
    return file.parent


def vacuum_into(file: Path, copy: Path) -> Path:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy / NAME),))
    return copy


def back_up(file: Path, copy: Path) -> Path:
    with closing(sqlite3.connect(file)) as connection, closing(sqlite3.connect(copy / NAME)) as target:
        connection.backup(target)
    return copy


def keep_no_log(file: Path, _copy: Path) -> Path:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return file.parent


@pytest.mark.parametrize("deed", [look_at, vacuum_into, back_up, keep_no_log])
def test_a_log_that_somebody_carried_over_is_not_missed(
    tmp_path: Path, data: Path, deed: Callable[[Path, Path], Path]
) -> None:
    """The file or the copy holds everything, so nobody is alarmed."""
    (tmp_path / "copy").mkdir()
    directory = deed(data / NAME, tmp_path / "copy")
    assert not log_of(directory).exists()
    assert kept(directory) == list(range(COMMITS))


def test_a_server_that_was_killed_before_its_first_commit_leaves_no_alarm(tmp_path: Path) -> None:
    """Also where its log was carried over by somebody else."""
    live = tmp_path / "live"
    with_ledger(live, lambda _store, _ledger: shutil.copytree(live, tmp_path / "data"))
    assert log_of(tmp_path / "data").exists()
    (tmp_path / "copy").mkdir()
    assert loaded(vacuum_into(tmp_path / "data" / NAME, tmp_path / "copy")).count_agents() == 0
    assert loaded(tmp_path / "data").count_agents() == 0


def test_a_ledger_of_a_server_that_did_not_note_its_log_is_read_as_it_is(data: Path) -> None:
    """Nothing can be said of it, so nothing is."""
    look_at(data / NAME, data)
    with closing(sqlite3.connect(data / NAME, isolation_level=None)) as connection:
        connection.execute("DELETE FROM meta WHERE name = 'log'")
    assert kept(data) == list(range(COMMITS))
