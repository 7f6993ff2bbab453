"""Outcomes in the order of the plan, and an endpoint that falls silent."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from conformance.case import Case
from conformance.engine import Outcome
from conformance.faults import Breach
from conformance.results import MOST_UNANSWERED, Results, Troubles
from conformance.verdicts import Attempt, Judge
from reports.record import CaseResult, Verdict
from specs.model import Api

ADVICE = "task/events-answered"
CASES = [Case(f"task/{n}", "task", (ADVICE,), "Something.", lambda _lab: None) for n in range(4)]


@pytest.fixture
def results(bench_at: Any, api: Api) -> Any:
    """Make results of the four cases, and the list of what was passed on."""

    def make() -> tuple[Results, list[CaseResult]]:
        taken: list[CaseResult] = []
        judge = Judge(api, bench_at().endpoint.profile, is_strict=False)
        return Results(CASES, judge, taken.append), taken

    return make


def saying(*subjects: str) -> Outcome:
    breaches = tuple(Breach(ADVICE, "a reply", "none", is_advice=True, subject=one) for one in subjects)
    return Outcome((Attempt(breaches, ()),))


def test_results_are_passed_on_in_the_order_of_the_plan(results: Any) -> None:
    """Each as soon as all before it are there, whatever the order in which cases end."""
    for order in permutations(range(4)):
        made, taken = results()
        for place, number in enumerate(order):
            made.add(number, saying())
            there = set(order[: place + 1])
            expected = next(n for n in range(5) if n not in there)
            assert [one.case for one in taken] == [case.id for case in CASES[:expected]]
        assert made.ended == taken


def test_what_has_no_result_leaves_a_gap(results: Any) -> None:
    """At the end what came behind a case that did not end is passed on as well."""
    made, taken = results()
    for number in (3, 0, 2):
        made.add(number, saying())
    assert len(taken) == 1
    made.finish()
    assert [one.case for one in taken] == ["task/0", "task/2", "task/3"]


def test_advice_that_many_would_give_is_the_first_ones_of_the_plan(results: Any) -> None:
    """Workers know nothing of each other, and yet the verdicts do not depend on who was first."""
    outcomes = [saying("x"), saying("x", "y"), saying("y"), saying()]
    for order in permutations(range(4)):
        made, taken = results()
        for number in order:
            made.add(number, outcomes[number])
        assert [one.verdict for one in taken] == [
            Verdict.ADVISORY,
            Verdict.ADVISORY,
            Verdict.PASS,
            Verdict.PASS,
        ]


SILENT = Outcome((Attempt((), (), Verdict.INCONCLUSIVE, "no reply", is_unanswered=True),))
MISSING = Outcome((Attempt((), (), Verdict.NOT_RUN, "nothing can be made"),))
UNCLEAR = Outcome((Attempt((), (), Verdict.INCONCLUSIVE, "something else"),))
LET_DOWN = Outcome((Attempt((), (), Verdict.NOT_RUN, "no agents any more", is_let_down=True),))
PASSED = Outcome((Attempt((), ()),))
FAILED = Outcome((Attempt((Breach(ADVICE, "a", "b"),), ()),))


def noted(*outcomes: Outcome) -> list[bool]:
    troubles = Troubles()
    return [troubles.note(outcome) is not None for outcome in outcomes]


def test_too_many_cases_without_any_answer_are_noticed() -> None:
    """As soon as there are so many in a row; cases that did not run or could not tell do not break the row."""
    assert noted(*[SILENT] * MOST_UNANSWERED) == [False] * (MOST_UNANSWERED - 1) + [True]
    row = [MISSING, UNCLEAR, *[SILENT] * (MOST_UNANSWERED - 1), MISSING]
    assert not any(noted(*row))
    assert noted(*row, SILENT)[-1]


@pytest.mark.parametrize("spoken", [PASSED, FAILED])
def test_an_answer_in_between_begins_the_row_anew(spoken: Outcome) -> None:
    """An endpoint that says something now and then can be judged."""
    row = [*[SILENT] * (MOST_UNANSWERED - 1), spoken]
    assert not any(noted(*row * 5))


def test_a_provisioner_that_has_given_out_is_noticed() -> None:
    """One case that ought to have been run is said at last, and a row of them ends the run; what never could be made is neither."""
    assert noted(*[LET_DOWN, MISSING] * MOST_UNANSWERED).index(True) == 2 * (MOST_UNANSWERED - 1)
    assert not any(noted(*[LET_DOWN, PASSED] * 2 * MOST_UNANSWERED, *[MISSING] * 2 * MOST_UNANSWERED))
    troubles = Troubles()
    for outcome in (PASSED, MISSING):
        troubles.note(outcome)
    assert troubles.at_last() is None
    for outcome in (LET_DOWN, PASSED, LET_DOWN):
        troubles.note(outcome)
    assert troubles.at_last() == "2 cases were not run: no agents any more"
