"""Tests of the record of a self-check."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from conformance.faults import ConfigurationFaulty
from conformance.selfcheck.matrix import MatrixFolder, MatrixHeader, MatrixRow, as_csv, read_matrix, tally
from conformance.selfcheck.trial import Deviation, Ended, Fate, Outcome, Reach, trial_of
from reports.record import Verdict
from reports.run_folder import RunFolderError

HEADER = MatrixHeader(
    tool_version="0",
    started_at="2026-11-27T00:00:00+00:00",
    spec="Some",
    spec_version="1",
    catalogue=3,
    chosen=2,
    cases=1,
    reach=Reach.KILL,
    seed=1,
    jobs=1,
    reply_s=1.0,
)


def a_row(name: str, *reported: str, is_listed: bool = False) -> MatrixRow:
    """Return the row of a deviation about `task/own` where one case reported so much."""
    deviation = Deviation(name, ("task/own",), "Something.")
    outcome = Outcome(
        "task/case",
        Verdict.FAIL if reported else Verdict.PASS,
        2.5,
        dict.fromkeys(reported, 'said "no", twice'),
    )
    return MatrixRow.of(Ended(trial_of(deviation, [], Reach.KILL), (outcome,), 1.0), is_listed=is_listed)


@pytest.mark.parametrize(
    ("reported", "is_listed", "fate", "is_good", "is_stale"),
    [
        (("task/own",), False, Fate.KILLED, True, False),
        (("task/own",), True, Fate.KILLED, False, True),
        (("task/other",), False, Fate.BY_OTHERS, False, False),
        (("task/other",), True, Fate.BY_OTHERS, False, True),
        ((), False, Fate.SILENT, False, False),
        ((), True, Fate.INVISIBLE, True, False),
    ],
)
def test_a_row_is_good_if_its_requirement_reported_it_or_a_proof_holds(
    reported: tuple[str, ...], is_listed: bool, fate: Fate, is_good: bool, is_stale: bool
) -> None:
    """An exception that was seen, by whatever check, is stale and no longer good."""
    row = a_row("one", *reported, is_listed=is_listed)
    assert (row.fate, row.is_good, row.is_stale) == (fate, is_good, is_stale)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Rows come back as they were, from the folder and from the file, with or without a footer."""
    folder = MatrixFolder(tmp_path / "run")
    rows = [a_row("b", "task/own"), a_row("a", "task/other", "task/else")]
    for line in (HEADER, *rows):
        folder.write(line)
    for path in (folder.path, folder.lines):
        matrix = read_matrix(path)
        assert (matrix.header, matrix.rows, matrix.footer) == (HEADER, rows, None)
    assert tally(rows)[Fate.KILLED.value] == tally(rows)[Fate.BY_OTHERS.value] == 1


def test_the_table_has_a_line_a_deviation(tmp_path: Path) -> None:
    """Sorted by name, whole whatever was observed, with stale exceptions named."""
    rows = [a_row("b", "task/own", is_listed=True), a_row("a", "task/other", "task/else"), a_row("c")]
    table = list(csv.reader(as_csv(rows).splitlines()))
    assert table[0] == ["deviation", "requirement", "fate", "case", "observed", "also reported"]
    assert table[1:] == [
        [
            "a",
            "task/own",
            "killed by others",
            "task/case",
            'task/other: said "no", twice',
            "task/else task/other",
        ],
        ["b", "task/own", "killed, but listed as an exception", "task/case", 'said "no", twice', ""],
        ["c", "task/own", "silent", "", "1 pass", ""],
    ]


def test_a_folder_holds_one_matrix(tmp_path: Path) -> None:
    """Neither a second one nor a file in its place is written over."""
    MatrixFolder(tmp_path).write(HEADER)
    with pytest.raises(RunFolderError, match="already holds a matrix"):
        MatrixFolder(tmp_path)
    with pytest.raises(RunFolderError, match="cannot make"):
        MatrixFolder(tmp_path / "matrix.jsonl")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read"),
        ("", "does not begin with a header"),
        ('{"type": "footer"}', "line 1: not a line of a kill matrix"),
        ("nonsense", "line 1: not a line of a kill matrix"),
    ],
)
def test_what_is_no_matrix_is_told_in_a_line(tmp_path: Path, text: str | None, told: str) -> None:
    """With the file, and the line where there is one."""
    file = tmp_path / "some.jsonl"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationFaulty, match=told):
        read_matrix(file)
