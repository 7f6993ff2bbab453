"""The races against servers: what only a race shows is found, and what a server does in turn as well is not accused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from conformance.case import Case, Phase
from conformance.catalogue import all_cases
from conformance.endpoint import Endpoint
from conformance.engine import run_cases
from conformance.fixtures.lab import Bench
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.opening import provisioning
from conformance.verdicts import Judge
from reports.record import CaseResult, Verdict
from specs.loader import load
from tests.deviations.catches import CATCHES, fast_cases

ROOT = Path(__file__).parents[2]
API = load()
RACES = [case for case in all_cases(API) if case.phase is Phase.RACE]


def run_at(server: Any, cases: list[Case]) -> list[CaseResult]:
    """Run cases against a server, judged as with `--strict`."""
    endpoint = Endpoint(url=server.url, provisioner=ControlSettings.model_validate({"token": server.token}))
    with provisioning(endpoint, API) as provisioner:
        bench = Bench(API, endpoint, provisioner, 5, "races")
        return list(run_cases(bench, Judge(API, endpoint.profile, is_strict=True), cases))


def named(*ids: str) -> list[Case]:
    return [case for case in RACES if case.id in ids]


def test_an_honest_server_wins_every_race(reference_server: Any) -> None:
    """Whatever order its answers come in, some order of the pushes explains them."""
    assert {result.verdict for result in run_at(reference_server, RACES)} == {Verdict.PASS}


OTHER_READINGS = {
    "payment/race/same-acknowledgement": "answers-ok-to-second-acknowledgement",
    "payment/race/acknowledge-against-reject": "takes-rejection-of-nothing",
    "payment/race/overdraft": "counts-no-pending-proposals",
    "payment/race/close-against-propose": "closes-while-pending",
    "task/race/two-chunks-of-one-seq": "shrugs-at-seq-conflict",
    "task/race/two-checkpoints": "goes-back-to-earlier-checkpoint",
    "messages/race/acknowledge-twice": "settles-twice",
}
FAILING_ALONE = {
    "payment/race/acknowledgements": "moves-money-backwards",
    "payment/race/same-nonce": "payment/propose_transfer/drops-relay",
}


def test_what_a_server_does_in_turn_is_its_own_reading(start_server: Any) -> None:
    """Where another reading than ours explains the outcome and the server shows it in turn, the race is not lost."""
    server = start_server(*(option for name in OTHER_READINGS.values() for option in ("--deviate", name)))
    results = {result.case: result for result in run_at(server, named(*OTHER_READINGS))}
    assert {case: (result.verdict, result.findings) for case, result in results.items()} == {
        case: (Verdict.PASS, []) for case in OTHER_READINGS
    }


def test_who_fails_without_a_race_is_not_accused_of_one(start_server: Any) -> None:
    """A push that is not taken as documented when it is alone leaves nothing to be told of a race."""
    server = start_server(*(option for name in FAILING_ALONE.values() for option in ("--deviate", name)))
    for result in run_at(server, named(*FAILING_ALONE)):
        assert (result.verdict, result.findings) == (Verdict.INCONCLUSIVE, []), result.case


def test_a_lost_race_is_confirmed_by_the_same_draw(start_server: Any) -> None:
    """What was drawn in the round that showed something is tried again on fresh fixtures, and the finding says what came."""
    server = start_server("--deviate", "executes-overlapping-acknowledgements")
    (result,) = run_at(server, named("payment/race/same-acknowledgement"))
    assert (result.verdict, result.attempts) == (Verdict.FAIL, 2)
    (finding,) = result.findings
    assert finding.requirement == "payment/concurrent-acknowledge-executes-once"
    assert finding.observed.startswith("sent at once: ")
    assert any(
        "acknowledge_transfer" in entry.text for entry in finding.transcript if entry.direction == "sent"
    )


def test_double_execution_and_lost_update_are_found() -> None:
    """Each in both of two runs; `python -m tests.deviations.races` makes twenty of every deviation that only a race shows."""
    names = ("executes-overlapping-acknowledgements", "loses-overlapping-transfers")
    done = subprocess.run(
        [sys.executable, "-m", "tests.deviations.races", *names, "-n", "2"],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_case_of_the_wire_and_every_race_names_what_it_catches() -> None:
    """`python -m tests.deviations.catches` runs each against its fault."""
    assert fast_cases().keys() == CATCHES.keys()


def test_a_sample_of_them_catches_its_fault() -> None:
    """One of each kind, alone against the fault that is named for it."""
    sample = (
        "payment/race/close-against-dispute",
        "wire/control-frames",
        "wire/json/arrays",
        "wire/close/behind",
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.deviations.catches", *sample],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
