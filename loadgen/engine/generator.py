"""The generator of one process: its groups from their making to their end, and what it has measured.

Rules of this file: nothing here knows Locust. Phases follow each other: groups open and get ready, `begin`, `end` (nothing more is
started, what is under way may finish), `close`.
"""

from __future__ import annotations

import gc
from collections import deque
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from loadgen.client.agent import Agent
from loadgen.client.calls import CallFailed
from loadgen.client.clock import ALWAYS_AWAKE, MOSTLY_AWAKE, NEVER_AWAKE, now_us
from loadgen.client.plays import Awaitable, Pause, Play
from loadgen.client.route import NoRoute, route_to
from loadgen.client.site import Site
from loadgen.client.stamps import kernel_clock
from loadgen.client.timers import Timers
from loadgen.engine.driving import Closed, Driver, Open
from loadgen.engine.ending import REST_S, Ending
from loadgen.faults import CannotTest, LoadError
from loadgen.judging.tape import JudgeTape
from loadgen.measure.cores import cores
from loadgen.measure.health import Health, resident_kib
from loadgen.provisioning import ControlProvisioner, InventedProvisioner, Provisioner
from loadgen.scenarios.catalogue import find_scenario
from loadgen.scenarios.scenario import AGAIN, Group, Scenario
from specs.loader import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.arrivals import Part
    from loadgen.plan import Plan

AT_ONCE: Final = 64
"""Groups that are opened at the same time."""
GRACE_S: Final = 1.0
"""What was sent so shortly before the end may still be on its way."""
FINISH_S: Final = 30.0
"""After the drain, how long all groups together may take to come to rest; workers are waited for longer than that."""
YOUNG_OBJECTS: Final = 50_000
"""Allocations between collections of garbage while a load goes on; the default of 700 would take a tenth of all time."""


class Opening(Awaitable):
    """Groups that are being made for one user; `is_done` once all are ready or have failed."""

    __slots__ = ("groups", "left")

    def __init__(self, count: int) -> None:
        super().__init__()
        self.groups: list[Group] = []
        self.left = count


class Generator:
    """One process of the generator.

    Args:
        plan: What is to be done.
        index: Tells this process from the others.
        token: Of the operator.
    """

    def __init__(self, plan: Plan, index: int, token: str) -> None:
        self.plan, self.index = plan, index
        api = load(Path(plan.spec) if plan.spec else None)
        try:
            # Closed, a generator runs as fast as answers come; what a stamp costs would be missing there.
            self._clock = kernel_clock() if plan.arrivals.model == "open" else None
            route = route_to(plan.url, Path(plan.ca) if plan.ca else None, self._clock)
            control_route = route_to(plan.control_url, Path(plan.ca) if plan.ca else None)
        except NoRoute as fault:
            raise CannotTest(str(fault)) from fault
        timers = Timers(_awake_beyond_us(plan))
        self.site = Site(api, route, timers, heartbeat_s=plan.heartbeat_s, reply_s=plan.reply_s)
        self.tape = JudgeTape(self.site.timers, plan.spec) if plan.judge else None
        self.site.note = self.tape.note if self.tape is not None else None
        self.scenario: Scenario = find_scenario(plan.scenario, plan.parameters)
        self._seed, self._run = f"{plan.seed}", f"{plan.run}-{index}"
        self.provisioner: Provisioner = (
            ControlProvisioner(
                api, control_route, self.site.timers, plan.control_url, token, self._seed, self._run
            )
            if plan.provisioning == "control"
            else InventedProvisioner(self._seed, self._run)
        )
        self.health = Health(timers.lags_us, lambda: timers.awake_s)
        self.driver: Driver | None = None
        self.faults: list[str] = []
        """Why groups could not be opened, each once."""
        self.opened = self.failed = 0
        self._base_kib: int | None = None
        self._agents_kib: int | None = None
        self._groups: dict[Group, None] = {}
        self._waiting: deque[tuple[Opening, int]] = deque()
        self._opening = self._numbered = self._agents = 0
        self._is_ready = self._is_given_up = False
        self._socket = api.sockets[self.scenario.socket]

    # Before the load

    def start(self, processes: int, on_ready: Callable[[BaseException | None], object]) -> None:
        """Get ready to open groups; `processes` share the ceiling of connections a second."""
        self.site.pace_us = 1e6 * processes / self.plan.connections_per_s

        def ready(fault: BaseException | None) -> None:
            self._is_ready = fault is None
            self._base_kib = resident_kib()
            on_ready(fault)
            self._open_more()

        Play(self.provisioner.open(), ready)

    def give_up(self) -> None:
        """Open nothing: all groups that are asked for have failed, and those that will be."""
        self._is_given_up = True
        self._open_more()

    def open(self, count: int) -> Opening:
        """Make groups, connect and prepare them."""
        opening = Opening(count)
        for _ in range(count):
            self._waiting.append((opening, self._numbered))
            self._numbered += 1
        self._open_more()
        return opening

    def _open_more(self) -> None:
        while self._waiting and self._is_given_up:
            opening, _ = self._waiting.popleft()
            self._opening += 1
            self._opened(opening, CannotTest(self.faults[0] if self.faults else "given up"))
        while self._waiting and self._is_ready and self._opening < AT_ONCE:
            opening, number = self._waiting.popleft()
            self._opening += 1
            Play(self._open(opening, number), partial(self._opened, opening))

    async def _open(self, opening: Opening, number: int) -> None:
        group = Group(self.site, self.provisioner, number, f"{self._seed}/{self._run}")
        for role in self.scenario.cast:
            identity = group.identities.get(role.rstrip(AGAIN))
            if identity is None:
                attributes = self.scenario.attributes(role, group.random)
                identity = await self.provisioner.create_agent(f"{role}-{number}", attributes)
            self._agents += 1
            url = f"{self.plan.url}{self._socket.paths[0]}?{identity.query(self._socket.credentials[0])}"
            group.identities[role] = identity
            group.agents[role] = Agent(self.site, self._agents, url, identity.agent_id)
        self._groups[group] = None
        try:
            for agent in group.agents.values():
                await group.pause((self.site.turn_us() - now_us()) / 1e6)
                (await agent.connect()).demand()
            await self.scenario.prepare(group)
        except BaseException:
            self.close([group])
            raise
        opening.groups.append(group)
        if self.driver is not None:
            self.driver.add(group)

    def _opened(self, opening: Opening, fault: BaseException | None) -> None:
        self._opening -= 1
        opening.left -= 1
        if fault is None:
            self.opened += 1
        else:
            self.failed += 1
            is_known = isinstance(fault, LoadError | CallFailed)
            self._told(str(fault) if is_known else f"{type(fault).__name__}: {fault}")
        if not opening.left:
            opening.done()
        self._open_more()

    # The load

    def begin(self, part: Part) -> None:
        """Begin: what was measured before does not count.

        Args:
            part: Of all arrivals that are this process's.

        """
        self.site.statistics.begin_anew()
        arrivals, random = self.plan.arrivals, Random(f"{self._seed}/{self._run}/arrivals")  # noqa: S311 - no secret
        self.driver = (
            Closed(self.site, self.scenario, arrivals, random)
            if arrivals.model == "closed"
            else Open(self.site, self.scenario, arrivals.starts_s(part, random))
        )
        if isinstance(self.driver, Open):
            self.health.late_us = self.driver.late_us
        for group in self._groups:
            self.driver.add(group)
        kib = resident_kib()
        self._agents_kib = None if kib is None or self._base_kib is None else kib - self._base_kib
        # What is there stays: to look through it again and again would only cost time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, 20, 100)
        self.health.reset()
        self.site.timers.begin_anew()
        self.site.take_extremes()
        self.site.timers.after(self.plan.duration_s, lambda _due_us: self.site.statistics.load_is_over())
        self.driver.begin()

    def stop(self) -> None:
        """Start nothing more."""
        if self.driver is not None:
            self.driver.stop()
            self.site.statistics.load_is_over()

    def finish(
        self, on_end: Callable[[BaseException | None], object], on_drained: Callable[[], object]
    ) -> None:
        """Bring all groups to rest, so that it can be told what is missing.

        Args:
            on_end: Is called with the fault that ended it, or None.
            on_drained: Is called before, once all acts are over or were waited for long enough.

        """
        Play(self._finish(on_drained), on_end)

    async def _finish(self, on_drained: Callable[[], object]) -> None:
        until_us = now_us() + round(self.plan.drain_s * 1e6)
        look_us = now_us()
        while self.driver is not None and self.driver.under_way and now_us() < until_us:
            if now_us() >= look_us:
                look_us = now_us() + round(GRACE_S * 1e6)
                self.driver.look()
            await Pause(self.site.timers, REST_S)
        on_drained()
        if self.driver is not None:
            ending = Ending(self.scenario, self.site.timers, FINISH_S, self._told)
            await ending.come_to_rest(list(self._groups))

    def _told(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)

    # Afterwards

    def write_off(self) -> None:
        """Count as errors what the endpoint still owes: answers, connections, and acts that wait for either."""
        before_us = now_us() - round(GRACE_S * 1e6)
        for group in self._groups:
            for agent in group.agents.values():
                agent.write_off(before_us)
        if self.driver is not None:
            self.driver.write_off()

    def close(self, groups: list[Group] | None = None) -> None:
        """Disconnect groups in order; all of them where none are given."""
        for group in list(self._groups) if groups is None else groups:
            self._groups.pop(group, None)
            group.is_open = False
            if self.driver is not None:
                self.driver.remove(group)
            for agent in group.agents.values():
                agent.close()

    def shut(self) -> None:
        """Disconnect everybody, the operator at last."""
        self._waiting.clear()
        self.close()
        self.provisioner.close()

    def second(self) -> dict[str, Any]:
        """Take stock of the time since the last call, as JSON."""
        self.site.statistics.flush()
        driver = self.driver
        least, most = self.site.take_extremes()
        return {
            "health": self.health.second(),
            "has_begun": driver is not None,
            "unjudged_bytes": self.tape.left_bytes if self.tape is not None else 0,
            "connections": self.site.open_count,
            "least_connections": least,
            "most_connections": most,
            "started": driver.started if driver else 0,
            "finished": driver.finished if driver else 0,
            "due": driver.due if driver else 0,
            "events": [figures.recent_json() for figures in self.site.statistics if figures.has_recent],
        }

    def result(self) -> dict[str, Any]:
        """Return all that this process has to tell, as JSON."""
        driver = self.driver
        acts = {
            name: getattr(driver, name, 0) for name in ("started", "finished", "waited", "due", "offered")
        }
        return {
            "process": self.index,
            "statistics": self.site.statistics.to_json(),
            "losses": dict(self.site.losses),
            "health": self.health.to_json() | {"least_p99_us": self.site.statistics.least_p99_us()},
            "has_stamps": self._clock is not None,
            "acts": acts,
            "groups": {"opened": self.opened, "failed": self.failed},
            "memory": {"base_kib": self._base_kib, "agents_kib": self._agents_kib, "agents": self._agents},
            "faults": [*self.faults, *self.site.faults],
        }


def _awake_beyond_us(plan: Plan) -> float:
    if plan.arrivals.model == "closed":
        # Nothing has a time at which it is to come; what sleeping costs is less than what being awake does.
        return NEVER_AWAKE
    # To be always awake takes a core, which must be nobody else's.
    return ALWAYS_AWAKE if cores() > plan.processes else MOSTLY_AWAKE
