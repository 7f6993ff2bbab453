from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reports.record import Verdict
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
    """Each finding is plain JSON with the eight promised members."""
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
    }
