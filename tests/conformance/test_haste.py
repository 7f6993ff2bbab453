"""What is found after a wait that a doubt has shortened is looked for again with full patience before anybody is accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.case import Case
from conformance.engine import run_cases
from conformance.faults import CannotTell, Violation
from conformance.fixtures.lab import Bench, Lab
from conformance.verdicts import Judge
from reports.record import CaseResult, Verdict
from specs.model import Api

BINDING, ADVICE = "task/stream-relayed", "task/events-answered"
KIND = ("task", "progress")
USUAL_S = 2.0

Results = Callable[..., list[CaseResult]]


@pytest.fixture
def bench(bench_at: Any) -> Bench:
    """Return the bench of a run in which an effect has stayed out several times."""
    made: Bench = bench_at()
    for _ in range(9):
        made.doubts.note_effect(*KIND, has_come=False)
    return made


@pytest.fixture
def results(bench: Bench, api: Api) -> Results:
    """Run cases one after the other on that bench."""

    def run(*bodies: Callable[[Lab], None]) -> list[CaseResult]:
        judge = Judge(api, bench.endpoint.profile, is_strict=False)
        cases = [
            Case(f"task/{number}", "task", (BINDING,), "Something.", body)
            for number, body in enumerate(bodies)
        ]
        return list(run_cases(bench, judge, cases))

    return run


def waiting(lab: Lab, waits_s: list[float], *, takes_s: float) -> bool:
    """Wait for the effect, which takes so long to come, as a peer does; tell whether it has come."""
    patience_s = lab.bench.doubts.patience_s(*KIND, USUAL_S)
    waits_s.append(patience_s)
    has_come = takes_s <= patience_s
    lab.bench.doubts.note_effect(*KIND, has_come=has_come, is_hasty=patience_s < USUAL_S)
    return has_come


def relayed(waits_s: list[float], *, takes_s: float) -> Callable[[Lab], None]:
    """Return a case that demands the effect."""

    def run(lab: Lab) -> None:
        lab.demand(waiting(lab, waits_s, takes_s=takes_s), BINDING, "it comes", "it does not come")

    return run


def test_what_comes_late_is_not_accused(results: Results, bench: Bench) -> None:
    """The hasty attempt counts for nothing, not even as one of two, and the doubt is gone."""
    waits_s: list[float] = []
    (result,) = results(relayed(waits_s, takes_s=1.0))
    assert (result.verdict, result.findings) == (Verdict.PASS, [])
    assert [wait_s < USUAL_S for wait_s in waits_s] == [True, False]
    assert bench.doubts.patience_s(*KIND, USUAL_S) == USUAL_S


def test_what_never_comes_is_accused_after_two_full_waits(results: Results) -> None:
    """Once it is, others need not wait for the same effect as long again."""
    waits_s: list[float] = []
    first, second = results(*[relayed(waits_s, takes_s=9.0)] * 2)
    assert [first.verdict, second.verdict] == [Verdict.FAIL] * 2
    assert [wait_s < USUAL_S for wait_s in waits_s] == [True, False, False, True, True]
    assert [finding.attempt for finding in first.findings] == [2]


def test_advice_is_given_after_a_full_wait_only(results: Results) -> None:
    """It is no verdict, and yet it says something of the server."""
    waits_s: list[float] = []

    def advises(lab: Lab) -> None:
        if not waiting(lab, waits_s, takes_s=1.0):
            lab.advise(ADVICE, "a reply", "none")

    assert [result.verdict for result in results(advises)] == [Verdict.PASS]


def test_what_was_only_advised_is_accused_after_full_waits(results: Results) -> None:
    """Further advice needs no full wait, a failure does: the effect may have stayed out for another reason."""
    waits_s: list[float] = []

    def advises(lab: Lab) -> None:
        waiting(lab, waits_s, takes_s=9.0)
        lab.advise(ADVICE, "a reply", "none")

    found = results(advises, advises, relayed(waits_s, takes_s=1.0))
    assert [result.verdict for result in found] == [Verdict.ADVISORY, Verdict.ADVISORY, Verdict.PASS]
    assert [wait_s < USUAL_S for wait_s in waits_s] == [True, False, True, True, False]


def test_a_second_chance_is_a_patient_one(results: Results) -> None:
    """Whoever could not tell for haste can tell then."""
    waits_s: list[float] = []

    def depends(lab: Lab) -> None:
        lab.transcript.add("alice", "received", "an answer")
        if not waiting(lab, waits_s, takes_s=1.0):
            raise CannotTell("it has not come")

    assert [result.verdict for result in results(depends)] == [Verdict.PASS]
    assert waits_s == [waits_s[0], USUAL_S]


def test_drawn_steps_that_show_nothing_with_patience_are_drawn_anew(results: Results) -> None:
    """Else what the case had still to draw would never have been looked at."""
    given: list[Any] = []
    waits_s: list[float] = []

    def draws(lab: Lab) -> None:
        given.append(lab.program)
        is_there = waiting(lab, waits_s, takes_s=1.0)
        is_drawn, lab.program = lab.program is None, lab.program or "these"
        if not is_there or (is_drawn and len(given) > 1):
            raise Violation(BINDING, "a", f"in attempt {len(given)}")

    (result,) = results(draws)
    assert given == [None, "these", None, "these"]
    assert (result.verdict, result.findings[0].observed) == (Verdict.FLAKY, "in attempt 3")
