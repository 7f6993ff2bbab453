from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from reports.record import RED, Verdict, tally

if TYPE_CHECKING:
    from conftest import Builder


def test_every_verdict_is_counted_even_where_there_is_none(build: Builder) -> None:
    """`tally` has all seven keys, and they add up to the number of cases."""
    counts = tally([build.case(verdict=Verdict.FAIL), build.case(verdict=Verdict.FAIL), build.case()])
    assert counts == {
        "pass": 1,
        "fail": 2,
        "advisory": 0,
        "inconclusive": 0,
        "flaky": 0,
        "error": 0,
        "not_run": 0,
    }


def test_a_case_that_did_not_run_is_called_not_run_by_people() -> None:
    """The label has a space; the value has an underscore."""
    assert (Verdict.NOT_RUN.label, Verdict.NOT_RUN.value) == ("not run", "not_run")


@pytest.mark.parametrize("verdict", [*RED, Verdict.ADVISORY])
def test_a_case_that_is_no_pass_has_evidence_even_without_a_finding(build: Builder, verdict: Verdict) -> None:
    """The reason becomes a finding against the first requirement, with the verdict of the case."""
    (finding,) = build.case("a/b", verdict, findings=[], reason="KeyError: 'x'").evidence()
    assert (finding.requirement, finding.case) == ("task/progress-relayed", "a/b")
    assert (finding.verdict, finding.observed) == (verdict, "KeyError: 'x'")


def test_a_red_case_with_an_advisory_alone_still_has_red_evidence(build: Builder) -> None:
    """An advisory finding does not stand in for the failure of its case."""
    advisory = build.finding(verdict=Verdict.ADVISORY)
    evidence = build.case(verdict=Verdict.ERROR, findings=[advisory], reason="broke").evidence()
    assert [finding.verdict for finding in evidence] == [Verdict.ADVISORY, Verdict.ERROR]


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.NOT_RUN])
def test_a_case_without_accusation_has_no_evidence(build: Builder, verdict: Verdict) -> None:
    """A pass, and a case that did not run, accuse nobody."""
    assert build.case(verdict=verdict, reason="no token").evidence() == []


def test_text_is_made_printable_on_the_way_in(build: Builder) -> None:
    """An escape sequence or a lone surrogate in any text is shown, not obeyed."""
    entry = build.entry("\x1b[2J\ud800")
    header = build.header(profile={"a\x00": ["\x07"]})
    assert entry.text == "\\x1b[2J\\ud800"
    assert header.profile == {"a\\x00": ["\\x07"]}


@pytest.mark.parametrize(
    "fields",
    [
        {"level": "OUGHT"},
        {"level": "MUST\n"},
        {"duration_ms": -1.0},
        {"duration_ms": float("nan")},
        {"attempts": -1},
        {"verdict": "pass"},
        {"colour": "red"},
    ],
)
def test_a_result_that_makes_no_sense_is_refused(build: Builder, fields: dict[str, Any]) -> None:
    """Unknown levels, negative or undefined times, verdicts of another type and unknown fields are refused."""
    with pytest.raises(ValidationError):
        build.case(**fields)


@pytest.mark.parametrize("instant", ["2026-11-22", "2026-11-22T10:00:00", "2026-11-22T10:00:00+01:00", "now"])
def test_a_time_that_is_not_utc_is_refused(build: Builder, instant: str) -> None:
    """Times are ISO 8601 in UTC."""
    with pytest.raises(ValidationError):
        build.header(started_at=instant)


@pytest.mark.parametrize("counts", [{}, {"pass": 1}, {**dict.fromkeys(Verdict, 0), "skipped": 1}])
def test_a_footer_that_does_not_count_every_verdict_is_refused(
    build: Builder, counts: dict[str, int]
) -> None:
    """All seven keys, and no other."""
    with pytest.raises(ValidationError):
        build.footer([], counts=counts)
