"""Tests of `reference_server.ledger.log_inspection`: a log that is damaged before its end is told, one that a crash cut off is read."""

from __future__ import annotations

import os
import random
import shutil
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
