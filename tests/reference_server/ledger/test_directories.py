"""Tests of `reference_server.ledger.opening`: which directories can hold a ledger, and what is told of those that cannot."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from reference_server.ledger import LedgerUnusable, opening
from reference_server.ledger.format import STEPS
from tests.reference_server.ledger.stores import digests, everything, killed, loaded, untouched, with_ledger
from tests.reference_server.ledger.test_opening import NAME, fill


@pytest.mark.parametrize("name", ["file:x", "a?b#c%20d", ":memory:", "nl\nnl", "bad\udcff"])
def test_a_directory_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also one that SQLite might take for an URI or for no file at all."""
    monkeypatch.chdir(tmp_path)
    store = with_ledger(Path(name), fill)
    assert everything(loaded(Path(name))) == everything(store)
    assert list(digests(tmp_path / name)) == [NAME]


def test_a_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """It holds credentials."""
    directory = tmp_path / "a" / "b"
    killed(directory, fill, tmp_path / "copy")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "copy").iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("file", "is not a directory"),
        ("file/below", "is not a directory"),
        ("/sys", "cannot write to /sys"),
        ("/proc/none", "cannot write to /proc/none"),
        ("folder", "Is a directory"),
    ],
)
def test_a_place_that_cannot_hold_a_ledger_is_told(tmp_path: Path, name: str, words: str) -> None:
    """One line, and nothing is made."""
    (tmp_path / "file").write_text("not a directory")
    (tmp_path / "folder" / NAME).mkdir(parents=True)
    with pytest.raises(LedgerUnusable, match=words):
        loaded(tmp_path / name)


def test_a_ledger_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    """As on a full disk: a server that is started again and again must not fill it further."""
    steps = (*STEPS, ("CREATE TABLE more (x)", "CREATE TABLE more (x)"))
    for _ in range(2):
        with pytest.raises(LedgerUnusable, match="cannot make a ledger"):
            opening.prepare(tmp_path, steps)
    assert list(tmp_path.iterdir()) == []


def test_no_two_servers_make_a_ledger_under_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where both have the same number, as in containers: neither links what the other is still making."""
    names: list[Path] = []
    monkeypatch.setattr(opening, "_fill", lambda new, _steps: names.append(new))
    for _ in range(2):
        opening._create(tmp_path / NAME, STEPS)
    assert len(set(names)) == 2


def test_a_disk_without_hard_links_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and nothing is left."""

    def refuse(_path: Path, _target: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(LedgerUnusable, match="Operation not permitted"):
        opening.prepare(tmp_path, STEPS)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_may_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in it stays as it is."""
    with_ledger(tmp_path / "data", fill)
    monkeypatch.setattr(opening.os, "access", lambda *_: False)
    with untouched(tmp_path / "data"), pytest.raises(LedgerUnusable, match="Permission denied"):
        loaded(tmp_path / "data")


def test_a_directory_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a look at the ledger leaves there could not be removed again."""

    def refuse(_path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with_ledger(tmp_path / "data", fill)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(LedgerUnusable, match=r"cannot use .*ledger\.sqlite3: Permission denied"):
        loaded(tmp_path / "data")
