"""What Locust runs: users that are shells around groups of agents. Only Locust loads this file, in a process of its own."""

# Importing Locust patches the whole process, so it comes first.
import locust  # isort: skip

import os
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.runners import MasterRunner, WorkerRunner

from loadgen.client.plays import Play
from loadgen.engine.conductor import Conductor
from loadgen.engine.generator import Generator
from loadgen.engine.stage import LocustStage, Player
from loadgen.faults import LoadError
from loadgen.plan import PLAN_VARIABLE, TOKEN_VARIABLE, Plan, read_plan
from loadgen.users import groups_of, groups_per_user

PLAN: Plan = read_plan(Path(os.environ[PLAN_VARIABLE]))
GROUPS_PER_USER = groups_per_user(PLAN)


class AgentsUser(locust.User):
    """A Locust user: some groups of agents, which act on the event loop without it."""

    generator: Generator

    def on_start(self) -> None:
        """Make the groups, and wait until they are ready."""
        opened = Event()
        self._opening = self.generator.open(GROUPS_PER_USER)

        async def wait() -> None:
            await self._opening
            opened.set()

        Play(wait())
        opened.wait()

    def on_stop(self) -> None:
        """Disconnect the groups."""
        self.generator.close(self._opening.groups)

    @locust.task
    def stay(self) -> None:
        """Stay: what agents do needs no greenlet."""
        Event().wait()


def take_part(environment: Any, runner: Any, **_more: Any) -> None:
    """Conduct the run, or play in it, or both where this process is alone."""
    if not isinstance(runner, WorkerRunner):
        conductor = Conductor(PLAN, LocustStage(runner, groups_of(PLAN)))
        environment.process_exit_code = 0
        gevent.signal_handler(2, conductor.stop)
        gevent.spawn(conductor.run)
    if not isinstance(runner, MasterRunner):
        _play(runner)


locust.events.init.add_listener(take_part)  # type: ignore[no-untyped-call]


def _play(runner: Any) -> None:
    try:
        generator = Generator(PLAN, max(0, runner.worker_index), os.environ.get(TOKEN_VARIABLE, ""))
    except LoadError as fault:
        raise SystemExit(f"wireproof: {fault}") from fault
    AgentsUser.generator = generator
    Player(runner, generator)

    def ready(fault: BaseException | None) -> None:
        if fault is not None:
            generator.faults.append(str(fault))
            generator.give_up()

    generator.start(max(1, PLAN.processes), ready)
