from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reports.record import PhaseResult, Verdict
from reports.summary_json import summary

if TYPE_CHECKING:
    from conftest import Builder


def test_the_summary_has_the_counts_and_the_verdict_of_every_finding(build: Builder) -> None:
    """Findings hold fail, inconclusive, flaky and error in the order of the run; advisories stand apart."""
    run = build.run_with_every_verdict()
    result = summary(run)
    assert (result["url"], result["seed"], result["exit_code"]) == ("ws://127.0.0.1:4000", 42, 1)
    assert result["counts"] == dict.fromkeys(map(str, Verdict), 1)
    assert result["cases"] == 7
    assert [finding["verdict"] for finding in result["findings"]] == [
        "fail",
        "inconclusive",
        "flaky",
        "error",
    ]
    assert [finding["verdict"] for finding in result["advisories"]] == ["advisory"]
    assert result["not_run"] == [{"reason": "because", "cases": 1}]


def test_a_finding_says_what_was_expected_and_observed(build: Builder) -> None:
    """Each finding is plain JSON with the nine promised members."""
    (finding,) = summary(build.run(build.case(verdict=Verdict.FAIL)))["findings"]
    assert json.loads(json.dumps(finding)) == {
        "requirement": "task/progress-relayed",
        "case": "task/one",
        "verdict": "fail",
        "expected": "the relay",
        "observed": "nothing before the barrier",
        "level": "MUST",
        "basis": "stated",
        "statement": "Progress is relayed to the other participant.",
        "fingerprint": "d9b93fc980f3cca5",
    }


def test_one_cause_is_listed_once_with_its_cases(build: Builder) -> None:
    """Forty cases that one fault breaks are one row, the most frequent first."""
    cases = [build.case(f"task/{n}", Verdict.FAIL) for n in range(40)]
    other = build.case("task/x", Verdict.FAIL, findings=[build.finding("task/x", observed="twice")])
    rows = summary(build.run(other, *cases))["causes"]
    assert [(len(row["cases"]), row["observed"]) for row in rows] == [
        (40, "nothing before the barrier"),
        (1, "twice"),
    ]


def test_what_was_not_looked_at_is_in_the_summary(build: Builder) -> None:
    """Parts of the run, why it is partial, and the note are there for programs, too."""
    phase = PhaseResult(phase="races", cases=0, ran=0, duration_s=0.0, reason="filtered out")
    made = summary(build.run(build.case(), phases=[phase], partial=["shard 1/4"], note="hm"))
    assert made["phases"] == [{"phase": "races", "cases": 0, "ran": 0, "reason": "filtered out"}]
    assert (made["partial"], made["note"]) == (["shard 1/4"], "hm")
