"""What a run says of each of its parts."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.case import Case, Phase
from conformance.faults import CannotTest
from conformance.phases import PhaseLog
from reports.record import CaseResult, Verdict


def planned(phase: Phase, count: int) -> list[Case]:
    return [Case(f"x/{phase}/{n}", "x", ("r",), "Something.", lambda _lab: None, phase) for n in range(count)]


def result(case: Case, verdict: Verdict = Verdict.PASS, reason: str | None = None) -> CaseResult:
    return CaseResult(
        case=case.id,
        topic="x",
        requirements=["r"],
        title="t",
        level="MUST",
        basis="stated",
        verdict=verdict,
        reason=reason,
        duration_ms=500.0,
        findings=[],
        attempts=1,
        phase=case.phase.value,
    )


def told(available: dict[Phase, int], cases: list[Case], results: list[CaseResult], left: Any = ()) -> Any:
    rows = PhaseLog().results(available, cases, results, dict(left))
    assert [row.phase for row in rows] == list(Phase)
    return {row.phase: (row.ran, row.cases, row.reason) for row in rows}


def test_a_phase_that_was_run_as_a_whole_has_no_reason() -> None:
    """Counts, and the time that its cases took."""
    cases = planned(Phase.RACE, 3)
    rows = PhaseLog().results({Phase.RACE: 3}, cases, [result(case) for case in cases], {Phase.RACE: 3})
    (row,) = [row for row in rows if row.phase == Phase.RACE]
    assert (row.ran, row.cases, row.duration_s, row.reason) == (3, 3, 1.5, None)


def test_a_phase_that_was_not_run_says_why() -> None:
    """There are no such cases, or they were filtered out, whatever the shard, or none is in the shard."""
    rows = told({Phase.WIRE: 5}, [], [])
    assert rows["wire"] == (0, 0, "filtered out")
    assert rows["machines"] == (0, 0, "no cases")
    sharded = told({Phase.WIRE: 5, Phase.RACE: 5}, [], [], {Phase.RACE: 1})
    assert (sharded["wire"][2], sharded["races"][2]) == ("filtered out", "none in this shard")


def test_what_was_left_out_of_a_phase_is_said_with_its_reasons() -> None:
    """The most frequent reasons first; what has no result was not reached."""
    cases = planned(Phase.GENERATED, 7)
    missing = [result(case, Verdict.NOT_RUN, "out of budget") for case in cases[1:4]]
    other = [result(cases[4], Verdict.NOT_RUN, "no such agent")]
    rows = told({Phase.GENERATED: 7}, cases, [result(cases[0]), *missing, *other])
    assert rows["generated"] == (1, 7, "out of budget; not reached; ...")


def test_a_phase_without_cases_says_how_it_failed() -> None:
    """And those behind it were not begun."""
    log = PhaseLog()
    with log.of(Phase.REACH):
        pass
    with pytest.raises(CannotTest), log.of(Phase.PROVISION):
        raise CannotTest("no token")
    rows = log.results({}, [], [], {})
    assert [row.reason for row in rows[:3]] == [None, "failed: no token", "not begun"]
