"""Runs the cases of a plan: in this process, or several at a time in processes of their own.

Outcomes come as cases end. With several workers each has a bench and a connection to the provisioner of its own; this process
hands out one case at a time, and with it what the others have learnt not to wait for. A worker is forked, so that it starts at once, knows all that this process knows, and
nothing of a case has to be put into words; therefore nothing in this process may run in another thread meanwhile.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Protocol

from conformance.budget import is_over
from conformance.case import Case
from conformance.client.doubts import News
from conformance.engine import MOST_RUNS, Outcome, out_of_budget, run_case
from conformance.faults import CannotTest
from conformance.fixtures.lab import Bench
from conformance.provisioning.pools import Share
from conformance.verdicts import Attempt, Judge
from reports.record import Verdict

CAN_FORK: Final = hasattr(os, "fork")
TICK_S: Final = 0.25
END_S: Final = 2.0
#: What a case may take beyond its own deadlines: closing its connections, drawing and shortening, and a busy machine.
GRACE_S: Final = 120.0
_MOST_DEATHS: Final = 10
_SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM})


@dataclass(frozen=True, slots=True)
class Task:
    """What a crew is to do."""

    cases: Sequence[Case]
    judge: Judge
    open_bench: Callable[[Share], AbstractContextManager[Bench]]
    """Makes the bench of one of several workers."""
    until_s: float | None = None
    """Monotonic time at which no case may be going on any more."""
    longest_s: float | None = None
    """What one attempt at a case may take; None for however long."""


class Crew(Protocol):
    """Whoever runs cases."""

    def outcomes(self) -> Generator[tuple[int, Outcome] | None]:
        """Yield the number of a case and its outcome as it comes, and None when time goes by.

        A case for which the time of the run is up has an outcome, too; one that is not started because of `stop` has none.

        Raises:
            CannotTest: If the endpoint cannot be tested any more.

        """

    def stop(self) -> None:
        """Start no more cases."""


class Alone:
    """This process runs one case after the other."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._is_stopped = False

    def stop(self) -> None:
        """Start no more cases."""
        self._is_stopped = True

    def outcomes(self) -> Generator[tuple[int, Outcome] | None]:
        """Yield the number of a case and its outcome, in the order of the cases."""
        task = self._task
        with task.open_bench(Share()) as bench:
            for number, case in enumerate(task.cases):
                if self._is_stopped:
                    return
                if is_over(task.until_s):
                    yield number, out_of_budget()
                else:
                    yield number, run_case(bench, task.judge, case, task.until_s)


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    place: int
    """Which of the crew it is; whoever comes for a worker that has gone takes its place."""
    number: int | None = None
    """Of the case that it runs."""
    started_s: float = 0.0
    is_ready: bool = False
    heard: int = 0
    """How much of what the others have come to doubt it was told."""


class Workers:
    """Several processes run a case each.

    Args:
        task: What is to be done.
        count: How many workers there are.

    """

    def __init__(self, task: Task, count: int) -> None:
        self._task = task
        self._count = min(count, len(task.cases))
        self._forking = multiprocessing.get_context("fork")
        self._workers: list[_Worker] = []
        self._news: list[tuple[_Worker, News]] = []
        self._next = 0
        self._deaths = 0
        self._is_stopped = False

    def stop(self) -> None:
        """Start no more cases."""
        self._is_stopped = True

    def outcomes(self) -> Generator[tuple[int, Outcome] | None]:
        """Yield outcomes as they come; whatever happens, the workers are ended."""
        try:
            for _ in range(self._count):
                self._hire()
            while any(worker.number is not None or not worker.is_ready for worker in self._workers):
                for pipe in wait([worker.pipe for worker in self._workers], TICK_S):
                    yield from self._hear(next(one for one in self._workers if one.pipe is pipe))
                yield from self._end_overdue()
                yield None
            self._dismiss()
            if not self._is_stopped:
                yield from ((number, out_of_budget()) for number in range(self._next, len(self._task.cases)))
        finally:
            self._end_all()

    def _hire(self) -> None:
        ours, theirs = self._forking.Pipe()
        others = [worker.pipe for worker in self._workers]
        taken = {worker.place for worker in self._workers}
        place = next(index for index in range(self._count) if index not in taken)
        arguments = (self._task, Share(place, self._count), theirs, [ours, *others])
        process = self._forking.Process(target=_work, args=arguments, daemon=True)
        with signals_blocked():
            process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours, place))

    def _hear(self, worker: _Worker) -> Iterator[tuple[int, Outcome]]:
        """Take what a worker says, be it only by its end, and give it the next case."""
        try:
            said = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._bury(worker)
            return
        if isinstance(said, CannotTest):
            self._let_go(worker, said)
            return
        if said is not None and worker.number is not None:
            outcome, news = said
            self._news += ((worker, one) for one in news)
            yield worker.number, outcome
        worker.is_ready, worker.number = True, None
        self._give(worker)

    def _let_go(self, worker: _Worker, why: CannotTest) -> None:
        """Do without a worker that cannot begin, as an endpoint may take only so many, but not without all."""
        worker.process.join(END_S)
        self._remove(worker)
        if worker.is_ready or not self._workers:
            raise why

    def _give(self, worker: _Worker) -> None:
        is_over_now = self._is_stopped or is_over(self._task.until_s)
        if is_over_now or self._next >= len(self._task.cases):
            return
        worker.number, worker.started_s = self._next, time.monotonic()
        self._next += 1
        news = [one for by, one in self._news[worker.heard :] if by is not worker]
        worker.heard = len(self._news)
        try:
            worker.pipe.send((worker.number, news))
        except OSError:
            # It has gone; its end of the pipe says so next.
            return

    def _bury(self, worker: _Worker, why: str | None = None) -> Iterator[tuple[int, Outcome]]:
        """Say of the case of a worker that has gone that it is our own fault, and hire another."""
        worker.process.join(END_S)
        reason = why or f"the worker that ran it {_end_of(worker.process.exitcode)}"
        self._remove(worker)
        self._deaths += 1
        if worker.number is not None:
            took_ms = round((time.monotonic() - worker.started_s) * 1000, 3)
            yield worker.number, Outcome((Attempt((), (), Verdict.ERROR, reason),), took_ms)
        if self._deaths > _MOST_DEATHS + self._count:
            raise CannotTest(f"{self._deaths} workers have died; the last one: {reason}")
        if self._next < len(self._task.cases) and not self._is_stopped:
            self._hire()

    def _end_overdue(self) -> Iterator[tuple[int, Outcome]]:
        longest_s = self._task.longest_s
        if longest_s is None:
            return
        limit_s = MOST_RUNS * longest_s + GRACE_S
        for worker in tuple(self._workers):
            if worker.number is not None and time.monotonic() - worker.started_s > limit_s:
                worker.process.kill()
                yield from self._bury(worker, f"it did not come to an end within {limit_s:g} s")

    def _dismiss(self) -> None:
        """Let the workers close what they have open, and wait for them."""
        for worker in self._workers:
            with suppress(OSError):
                worker.pipe.send(None)
        until_s = time.monotonic() + END_S
        for worker in self._workers:
            worker.process.join(max(0.0, until_s - time.monotonic()))

    def _end_all(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        for worker in tuple(self._workers):
            worker.process.join(END_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            self._remove(worker)

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.pipe.close()


def crew_of(task: Task, count: int) -> Crew:
    """Return who runs the cases: as many workers as are asked for, where there is a way to have them."""
    return Workers(task, count) if count > 1 and len(task.cases) > 1 and CAN_FORK else Alone(task)


def usual_count() -> int:
    """Return how many workers there are where nobody says: two for each core that this process may use.

    A worker waits for the endpoint more than it works.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 2 * cores


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM: what is half done, and who is just born, could not deal with them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(task: Task, share: Share, pipe: Connection, others: Sequence[Connection]) -> None:
    """Run the cases that are asked for until nobody asks any more; the body of a worker."""
    # Ctrl-C goes to the whole group; who has started this worker ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    for other in others:
        other.close()
    try:
        with task.open_bench(share) as bench:
            pipe.send(None)
            while (asked := pipe.recv()) is not None:
                number, news = asked
                bench.doubts.learn(news)
                outcome = run_case(bench, task.judge, task.cases[number], task.until_s)
                pipe.send((_slim(outcome), tuple(bench.doubts.news)))
                bench.doubts.news.clear()
    except CannotTest as exc:
        pipe.send(exc)
    except (EOFError, OSError):
        # Whoever asked has gone.
        return


def _slim(outcome: Outcome) -> Outcome:
    """Leave out what was sent and received in a case that nothing is reported of."""
    if any(attempt.breaches for attempt in outcome.attempts):
        return outcome
    return replace(outcome, attempts=tuple(_without_evidence(one) for one in outcome.attempts))


def _without_evidence(attempt: Attempt) -> Attempt:
    return replace(attempt, transcript=(), steps=(), places={})


def _end_of(exit_code: int | None) -> str:
    if exit_code is None:
        return "does not answer"
    if exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"has ended with exit code {exit_code}"
