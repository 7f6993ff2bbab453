"""Tests of a trial: which cases are run, when they stop, and what became of the deviation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.case import Case, Phase
from conformance.selfcheck.trial import Deviation, Ended, Fate, Outcome, Reach, trial_in_budget, trial_of
from reports.record import Verdict

OWN, OTHER = "task/own", "task/other"


def case(name: str, *requirements: str) -> Case:
    return Case(name, "task", requirements, name, lambda _lab: None)


CASES = [
    case("task/elsewhere", OTHER),
    case("task/complete/first", OWN),
    case("task/complete/drops-reply", OWN, OTHER),
    case("task/last", OTHER),
]
DEVIATION = Deviation("task/complete/drops-reply", (OWN, OTHER), "No reply.")


def failed(name: str, *requirements: str) -> Outcome:
    return Outcome(name, Verdict.FAIL, 1.0, dict.fromkeys(requirements, "seen"))


def passed(name: str) -> Outcome:
    return Outcome(name, Verdict.PASS, 1.0)


def cases_run(reach: Reach, shown: dict[str, Outcome]) -> list[str]:
    """Return the cases that a trial runs where they show that."""
    outcomes: list[Outcome] = []
    ran = []
    for one in trial_of(DEVIATION, CASES, reach).cases(outcomes):
        ran.append(one.id.removeprefix("task/"))
        outcomes.append(shown.get(one.id, passed(one.id)))
    return ran


MOST_LIKE, SECOND, ELSEWHERE, LAST = "complete/drops-reply", "complete/first", "elsewhere", "last"


@pytest.mark.parametrize(
    ("reach", "shown", "ran"),
    [
        (Reach.KILL, failed(f"task/{MOST_LIKE}", OWN), [MOST_LIKE]),
        (Reach.KILL, failed(f"task/{SECOND}", OWN), [MOST_LIKE, SECOND]),
        (Reach.KILL, failed(f"task/{MOST_LIKE}", OTHER), [MOST_LIKE, SECOND]),
        (Reach.KILL, failed(f"task/{ELSEWHERE}", OTHER), [MOST_LIKE, SECOND, ELSEWHERE]),
        (Reach.KILL, passed("task/none"), [MOST_LIKE, SECOND, ELSEWHERE, LAST]),
        (Reach.COVERING, failed(f"task/{MOST_LIKE}", OWN), [MOST_LIKE, SECOND]),
        (Reach.COVERING, passed("task/none"), [MOST_LIKE, SECOND, ELSEWHERE, LAST]),
        (Reach.SUITE, failed(f"task/{MOST_LIKE}", OWN), [MOST_LIKE, SECOND, ELSEWHERE, LAST]),
    ],
)
def test_a_trial_goes_as_far_as_it_must(reach: Reach, shown: Outcome, ran: list[str]) -> None:
    """The cases most like the deviation come first; those of other requirements only where they are asked for or nothing was seen."""
    assert cases_run(reach, {shown.case: shown}) == ran


def test_slow_cases_of_a_requirement_come_last() -> None:
    """A machine that names half of a family would else be run for most of its deviations."""
    slow = [
        replace(case("task/complete/machine", OWN), phase=Phase.MACHINE),
        replace(case("task/complete/drops-reply/race", OWN), phase=Phase.RACE),
    ]
    trial = trial_of(DEVIATION, [*slow, *CASES], Reach.KILL)
    ordered = [one.id.removeprefix("task/") for one in trial.first]
    assert ordered == [MOST_LIKE, SECOND, "complete/drops-reply/race", "complete/machine"]


def test_with_little_time_the_first_report_of_anything_ends_a_trial() -> None:
    """The cases come as they are given, and the budget is told to whoever carries them out."""
    trial = trial_in_budget(DEVIATION, CASES, 3.0)
    outcomes: list[Outcome] = []
    ran = []
    for one in trial.cases(outcomes):
        ran.append(one.id)
        outcomes.append(failed(one.id, OTHER) if len(ran) == 2 else passed(one.id))
    assert ran == [case.id for case in CASES[:2]]
    assert trial.budget_s == 3.0


@pytest.mark.parametrize(
    ("outcomes", "trouble", "has_died", "is_listed", "fate", "why"),
    [
        ([failed("a", OTHER), failed("b", OTHER, OWN)], None, False, False, Fate.KILLED, "seen"),
        ([failed("a", OWN)], "hangs", False, False, Fate.KILLED, "seen"),
        ([failed("a", OWN)], "died", True, False, Fate.UNTESTED, "died"),
        ([passed("a"), failed("b", OTHER)], None, False, False, Fate.BY_OTHERS, f"{OTHER}: seen"),
        ([failed("b", OTHER)], None, False, True, Fate.BY_OTHERS, f"{OTHER}: seen"),
        ([passed("a"), passed("b")], None, False, False, Fate.SILENT, "2 pass"),
        ([passed("a")], None, False, True, Fate.INVISIBLE, "1 pass"),
        ([passed("a")], "hangs", False, True, Fate.UNTESTED, "hangs"),
        ([], "hangs", False, False, Fate.UNTESTED, "hangs"),
        (
            [Outcome("a", Verdict.FLAKY, 1.0, reason="once only"), passed("b")],
            *(None, False, False),
            *(Fate.SILENT, "1 flaky, 1 pass; once only"),
        ),
    ],
)
def test_what_became_of_a_deviation_follows_from_the_outcomes(
    outcomes: list[Outcome], trouble: str | None, has_died: bool, is_listed: bool, fate: Fate, why: str
) -> None:
    """Only a confirmed report of its own requirement kills; a server that has ended was not tested, whatever was seen."""
    ended = Ended(trial_of(DEVIATION, CASES, Reach.KILL), tuple(outcomes), 1.0, trouble, has_died)
    assert ended.fate(is_listed=is_listed) is fate
    assert ended.why() == why
