"""Carries out trials side by side: for each a server of the fleet, and a process of its own that judges it.

A judge is forked, so that a trial costs little more than its cases. It reports each outcome at once: what it has seen counts,
whatever becomes of it later. A judge of which nothing is heard for too long is ended with its group, and its server with it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, TypeAlias

from conformance.crew import CAN_FORK, signals_blocked
from conformance.faults import CannotTest
from conformance.selfcheck.judging import Means, put_on_trial
from conformance.selfcheck.servers import Servers
from conformance.selfcheck.trial import Ended, Outcome, Trial

TICK_S = 0.5
"""How often somebody who watches is told that time goes by."""
Told: TypeAlias = Outcome | str | None


@dataclass(slots=True)
class _Running:
    trial: Trial
    number: int
    started_s: float
    heard_s: float
    outcomes: list[Outcome] = field(default_factory=list)
    judge: Any = None
    told: Connection | None = None
    trouble: str | None = None


class Trials:
    """Trials on servers of one fleet.

    Args:
        servers: The fleet.
        means: What all trials have in common.
        jobs: How many run at a time.
        silence_s: How long a judge may say nothing.

    """

    def __init__(self, servers: Servers, means: Means, *, jobs: int, silence_s: float) -> None:
        self._forking = multiprocessing.get_context("fork")
        self._servers = servers
        self._means = means
        self._jobs = jobs
        self._silence_s = silence_s
        self._running: dict[int, _Running] = {}

    def run(self, trials: Iterable[Trial], tick: Callable[[], None] = lambda: None) -> Iterator[Ended]:
        """Carry out trials and yield how each ended, as they end.

        Raises:
            CannotTest: If no server can be had any more.

        """
        waiting = deque(trials)
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self._jobs:
                    self._begin(waiting.popleft())
                yield from self._listen()
                self._end_the_silent()
                tick()
        finally:
            for one in self._running.values():
                _end_judge(one)

    def _begin(self, trial: Trial) -> None:
        number = self._servers.start([trial.deviation.name] if trial.deviation else [])
        now_s = time.monotonic()
        self._running[number] = _Running(trial, number, now_s, now_s)

    def _listen(self) -> Iterator[Ended]:
        by_pipe = {one.told: one for one in self._running.values() if one.told is not None}
        ready = wait([*by_pipe, self._servers.fileno()], TICK_S)
        for pipe, heard in by_pipe.items():
            if pipe in ready:
                self._hear(heard)
        if self._servers.fileno() in ready:
            for answer in self._servers.answers():
                one = self._running.get(answer["id"])
                if one is None:
                    raise CannotTest(f"the process that serves the deviations says {answer}")
                if "url" in answer:
                    self._judge(one, answer["url"])
                else:
                    yield self._ended(one, answer)

    def _judge(self, one: _Running, url: str) -> None:
        receiving, sending = self._forking.Pipe(duplex=False)
        one.judge = self._forking.Process(
            target=_judge, args=(one.trial, url, self._means, self._servers, sending)
        )
        # Ctrl-C is for this process alone, which ends the judge in its turn.
        with signals_blocked():
            one.judge.start()
        sending.close()
        one.told, one.heard_s = receiving, time.monotonic()

    def _hear(self, one: _Running) -> None:
        assert one.told is not None  # noqa: S101 - it is what could be read
        try:
            told: Told = one.told.recv()
        except EOFError:
            told = "the judge itself has failed"
        if isinstance(told, Outcome):
            one.outcomes.append(told)
            one.heard_s = time.monotonic()
            return
        self._close(one, told)

    def _end_the_silent(self) -> None:
        now_s = time.monotonic()
        for one in self._running.values():
            if one.told is not None and now_s - one.heard_s >= self._silence_s:
                self._close(one, f"nothing was heard for {self._silence_s:g} s: server or suite hangs")

    def _close(self, one: _Running, trouble: str | None) -> None:
        one.trouble = trouble
        _end_judge(one)
        self._servers.stop(one.number)

    def _ended(self, one: _Running, answer: dict[str, Any]) -> Ended:
        del self._running[one.number]
        trouble, has_died = one.trouble, True
        if "error" in answer:
            trouble = f"the server did not start: {answer['error']}"
        elif answer["died"]:
            trouble = f"the server died: {answer['died']}"
        else:
            has_died = False
        duration_s = round(time.monotonic() - one.started_s, 3)
        return Ended(one.trial, tuple(one.outcomes), duration_s, trouble, has_died)


def demand_forks() -> None:
    """Make sure that trials can be carried out here at all.

    Raises:
        CannotTest: If processes cannot be forked.

    """
    if not CAN_FORK:
        raise CannotTest("a self-check needs a system that can fork processes")


def _end_judge(one: _Running) -> None:
    """End a judge, and whatever it has started, which is in a group that is named after it."""
    if one.told is None:
        return
    try:
        os.killpg(one.judge.pid, signal.SIGKILL)
    except ProcessLookupError:
        one.judge.kill()
    one.judge.join()
    one.judge.close()
    one.told.close()
    one.told = None


def _judge(trial: Trial, url: str, means: Means, servers: Servers, told: Connection) -> None:
    os.setpgid(0, 0)
    servers.disown()
    told.send(put_on_trial(trial, url, means, told.send))
