"""From attempts to verdicts: levels, waivers, strictness, confirmation."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from conformance.case import Case
from conformance.endpoint import Profile, Waiver
from conformance.faults import Breach
from conformance.verdicts import Attempt, Judge, profile_as_json
from reports.record import Verdict
from specs.model import Api

BINDING, OTHER_BINDING, ADVICE = "task/stream-relayed", "task/closed-is-final", "task/events-answered"
CASE = Case("task/some", "task", (BINDING,), "Something.", lambda _lab: None)


def attempt(*requirements: str, ended: Verdict | None = None, reason: str | None = None) -> Attempt:
    breaches = tuple(Breach(requirement, "this", "that") for requirement in requirements)
    return Attempt(breaches, (), ended, reason)


def result(api: Api, *attempts: Attempt, is_strict: bool = False, waiver: Waiver | None = None) -> Any:
    profile = Profile(waived={BINDING: waiver} if waiver else {})
    return Judge(api, profile, is_strict).result(CASE, list(attempts), 1.0)


@pytest.mark.parametrize(
    ("attempts", "verdict"),
    [
        ([attempt()], Verdict.PASS),
        ([attempt(ADVICE)], Verdict.ADVISORY),
        ([attempt(BINDING), attempt(BINDING)], Verdict.FAIL),
        ([attempt(BINDING, ADVICE), attempt(BINDING)], Verdict.FAIL),
        ([attempt(BINDING), attempt()], Verdict.FLAKY),
        ([attempt(BINDING), attempt(ADVICE)], Verdict.FLAKY),
        ([attempt(BINDING), attempt(OTHER_BINDING)], Verdict.FLAKY),
        ([attempt(BINDING), attempt(ended=Verdict.INCONCLUSIVE, reason="gone")], Verdict.FLAKY),
        ([attempt(ended=Verdict.INCONCLUSIVE, reason="gone")], Verdict.INCONCLUSIVE),
        ([attempt(ADVICE, ended=Verdict.INCONCLUSIVE, reason="gone")], Verdict.INCONCLUSIVE),
        ([attempt(ended=Verdict.ERROR, reason="our fault")], Verdict.ERROR),
        ([attempt(ended=Verdict.NOT_RUN, reason="no fixture")], Verdict.NOT_RUN),
    ],
)
def test_the_verdict_follows_from_the_attempts(api: Api, attempts: list[Attempt], verdict: Verdict) -> None:
    """A failure is confirmed by the same requirement; none of the others is a pass."""
    assert result(api, *attempts).verdict is verdict


def test_a_binding_breach_fails_even_where_the_case_could_not_go_on(api: Api) -> None:
    """What has been seen is not unseen by what could not be told after it."""
    seen = attempt(BINDING, ended=Verdict.INCONCLUSIVE, reason="gone")
    assert result(api, seen, seen).verdict is Verdict.FAIL


def test_strictness_makes_advice_a_failure(api: Api) -> None:
    """With --strict an interpreted requirement fails."""
    assert result(api, attempt(ADVICE), attempt(ADVICE), is_strict=True).verdict is Verdict.FAIL


def test_a_waiver_turns_a_failure_into_advice_with_its_reason(api: Api) -> None:
    """A waived requirement is still shown, and fails nobody, also with --strict."""
    waiver = Waiver(reason="known since spring")
    for is_strict in (False, True):
        waived = result(api, attempt(BINDING), is_strict=is_strict, waiver=waiver)
        assert waived.verdict is Verdict.ADVISORY
        assert "known since spring" in waived.findings[0].observed


def test_an_expired_waiver_waives_nothing(api: Api) -> None:
    """After its last day the requirement counts again."""
    expired = Waiver(reason="was known", until=date(2020, 1, 1))
    failed = result(api, attempt(BINDING), attempt(BINDING), waiver=expired)
    assert failed.verdict is Verdict.FAIL
    assert "was known" not in failed.findings[0].observed


def test_a_finding_carries_what_the_reader_needs(api: Api) -> None:
    """Requirement, its words, its level, expected and observed; advice beside a failure stays advice."""
    failed = result(api, attempt(BINDING, ADVICE), attempt(BINDING))
    assert [finding.verdict for finding in failed.findings] == [Verdict.FAIL, Verdict.ADVISORY]
    first = failed.findings[0]
    assert (first.requirement, first.expected, first.observed) == (BINDING, "this", "that")
    assert (first.statement, first.level) == (api.requirements[BINDING].text, "MUST")


def test_a_flaky_case_shows_every_attempt_and_why(api: Api) -> None:
    """What was seen once is reported, with what came of the second try."""
    again = replace(attempt(ended=Verdict.INCONCLUSIVE, reason="it went away"), number=2)
    flaky = result(api, attempt(BINDING), again)
    assert flaky.reason == "not confirmed: it went away"
    assert flaky.attempts == 2
    assert [finding.verdict for finding in flaky.findings] == [Verdict.FLAKY] * 2
    assert flaky.findings[1].observed == "not seen again: it went away"


def test_a_case_that_did_not_run_had_no_attempt(api: Api) -> None:
    """The number of attempts at a case without fixtures is zero."""
    assert result(api, attempt(ended=Verdict.NOT_RUN, reason="no fixture")).attempts == 0


def test_a_profile_is_recorded_as_plain_json() -> None:
    """Dates of waivers go into the record as text."""
    profile = Profile(waived={BINDING: Waiver(reason="known", until=date(2030, 1, 2))})
    assert profile_as_json(profile)["waived"][BINDING]["until"] == "2030-01-02"
