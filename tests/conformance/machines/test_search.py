"""Machines against a server: nothing is found where nothing is, and what is found can be carried out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conformance.case import Case, Phase
from conformance.endpoint import Endpoint, Profile, Timeouts
from conformance.engine import run_once
from conformance.fixtures.lab import Bench, Lab
from conformance.machines.offered import machine_cases
from conformance.machines.search import Effort, seed_of
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.opening import provisioning
from reports.record import Verdict
from specs.model import Api

SMALL = Effort(examples=5, moves=12, drawing_s=120.0, shortening=60, shortening_s=60.0)
CASES = {case.id: case for case in machine_cases(SMALL)}


@pytest.fixture(scope="module")
def bench_of(reference_server: Any, api: Api) -> Iterator[Callable[[int], Bench]]:
    """Make benches at an honest server."""
    endpoint = Endpoint(
        url=reference_server.url,
        profile=Profile(timeouts=Timeouts(reply_s=10.0, case_s=120.0)),
        provisioner=ControlSettings.model_validate({"token": reference_server.token}),
    )
    with provisioning(endpoint, api) as provisioner:
        yield lambda seed: Bench(api, endpoint, provisioner, seed, "machines")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_honest_server_is_not_accused(bench_of: Callable[[int], Bench], case: Case) -> None:
    """No breach, no advice, carried through."""
    attempt = run_once(bench_of(1), case, 1)
    assert (attempt.breaches, attempt.ended, attempt.reason) == ((), None, None)


def test_every_machine_says_what_it_can_report(api: Api) -> None:
    """Requirements of the documents, a phase of its own, each family once at least."""
    for case in CASES.values():
        assert case.phase is Phase.MACHINE
        assert set(case.requirements) <= api.requirements.keys()
    assert {case.topic for case in CASES.values()} == {
        "task",
        "negotiation",
        "payment",
        "messages",
        "discovery",
    }


def test_a_program_is_carried_out_as_it_stands(bench_of: Callable[[int], Bench]) -> None:
    """The moves that are given, with fresh nonces; what makes no sense is passed over."""
    moves = [
        {"do": "propose", "who": 0, "at": 0, "amount": "small", "nonce": "next", "back": 0, "on": 0},
        {"do": "acknowledge", "who": "payee", "at": 1, "which": "pending", "back": 0, "on": 0},
        {"do": "acknowledge", "who": "payee", "at": 1, "which": "pending", "back": 0, "on": 0},
        {"do": "reconnect", "who": 0, "at": 0, "on": 0},
    ]
    program = {"moves": moves, "is_shortest": False}
    attempt = run_once(bench_of(1), CASES["payment/machine"], 2, program)
    assert (attempt.breaches, attempt.ended) == ((), None)
    sent = [entry.text for entry in attempt.transcript if entry.direction == "sent"]
    assert sum("propose_transfer" in text for text in sent) == 1
    assert sum("acknowledge_transfer" in text for text in sent) == 1
    assert sum(entry.direction == "opened" for entry in attempt.transcript) == 4


@pytest.mark.parametrize("program", [[], "x", {"moves": [{"who": 1}]}, {"moves": [{"do": "fly"}]}])
def test_a_program_that_is_none_is_told(bench_of: Callable[[int], Bench], program: Any) -> None:
    """It accuses nobody, and is no fault of ours."""
    attempt = run_once(bench_of(1), CASES["task/machine"], 1, program)
    assert attempt.ended is Verdict.INCONCLUSIVE
    assert "program" in (attempt.reason or "")


def test_the_seed_is_of_the_run_and_the_case(bench_of: Callable[[int], Bench]) -> None:
    """The same for the same, another for another."""
    seeds = {
        seed_of(Lab(bench_of(seed), case, 1))
        for seed in (1, 2)
        for case in ("task/machine", "payment/machine")
    }
    assert len(seeds) == 4
    assert seed_of(Lab(bench_of(1), "task/machine", 1)) == seed_of(Lab(bench_of(1), "task/machine", 2))
