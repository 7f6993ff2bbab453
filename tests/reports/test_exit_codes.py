from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.exit_codes import ExitCode, decide
from reports.record import Verdict

COUNTS = st.fixed_dictionaries({verdict.value: st.integers(0, 2) for verdict in Verdict})


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({"pass": 9}, ExitCode.CONFORMANT),
        ({"pass": 9, "advisory": 1, "not_run": 4}, ExitCode.CONFORMANT),
        ({"advisory": 1}, ExitCode.CONFORMANT),
        ({"pass": 9, "fail": 1, "error": 1, "inconclusive": 1}, ExitCode.FINDINGS),
        ({"pass": 9, "flaky": 1, "error": 1}, ExitCode.FINDINGS),
        ({"pass": 9, "error": 1, "inconclusive": 1}, ExitCode.COULD_NOT_TEST),
        ({"not_run": 9}, ExitCode.COULD_NOT_TEST),
        ({}, ExitCode.COULD_NOT_TEST),
        ({"pass": 9, "inconclusive": 1}, ExitCode.INCONCLUSIVE),
        ({"inconclusive": 1, "not_run": 1}, ExitCode.INCONCLUSIVE),
    ],
)
def test_the_exit_code_follows_the_most_serious_verdict(counts: dict[str, int], code: ExitCode) -> None:
    """Failures, then unconfirmed ones, then our own faults and empty runs, then what could not be told."""
    assert decide(counts) is code


@given(COUNTS)
def test_only_passes_advisories_and_cases_not_run_make_a_run_conformant(counts: dict[str, int]) -> None:
    """Exit 0 means that something ran and no case was failed, flaky, in error or inconclusive."""
    clean = not any(counts[verdict] for verdict in ("fail", "flaky", "error", "inconclusive"))
    ran = counts["pass"] + counts["advisory"] > 0
    assert (decide(counts) is ExitCode.CONFORMANT) == (clean and ran)


def test_the_numbers_are_those_of_the_manual() -> None:
    """The numbers are part of the interface."""
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4]
