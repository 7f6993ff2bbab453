"""Runs trials side by side, each in a process group of its own: one process serves, one judges.

Processes are forked from one that has loaded everything, so that a trial costs little more than its cases. A server that
hangs or a judge that waits too long is ended with its whole group.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from reference_server.assembly import Assembly
from reference_server.deviations.deviation import Deviation
from reference_server.server import Settings, run
from tests.deviations.trial import Fate, Suite, Trial

TOKEN = "operator-token-of-the-trials"
START_S = 10.0
SETTLE_S = 0.1
_FORKING = multiprocessing.get_context("fork")


@dataclass(slots=True)
class _Running:
    deviation: Deviation
    judge: Any
    result: Connection
    started_s: float


def trials(
    suite: Suite, deviations: Iterable[Deviation], *, jobs: int = 2, time_limit_s: float = 60.0
) -> Iterator[Trial]:
    """Try deviations out, several at a time, and yield what became of them as they end."""
    waiting = list(reversed(list(deviations)))
    running: dict[Any, _Running] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                started = _start(suite, waiting.pop())
                running[started.result] = started
            until_s = min(one.started_s for one in running.values()) + time_limit_s
            for result in wait(list(running), timeout=max(0.0, until_s - time.monotonic())):
                yield _ended(running.pop(result))
            for one in tuple(running.values()):
                if time.monotonic() - one.started_s >= time_limit_s:
                    yield _ended(running.pop(one.result), is_late=True)
    finally:
        for one in running.values():
            _end_group(one)


def _start(suite: Suite, deviation: Deviation) -> _Running:
    receiving, sending = _FORKING.Pipe(duplex=False)
    judge = _FORKING.Process(target=_judge, args=(suite, deviation, sending))
    judge.start()
    sending.close()
    return _Running(deviation, judge, receiving, time.monotonic())


def _ended(one: _Running, *, is_late: bool = False) -> Trial:
    deviation, requirement = one.deviation.name, one.deviation.breaks[0]
    trial = Trial(deviation, requirement, Fate.OUT_OF_TIME, observed="server or suite hangs")
    if not is_late:
        try:
            trial = one.result.recv()
        except EOFError:
            trial = Trial(deviation, requirement, Fate.NOT_TESTED, observed="the judge itself has failed")
    _end_group(one)
    return replace(trial, duration_s=round(time.monotonic() - one.started_s, 3))


def _end_group(one: _Running) -> None:
    """End a judge and its server; both are children of ours and in a group that is named after the judge."""
    try:
        os.killpg(one.judge.pid, signal.SIGKILL)
    except ProcessLookupError:
        one.judge.kill()
    one.judge.join()
    one.judge.close()
    one.result.close()


def _judge(suite: Suite, deviation: Deviation, result: Connection) -> None:
    os.setpgid(0, 0)
    receiving, sending = _FORKING.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        server = _FORKING.Process(target=_serve, args=(suite, deviation, sending, Path(log.name)))
        server.start()
        sending.close()
        try:
            port = receiving.recv() if receiving.poll(START_S) else None
        except EOFError:
            port = None
        requirement = deviation.breaks[0]
        trial = Trial(deviation.name, requirement, Fate.SERVER_DIED, observed="it never listened")
        if port is not None:
            trial = suite.try_out(deviation, f"ws://127.0.0.1:{port}", TOKEN)
        # A server that has just ended may not be known to have.
        server.join(0 if trial.fate is Fate.KILLED else SETTLE_S)
        if not server.is_alive():
            last = log.read().strip().rpartition("\n")[2]
            trial = Trial(deviation.name, requirement, Fate.SERVER_DIED, observed=last or trial.observed)
        result.send(trial)
        server.kill()
        server.join()


def _serve(suite: Suite, deviation: Deviation, port: Connection, log: Path) -> None:
    with log.open("w", encoding="utf-8") as errors:
        os.dup2(errors.fileno(), 2)
    logging.basicConfig(level=logging.CRITICAL)
    assembly = Assembly(suite.api, Settings(port=0), seed=suite.seed, control_token=TOKEN)
    deviation.install(assembly)
    run(lambda: _listen(assembly, port))


async def _listen(assembly: Assembly, port: Connection) -> None:
    server = await assembly.start()
    port.send(server.port)
    await asyncio.Event().wait()
