"""Tests of a self-check from start to matrix, with trials that only say how they ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.case import Case
from conformance.faults import CannotTest
from conformance.selfcheck.matrix import Matrix, MatrixFolder, read_matrix
from conformance.selfcheck.run import Plan, run_selfcheck
from conformance.selfcheck.terminal import Bar
from conformance.selfcheck.trial import Deviation, Ended, Fate, Outcome, Reach, Trial
from reports.exit_codes import ExitCode
from reports.record import Verdict
from specs.loader import load

OWN, OTHER = "task/own", "task/other"
CASES = [
    Case("task/first", "task", (OWN,), "First", lambda _lab: None),
    Case("task/second", "task", (OTHER,), "Second", lambda _lab: None),
]
FIRST, SECOND = "task/first", "task/second"

Shows = dict[str | None, dict[str, str]]
"""Which requirement each case reports, by deviation; None is the honest server."""


class Pretended:
    """Carries trials out by looking up what their cases report."""

    def __init__(
        self, shows: Shows, *, fails_at: str = "", with_what: type[BaseException] = CannotTest
    ) -> None:
        self.shows = shows
        self.fails_at = fails_at
        self.with_what = with_what
        self.honest_cases: list[str] = []

    def run(self, trials: list[Trial], _tick: Callable[[], None]) -> Iterator[Ended]:
        for trial in trials:
            name = trial.deviation.name if trial.deviation else None
            if self.fails_at and self.fails_at == (name or "honest"):
                raise self.with_what("the servers are gone")
            outcomes: list[Outcome] = []
            for case in trial.cases(outcomes):
                found = self.shows.get(name, {}).get(case.id)
                verdict = Verdict.FAIL if found else Verdict.PASS
                outcomes.append(Outcome(case.id, verdict, 1.0, {found: "seen"} if found else {}))
            if name is None:
                self.honest_cases += [one.case for one in outcomes]
            yield Ended(trial, tuple(outcomes), 1.0)


def checked(
    tmp_path: Path, pretended: Any, names: list[str], *, budget_s: float | None = None, **exceptions: str
) -> Matrix:
    """Check so many deviations about `OWN`; what is returned and what is in the folder are the same."""
    chosen = [Deviation(name, (OWN,), "Something.") for name in names]
    plan = Plan(
        api=load(),
        cases=CASES,
        catalogue=[str(number) for number in range(100)] + names,
        chosen=chosen,
        reach=Reach.KILL,
        seed=1,
        jobs=1,
        reply_s=1.0,
        exceptions=exceptions,
        budget_s=budget_s,
    )
    folder = MatrixFolder(tmp_path / "run")
    matrix = run_selfcheck(plan, pretended, folder, Bar(quiet=True))
    assert read_matrix(folder.path) == matrix
    return matrix


@pytest.mark.parametrize(
    ("noticed", "code"), [(5, ExitCode.CONFORMANT), (4, ExitCode.CONFORMANT), (3, ExitCode.FINDINGS)]
)
def test_within_a_budget_four_in_five_are_enough(tmp_path: Path, noticed: int, code: ExitCode) -> None:
    """Whatever is reported of a deviation counts then; its trial ends with that."""
    names = [f"deviation-{number}" for number in range(5)]
    pretended = Pretended({name: {FIRST: OTHER} for name in names[:noticed]})
    matrix = checked(tmp_path, pretended, names, budget_s=1.0)
    assert [row.is_seen for row in matrix.rows] == [True] * noticed + [False] * (5 - noticed)
    assert [list(row.cases) for row in matrix.rows[:noticed]] == [[FIRST]] * noticed
    assert matrix.seen_share() == noticed / 5
    assert ending(matrix)[0] == code


def ending(matrix: Matrix) -> tuple[int, bool, str | None]:
    assert matrix.footer is not None
    return matrix.footer.exit_code, matrix.footer.interrupted, matrix.footer.note


@pytest.mark.parametrize(
    ("shows", "exceptions", "fate", "code"),
    [
        ({FIRST: OWN}, {}, Fate.KILLED, ExitCode.CONFORMANT),
        ({SECOND: OWN}, {}, Fate.KILLED, ExitCode.CONFORMANT),
        ({SECOND: OTHER}, {}, Fate.BY_OTHERS, ExitCode.FINDINGS),
        ({}, {}, Fate.SILENT, ExitCode.FINDINGS),
        ({}, {"one": "Proof."}, Fate.INVISIBLE, ExitCode.CONFORMANT),
        ({FIRST: OWN}, {"one": "Proof."}, Fate.KILLED, ExitCode.FINDINGS),
    ],
)
def test_the_exit_code_follows_from_the_fates(
    tmp_path: Path, shows: dict[str, str], exceptions: dict[str, str], fate: Fate, code: ExitCode
) -> None:
    """Only kills by the own requirement and exceptions that hold are good."""
    matrix = checked(tmp_path, Pretended({"one": shows}), ["one"], **exceptions)
    assert [row.fate for row in matrix.rows] == [fate]
    assert ending(matrix) == (code, False, None)


def test_honest_servers_pass_what_is_planned_and_what_accuses(tmp_path: Path) -> None:
    """The cases of other requirements are shown to be innocent only where they have accused somebody."""
    quiet, loud = Pretended({"one": {FIRST: OWN}}), Pretended({"one": {SECOND: OTHER}})
    checked(tmp_path / "quiet", quiet, ["one"])
    matrix = checked(tmp_path / "loud", loud, ["one"])
    assert quiet.honest_cases == [FIRST]
    assert loud.honest_cases == [FIRST, SECOND]
    assert [list(control.cases) for control in matrix.controls] == [[FIRST], [SECOND]]


@pytest.mark.parametrize("accuser", [FIRST, SECOND])
def test_a_suite_that_accuses_an_honest_server_is_not_believed(tmp_path: Path, accuser: str) -> None:
    """Neither before the trials nor after them; the record has no footer then."""
    pretended = Pretended({None: {accuser: OTHER}, "one": {SECOND: OTHER}})
    with pytest.raises(
        CannotTest, match=f"does not pass with an honest server.*{accuser}: fail: {OTHER}: seen"
    ):
        checked(tmp_path, pretended, ["one"])
    assert read_matrix(tmp_path / "run").footer is None


@pytest.mark.parametrize(
    ("with_what", "interrupted", "note"),
    [
        (KeyboardInterrupt, True, "1 of 2 deviations were not reached"),
        (CannotTest, False, "1 of 2 deviations were not reached; the servers are gone"),
    ],
)
@pytest.mark.parametrize(("shows", "code"), [(OWN, ExitCode.COULD_NOT_TEST), (OTHER, ExitCode.FINDINGS)])
def test_what_was_found_before_an_end_counts(
    tmp_path: Path, with_what: type[BaseException], interrupted: bool, note: str, shows: str, code: ExitCode
) -> None:
    """What was not reached is never called killed."""
    pretended = Pretended({"one": {FIRST: shows}}, fails_at="two", with_what=with_what)
    matrix = checked(tmp_path, pretended, ["one", "two"])
    assert [row.deviation for row in matrix.rows] == ["one"]
    assert ending(matrix) == (code, interrupted, note)


def test_nothing_tested_is_no_judgement(tmp_path: Path) -> None:
    """Where no server could be judged, that is the exit code."""

    class Dying(Pretended):
        def run(self, trials: list[Trial], tick: Callable[[], None]) -> Iterator[Ended]:
            for ended in super().run(trials, tick):
                has_died = ended.trial.deviation is not None
                yield Ended(ended.trial, (), 1.0, "died" if has_died else None, has_died)

    matrix = checked(tmp_path, Dying({}), ["one", "two"])
    assert [row.fate for row in matrix.rows] == [Fate.UNTESTED] * 2
    assert ending(matrix)[0] == ExitCode.COULD_NOT_TEST
