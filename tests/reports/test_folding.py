from __future__ import annotations

from typing import TYPE_CHECKING

from reports.folding import findings_of, fold, reasons_not_run
from reports.record import RED, Verdict

if TYPE_CHECKING:
    from conftest import Builder


def test_findings_against_one_requirement_fold_into_one(build: Builder) -> None:
    """One fold, the first finding first, each case once."""
    findings = [build.finding(case, observed=case) for case in ("b", "a", "b")]
    (found,) = fold(findings)
    assert (found.requirement, found.first.observed, found.cases) == (
        "task/progress-relayed",
        "b",
        ("b", "a"),
    )


def test_the_most_serious_verdict_comes_first(build: Builder) -> None:
    """Fail, flaky, error, inconclusive, and within a verdict the order of the run."""
    verdicts = [Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL, Verdict.FLAKY]
    findings = [
        build.finding(verdict=verdict, requirement=f"{verdict}/{n}") for n in (1, 2) for verdict in verdicts
    ]
    assert [found.requirement for found in fold(findings)] == [
        f"{verdict}/{n}" for verdict in RED for n in (1, 2)
    ]


def test_an_error_is_not_hidden_behind_a_failure_of_the_same_requirement(build: Builder) -> None:
    """Different verdicts against one requirement stay apart."""
    folds = fold(
        [build.finding(verdict=Verdict.ERROR, observed="KeyError"), build.finding(verdict=Verdict.FAIL)]
    )
    assert [found.first.verdict for found in folds] == [Verdict.FAIL, Verdict.ERROR]


def test_no_red_case_is_lost(build: Builder) -> None:
    """A case without a finding of its own appears with its reason."""
    cases = [build.case(f"c/{v}", v, findings=[], reason=f"why {v}") for v in Verdict]
    assert [finding.observed for finding in findings_of(cases, RED)] == [
        "why fail",
        "why inconclusive",
        "why flaky",
        "why error",
    ]


def test_cases_not_run_are_counted_by_reason(build: Builder) -> None:
    """The most frequent reason first; other verdicts do not count, whatever their reason."""
    missing = [
        build.case(verdict=Verdict.NOT_RUN, reason=reason) for reason in ("time", "token", "token", None)
    ]
    cases = [*missing, build.case(reason="token")]
    assert reasons_not_run(cases) == [("token", 2), ("time", 1), ("no reason was recorded", 1)]
