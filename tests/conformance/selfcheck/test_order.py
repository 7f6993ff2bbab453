"""Tests of the order of cases by what they kill, and of the one that is shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.catalogue import all_cases
from conformance.selfcheck.matrix import CaseTime, ControlRow, MatrixFolder, MatrixHeader, MatrixRow
from conformance.selfcheck.order import FORMAT, KILL_POWER, Power, main, order_of
from conformance.selfcheck.trial import Fate, Reach
from specs.loader import load


def power(cost_ms: float, *kills: str) -> Power:
    return Power(set(kills), [cost_ms])


def test_most_kills_a_millisecond_come_first() -> None:
    """Of what is not killed yet; a slow case with many kills gives way to quick ones."""
    known = {
        "slow": power(100, "a", "b", "c", "d"),
        "quick": power(10, "a", "b"),
        "same-as-quick": power(12, "a", "b"),
        "single": power(20, "c"),
    }
    assert order_of(known) == ["quick", "single", "slow", "same-as-quick"]


def test_what_kills_nothing_is_left_out_and_the_rest_is_whole() -> None:
    """Every case that kills anything stands in the order once."""
    known = {"idle": power(1), "one": power(5, "a"), "two": power(5, "a"), "three": power(9, "a", "b")}
    assert sorted(order_of(known)) == ["one", "three", "two"]


def a_matrix(folder: Path, reach: Reach) -> Path:
    """Write a matrix of two deviations and return its folder."""
    header = MatrixHeader(
        tool_version="0",
        started_at="2026-11-27T00:00:00Z",
        spec="S",
        spec_version="7",
        catalogue=2,
        chosen=2,
        cases=3,
        seed=1,
        jobs=1,
        reach=reach,
        reply_s=1.0,
    )
    matrix = MatrixFolder(folder)
    matrix.write(header)
    passed = CaseTime(ms=10, verdict="pass")
    matrix.write(ControlRow(cases={"one": passed, "two": passed, "idle": passed}, duration_s=1, trouble=None))
    for name, case in (("a", "two"), ("b", "two"), ("c", "one")):
        cases = {"idle": passed, case: CaseTime(ms=900, verdict="fail", reported=["task/own"])}
        matrix.write(
            MatrixRow(
                deviation=name,
                requirement="task/own",
                case=case,
                observed="seen",
                fate=Fate.KILLED,
                others=[],
                cases=cases,
                duration_s=1.0,
            )
        )
    return folder


def test_the_file_is_made_of_matrices(tmp_path: Path, capsys: Any) -> None:
    """It says what it was measured with; a case costs what it takes where it finds nothing."""
    target = tmp_path / "kill_power.json"
    assert main([str(a_matrix(tmp_path / "run", Reach.COVERING))], target) == 0
    assert capsys.readouterr().out == "kill_power.json: 2 cases\n"
    assert json.loads(target.read_text(encoding="utf-8")) == {
        "format": FORMAT,
        "measured": [{"spec_version": "7", "reach": "covering", "deviations": 3, "cases": 3}],
        "order": ["two", "one"],
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "usage: "),
        (["--help"], "usage: "),
        (["/no/such/matrix"], "cannot be read"),
        (["kill"], "tells too little"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, capsys: Any, arguments: list[str], told: str) -> None:
    """Exit code 2, and nothing is written."""
    target = tmp_path / "kill_power.json"
    if arguments == ["kill"]:
        arguments = [str(a_matrix(tmp_path / "run", Reach.KILL))]
    assert main(arguments, target) == 2
    complaint = capsys.readouterr().err
    assert told in complaint
    assert complaint.count("\n") == 1
    assert not target.exists()


def test_the_shipped_order_is_of_cases_that_there_are() -> None:
    """Each once, in the format that the engine reads; it names most of them."""
    shipped = json.loads(KILL_POWER.read_text(encoding="utf-8"))
    known = {case.id for case in all_cases(load())}
    assert shipped["format"] == FORMAT
    assert len(set(shipped["order"])) == len(shipped["order"])
    assert set(shipped["order"]) <= known
    assert len(shipped["order"]) > len(known) / 2
