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


def test_one_requirement_has_as_many_causes_as_ways_to_break_it(build: Builder) -> None:
    """What differs in ids and numbers alone is one cause; the one with the most cases comes first."""
    findings = [
        build.finding("x", observed="two relays"),
        *(build.finding(f"c{n}", observed=f"no relay of push {n} on task:task_{n}aB") for n in range(3)),
    ]
    (found,) = fold(findings)
    assert [cause.cases for cause in found.causes] == [("c0", "c1", "c2"), ("x",)]
    assert (found.first.case, found.cases) == ("c0", ("c0", "c1", "c2", "x"))


def test_the_strongest_fold_comes_first(build: Builder) -> None:
    """Within a verdict MUST before SHOULD, then the one with the most cases, then the order of the run."""
    findings = [
        build.finding("1", requirement="should", level="SHOULD"),
        build.finding("2", requirement="one-case"),
        build.finding("3", requirement="two-cases"),
        build.finding("4", requirement="two-cases"),
        build.finding("5", requirement="also-one-case"),
    ]
    order = ["two-cases", "one-case", "also-one-case", "should"]
    assert [found.requirement for found in fold(findings)] == order


def test_both_attempts_of_a_flaky_case_belong_to_one_cause(build: Builder) -> None:
    """What the second attempt saw is shown beside the first, and is no cause of its own."""
    seen = build.finding(verdict=Verdict.FLAKY)
    gone = build.finding(verdict=Verdict.FLAKY, observed="not seen again", attempt=2)
    (found,) = fold([seen, gone])
    (cause,) = found.causes
    assert cause.attempts == (seen, gone)
