"""What is new, known, stale and expired, and what an update makes of it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from conformance.findings.baseline import Baseline, KnownFinding, entry_for
from conformance.findings.comparison import compare
from reports.record import CaseResult, Finding, Verdict

TODAY = date(2026, 11, 27)
CASES = ("task/one", "task/two")


def finding(case: str = "task/one", observed: str = "reply ok", verdict: Verdict = Verdict.FAIL) -> Finding:
    return Finding(
        requirement="task/rule",
        case=case,
        verdict=verdict,
        level="MUST",
        basis="stated",
        statement="",
        expected="a refusal",
        observed=observed,
        transcript=[],
    )


def result(case: str, verdict: Verdict, *findings: Finding) -> CaseResult:
    return CaseResult(
        case=case,
        topic="task",
        requirements=["task/rule"],
        title="",
        level="MUST",
        basis="stated",
        verdict=verdict,
        reason=None,
        duration_ms=1.0,
        findings=list(findings),
        attempts=2,
    )


def entry(one: Finding, **fields: Any) -> KnownFinding:
    return entry_for(one).model_copy(update={"reason": "to be mended", **fields})


def compared(known: list[KnownFinding], *results: CaseResult) -> Any:
    return compare(Baseline(known=known), results, CASES, TODAY)


def failed(**fields: Any) -> CaseResult:
    return result("task/one", Verdict.FAIL, finding(**fields))


def test_a_finding_with_an_entry_is_known() -> None:
    """The same finding of another run is covered, whatever ids are in it."""
    told = compared(
        [entry(finding(observed="reply ok for task:a1b2"))], failed(observed="reply ok for task:z9y8")
    )
    assert (len(told.known), told.is_as_known) == (1, True)


def test_a_finding_without_an_entry_is_new() -> None:
    """Another observation in the same case is another finding."""
    assert len(compared([], failed()).new) == 1
    assert len(compared([entry(finding())], failed(observed="the connection was closed")).new) == 1


def test_an_entry_without_fingerprint_covers_every_finding_of_its_case() -> None:
    """Who writes an entry by hand need not know fingerprints."""
    assert compared([entry(finding(), fingerprint="")], failed(observed="anything")).is_as_known


def test_an_entry_without_reason_excuses_nothing() -> None:
    """What an update has added has to be explained before it lets anything pass."""
    told = compared([entry(finding(), reason=" ")], failed())
    assert (len(told.new), len(told.known), len(told.stale)) == (1, 0, 0)


@pytest.mark.parametrize(("day", "is_over"), [(TODAY, False), (date(2026, 11, 26), True)])
def test_an_entry_excuses_up_to_its_last_day(day: date, is_over: bool) -> None:
    """An entry past its day fails the run although the finding is known."""
    told = compared([entry(finding(), expires=day)], failed())
    assert (len(told.expired), told.is_as_known) == (is_over, not is_over)


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.ADVISORY])
def test_an_entry_whose_case_finds_nothing_is_stale(verdict: Verdict) -> None:
    """What is mended has to leave the baseline, or it could come back unseen."""
    told = compared([entry(finding())], result("task/one", verdict))
    assert (len(told.stale), told.is_as_known) == (1, False)


def test_an_entry_of_a_case_that_exists_no_more_is_stale() -> None:
    """No run could ever find it."""
    assert len(compared([entry(finding(case="task/gone"))]).stale) == 1


@pytest.mark.parametrize(
    "results",
    [
        (),
        (result("task/two", Verdict.PASS),),
        (result("task/one", Verdict.NOT_RUN),),
        (result("task/one", Verdict.INCONCLUSIVE),),
        (result("task/one", Verdict.ERROR),),
    ],
)
def test_an_entry_whose_case_was_not_carried_out_is_neither(results: tuple[CaseResult, ...]) -> None:
    """A part of the suite says nothing about the rest."""
    told = compared([entry(finding())], *results)
    assert (told.known, told.stale, len(told.waiting)) == ((), (), 1)
    assert told.is_as_known


def test_a_finding_that_comes_and_goes_is_not_stale() -> None:
    """An entry that is marked as flaky may be missing."""
    assert compared([entry(finding(), flaky=True)], result("task/one", Verdict.PASS)).is_as_known


def test_an_update_keeps_what_people_wrote_and_drops_what_is_gone() -> None:
    """Reason, link and day stay; new entries have no reason yet; a finding that looks different now replaces the old one."""
    known = entry(finding(), link="https://tracker/1", expires=TODAY)
    gone = entry(finding(case="task/two"))
    baseline = Baseline(known=[known, gone])
    fresh = finding(case="task/one", observed="the connection was closed")
    again = compare(
        baseline,
        [result("task/one", Verdict.FAIL, finding(), fresh), result("task/two", Verdict.PASS)],
        CASES,
        TODAY,
    )
    updated = again.updated(baseline)
    assert known in updated
    assert gone not in updated
    assert [one.reason for one in updated if one != known] == [""]
    changed = compare(baseline, [result("task/one", Verdict.FAIL, fresh)], CASES, TODAY).updated(baseline)
    assert {one.key for one in changed} == {entry_for(fresh).key, gone.key}


def test_a_flaky_finding_is_marked_when_it_is_added() -> None:
    """The next run need not see it."""
    told = compared([], result("task/one", Verdict.FLAKY, finding(verdict=Verdict.FLAKY)))
    assert [one.flaky for one in told.updated(Baseline())] == [True]
