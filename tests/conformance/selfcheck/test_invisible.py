"""Tests of the exceptions: what is listed holds, and a list that does not is told."""

from __future__ import annotations

from conformance.selfcheck.invisible import MOST_SHARE, faults_of, listed
from reference_server.deviations.catalogue import catalogue
from specs.loader import load


def test_the_listed_exceptions_are_deviations_and_few() -> None:
    """Each is in the catalogue and has a proof, and there are at most two in a hundred."""
    exceptions, known = listed(), catalogue(load())
    assert faults_of(exceptions, known) == []
    assert len(exceptions) <= 0.02 * len(known)
    assert all(len(proof) > 80 for proof in exceptions.values())


def test_every_requirement_that_cannot_be_checked_has_its_deviations_listed() -> None:
    """A deviation that no case can be about is an exception, so that its proof is read."""
    api = load()
    unchecked = {
        name for name, one in catalogue(api).items() if api.requirements[one.breaks[0]].excluded is not None
    }
    assert unchecked <= listed().keys()


def test_a_list_that_does_not_hold_is_told() -> None:
    """Unknown names and too many of them are faults, each in a line."""
    known = [f"deviation-{number}" for number in range(100)]
    most = dict.fromkeys(known[: int(MOST_SHARE * 100)], "Proof.")
    assert faults_of(most, known) == []
    assert faults_of({**most, known[50]: "Proof."}, known) == [
        "3 exceptions are listed, more than 2% of 100 deviations"
    ]
    assert faults_of({"gone": "Proof."}, known) == ["gone is listed as an exception, but is no deviation"]
