from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from reports.run_folder import FolderInUse, FolderNotWritable, RunFolder, default_path

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    """The folder exists afterwards and names its two files."""
    folder = RunFolder(tmp_path / "a" / "b")
    assert folder.path.is_dir()
    assert (folder.run, folder.junit) == (tmp_path / "a/b/run.jsonl", tmp_path / "a/b/junit.xml")


@pytest.mark.parametrize("name", ["run.jsonl", "junit.xml"])
def test_a_folder_that_holds_a_run_is_refused(tmp_path: Path, name: str) -> None:
    """One of the two files is enough, and it stays."""
    (tmp_path / name).write_text("kept")
    with pytest.raises(FolderInUse, match=name):
        RunFolder(tmp_path)
    assert (tmp_path / name).read_text() == "kept"


def test_a_folder_with_other_files_can_be_used(tmp_path: Path) -> None:
    """Only a run is in the way of a run."""
    (tmp_path / "notes.txt").write_text("mine")
    assert RunFolder(tmp_path).path == tmp_path


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_way_is_one_named_error(tmp_path: Path, below: str) -> None:
    """A file with the folder's name, or with a parent's, is reported in one line."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(FolderNotWritable) as caught:
        RunFolder(tmp_path / "taken" / below)
    assert "\n" not in str(caught.value)


def test_default_names_sort_by_time() -> None:
    """A later run has a later name, to the millisecond."""
    first = default_path(datetime(2026, 11, 22, 9, 59, 59, 999_000, tzinfo=UTC))
    then = default_path(datetime(2026, 11, 22, 10, 0, 0, 1_000, tzinfo=UTC))
    assert (first.parent.name, then.name) == ("wireproof-runs", "20261122T100000.001Z")
    assert first.name < then.name
