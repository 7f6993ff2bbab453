"""A rate holds over all processes of a run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import pytest

from conformance.client.deadline import Deadline
from conformance.client.pace import Pace
from conformance.client.restraint import Restraint
from conformance.faults import OutOfTime
from conformance.fixtures.restrained import restrained

FORKING = multiprocessing.get_context("fork")


@pytest.fixture
def pace_of() -> Iterator[Callable[[float], Pace]]:
    """Make paces that are closed after the test."""
    with ExitStack() as stack:
        yield lambda rate: stack.enter_context(Pace(rate))


def test_turns_are_as_far_apart_as_the_rate_says(pace_of: Any) -> None:
    """The first one is now, and each later one a spacing behind the one before, whenever it is asked for."""
    pace, before_s = pace_of(2), time.monotonic()
    turns = [time.monotonic() + pace.turn_s() for _ in range(5)]
    assert turns[0] - before_s < 0.5
    for earlier, later in pairwise(turns):
        assert later - earlier == pytest.approx(0.5, abs=0.1)


def test_forked_processes_share_the_turns(pace_of: Any) -> None:
    """Four processes that ask at once get twelve different times."""
    pace, began_s = pace_of(10), time.monotonic()
    receiving, sending = FORKING.Pipe(duplex=False)

    def ask() -> None:
        sending.send([time.monotonic() + pace.turn_s() for _ in range(3)])

    processes = [FORKING.Process(target=ask) for _ in range(4)]
    for process in processes:
        process.start()
    turns = sorted(at_s for _ in processes for at_s in receiving.recv())
    for process in processes:
        process.join()
    assert turns[-1] - began_s > 1.0
    assert all(later - earlier > 0.05 for earlier, later in pairwise(turns))


def test_a_process_that_dies_in_its_turn_stops_nobody(pace_of: Any) -> None:
    """The lock goes with it."""
    pace = pace_of(1000)

    def die() -> None:
        with pace._locked():
            os.kill(os.getpid(), signal.SIGKILL)

    process = FORKING.Process(target=die)
    process.start()
    process.join()
    assert pace.turn_s() >= 0


def test_what_is_waited_for_a_turn_is_given_back(pace_of: Any) -> None:
    """The deadline of a case is as far away as it was, so that a slow run judges like a fast one."""
    restraint = Restraint(pace=pace_of(20), deadline=Deadline(60))
    assert restraint.deadline is not None
    before_s = restraint.deadline.cap(1000)
    for _ in range(4):
        restraint.wait()
    assert restraint.deadline.cap(1000) - before_s == pytest.approx(0.15, abs=0.05)


def test_a_turn_that_comes_after_the_end_of_the_run_is_not_waited_for(pace_of: Any) -> None:
    """The case is given up when the time of the run is up."""
    restraint = Restraint(pace=pace_of(0.01), deadline=Deadline(60, time.monotonic() + 5))
    restraint.wait()
    began_s = time.monotonic()
    with pytest.raises(OutOfTime):
        restraint.wait()
    assert time.monotonic() - began_s < 50


def test_connections_frames_and_requests_to_the_operator_take_turns(
    scripted: Any, bench_at: Any, lab_at: Any
) -> None:
    """One each; what comes back takes none."""
    endpoint, taken = scripted(), []

    class Counting(Pace):
        def turn_s(self) -> float:
            taken.append(1)
            return 0.0

    lab = lab_at(endpoint)
    with Counting(1) as counting:
        lab.bench.restraint.pace = counting
    agent = restrained(lab.bench.provisioner, lab.bench.restraint).create_agent(
        lab.agent("alice").participant, {}
    )
    peer = lab.connect(agent)
    peer.join("task:t1")
    peer.sync()
    assert len(taken) == 4


@pytest.mark.parametrize("rate", ["0", "-1", "fast"])
def test_a_rate_that_cannot_be_is_wrong_usage(wireproof: Any, rate: str) -> None:
    """One line names the option."""
    done = wireproof("check", "--rate", rate)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "--rate" in done.stderr
