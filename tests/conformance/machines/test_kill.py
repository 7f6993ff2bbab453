"""Machines find, each by itself, what goes wrong only after a while: a few deviations here, all with `make deviations`."""

from __future__ import annotations

import pytest
from tests.deviations.forking import trials
from tests.deviations.trial import Fate, Reach, Suite

from conformance.machines.offered import machine_cases
from conformance.machines.search import Effort
from reference_server.deviations.catalogue import catalogue
from specs.loader import load

API = load()
# Counted, not timed: how loaded the machine is must make no difference.
CASES = machine_cases(Effort(examples=60, drawing_s=300.0, shortening_s=300.0))
SAMPLE = {
    "executes-every-acknowledgement": "payment",
    "accepts-replayed-nonce": "payment",
    "loses-update-of-balances": "payment",
    "overwrites-chunk": "task",
    "keeps-chunks-per-connection": "task",
    "averages-all-offers": "negotiation",
    "redelivers-rejected-messages": "messages",
    "leaks-presence-of-closed-connections": "discovery",
}


@pytest.mark.parametrize(("name", "family"), SAMPLE.items())
def test_the_machine_of_a_family_kills_a_deviation_of_it(name: str, family: str) -> None:
    """It reports the requirement that is broken, and again when the shortened program is carried out on fresh fixtures."""
    cases = tuple(case for case in CASES if case.topic == family)
    suite = Suite(API, cases, reply_s=2.0, reach=Reach.COVERING)
    (trial,) = trials(suite, [catalogue(API)[name]], jobs=1, time_limit_s=600.0)
    assert (trial.fate, trial.case) == (Fate.KILLED, f"{family}/machine"), trial
