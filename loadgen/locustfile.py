"""What Locust runs: users that are shells around groups of agents. Only Locust loads this file, in a process of its own."""

# Importing Locust patches the whole process, so it comes first.
import locust  # isort: skip

import os
import sys
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust import runners
from locust.runners import MasterRunner, WorkerRunner

from loadgen.client.plays import Play
from loadgen.engine.conductor import LOOK_S, Conductor
from loadgen.engine.generator import Generator
from loadgen.engine.handing_out import ask_for_plan, hand_out
from loadgen.engine.page import Board
from loadgen.engine.stage import LocustStage, Player
from loadgen.faults import LoadError
from loadgen.plan import COMMAND_VARIABLE, FOLDER_VARIABLE, PLAN_VARIABLE, TOKEN_VARIABLE, Plan, read_plan
from loadgen.users import groups_of, groups_per_user

runners.CPU_WARNING_THRESHOLD = sys.maxsize
"""Locust would take being awake for work, and warn of a generator that is fit; `measure.health` tells one from the other."""


class AgentsUser(locust.User):
    """A Locust user: some groups of agents, which act on the event loop without it."""

    generator: Generator
    is_known = Event()
    """Set with the generator, once the plan of the run is there."""

    def on_start(self) -> None:
        """Make the groups, and wait until they are ready."""
        opened = Event()
        self.is_known.wait()
        self._opening = self.generator.open(groups_per_user(self.generator.plan))

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
    known = os.environ.get(PLAN_VARIABLE)
    if known is None:
        ask_for_plan(runner, lambda plan: _play(runner, plan))
        return
    plan = read_plan(Path(known))
    if not isinstance(runner, WorkerRunner):
        board = Board()
        if environment.web_ui is not None:
            board.show_on(environment.web_ui)
        conductor = Conductor(plan, LocustStage(runner, groups_of(plan)), board.row)
        hand_out(runner, plan)
        environment.process_exit_code = 0
        gevent.signal_handler(2, conductor.stop)
        # Whoever stops the users on Locust's page, stops the run.
        environment.events.test_stop.add_listener(lambda **_more: conductor.stop())
        command = os.environ.get(COMMAND_VARIABLE)
        if command is not None:
            gevent.spawn(_stop_alone, conductor, int(command))
        gevent.spawn(conductor.run)
    if not isinstance(runner, MasterRunner):
        _play(runner, plan)


def _stop_alone(conductor: Conductor, command: int) -> None:
    """End in order once the command is gone: nobody else could end it then before its time."""
    while os.getppid() == command:
        gevent.sleep(LOOK_S)
    conductor.stop()


locust.events.init.add_listener(take_part)  # type: ignore[no-untyped-call]


def _play(runner: Any, plan: Plan | LoadError) -> None:
    try:
        if isinstance(plan, LoadError):
            raise plan
        generator = Generator(plan, max(0, runner.worker_index), os.environ.get(TOKEN_VARIABLE, ""))
    except LoadError as fault:
        if not isinstance(runner, WorkerRunner):
            raise SystemExit(f"wireproof: {fault}") from fault
        # A greenlet that fails does not end its process.
        sys.stderr.write(f"wireproof: {fault}\n")
        runner.quit()
        os._exit(3)
    folder = os.environ.get(FOLDER_VARIABLE)
    player = Player(runner, generator, Path(folder) if folder else None)
    runner.environment.events.quitting.add_listener(lambda **_more: player.leave())

    def ready(fault: BaseException | None) -> None:
        if fault is not None:
            generator.faults.append(str(fault))
            generator.give_up()

    generator.start(max(1, plan.processes), ready)
    AgentsUser.generator = generator
    AgentsUser.is_known.set()
