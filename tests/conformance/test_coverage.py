"""The catalogue's `checks` and the cases say the same."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from conformance.catalogue import all_cases
from conformance.coverage import covering
from specs.loader import load

API = load()
CASES = all_cases(API)
BY_ID = {case.id: case for case in CASES}


@pytest.mark.parametrize(
    "requirement", [row for row in API.requirements.values() if not row.excluded], ids=lambda row: row.id
)
def test_the_checks_of_a_requirement_are_the_cases_that_cover_it(requirement: object) -> None:
    """A row's globs match exactly the cases that name it; `python -m conformance.coverage` brings them up to date."""
    matched = {name for name in BY_ID if any(fnmatchcase(name, glob) for glob in requirement.checks)}  # type: ignore[attr-defined]
    naming = {case.id for case in CASES if requirement.id in case.requirements}  # type: ignore[attr-defined]
    assert naming
    assert matched == naming


def test_an_excluded_requirement_has_no_case() -> None:
    """What has a case is not called untestable."""
    excluded = {row.id for row in API.requirements.values() if row.excluded}
    assert not {name for case in CASES for name in case.requirements if name in excluded}


def test_a_case_about_a_requirement_of_its_own_name_lists_it() -> None:
    """A case whose id is that of a requirement covers that requirement."""
    named = [case for case in CASES if case.id in API.requirements]
    assert len(named) > 50
    assert not [case.id for case in named if case.id not in case.requirements]


def test_globs_take_in_no_case_of_another_requirement() -> None:
    """A glob is widened only as far as all that it matches covers the requirement."""
    for glob in covering("payment/nonce-executed-once", CASES):
        for case in CASES:
            if fnmatchcase(case.id, glob):
                assert "payment/nonce-executed-once" in case.requirements
