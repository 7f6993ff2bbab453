"""What was used up stays so from run to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.faults import ConfigurationFaulty
from conformance.provisioning.spent import Spent


def test_what_was_added_is_there_in_the_next_run(tmp_path: Path) -> None:
    """Names may have spaces; names of another kind are not mixed in."""
    file = tmp_path / "spent"
    Spent(file, "topic").add("task:1 and more")
    Spent(file, "agent").add("a")
    assert Spent(file, "topic").names == {"task:1 and more"}
    assert Spent(file, "agent").names == {"a"}


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    """Workers append to one file."""
    writers = [Spent(tmp_path / "spent", "topic") for _ in range(3)]
    for number in range(30):
        writers[number % 3].add(f"t{number}")
    assert Spent(tmp_path / "spent", "topic").names == {f"t{number}" for number in range(30)}


def test_a_file_that_cannot_be_used_is_said_in_one_line(tmp_path: Path) -> None:
    """A folder in its place can be neither read nor written; one that is not there cannot be written into."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationFaulty, match="folder: what was used up cannot be read"):
        Spent(tmp_path / "folder", "topic")
    with pytest.raises(ConfigurationFaulty, match="cannot be written"):
        Spent(tmp_path / "no" / "spent", "topic").add("t")
