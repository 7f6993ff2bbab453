"""What makes groups act: again and again (closed), or when an arrival is due (open)."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import TYPE_CHECKING, Final

from loadgen.client.backoff import Backoff
from loadgen.client.calls import UNANSWERED, CallFailed
from loadgen.client.clock import now_us
from loadgen.client.plays import Play, awaited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadgen.arrivals import Arrivals
    from loadgen.client.site import Site
    from loadgen.measure.statistics import Figures
    from loadgen.scenarios.scenario import Group, Scenario

NEVER_US: Final = 1 << 62
AT_ONCE: Final = 32
"""Arrivals that are taken in one turn."""

FIRST_S: Final = 0.02
LONGEST_S: Final = 1.0
"""Bounds of the wait after a failed act; each failure in a row doubles it."""
AWAY_S: Final = 10.0
"""How long a group is waited for whose agents are not all joined again."""

ACTS: Final = "act"
"""The family under which whole acts are counted, by scenario."""


class Driver:
    """Starts acts and follows them to their ends.

    Attributes:
        started: Acts that were begun.
        finished: Those that are over, well or not.
        acts: Those that are not.
        waited: Open model: arrivals that found no agent free.

    """

    def __init__(self, site: Site, scenario: Scenario) -> None:
        self.site = site
        self.scenario = scenario
        self.started = self.finished = self.waited = self.due = 0
        self.groups: dict[Group, None] = {}
        self.is_running = False
        self.figures: Figures = site.statistics.of(ACTS, scenario.name)
        self.acts: set[Act] = set()
        self._looks: deque[dict[Act, set[object]]] = deque(maxlen=2)
        self._backoffs: dict[Group, Backoff] = {}
        self._faults: set[str] = set()

    def add(self, group: Group) -> None:
        """Let a group act, which is ready for it."""
        self.groups[group] = None
        group.keep()
        if self.is_running:
            self.joined(group)

    def remove(self, group: Group) -> None:
        """Let a group act no more."""
        self.groups.pop(group, None)
        self._backoffs.pop(group, None)

    def begin(self) -> None:
        """Begin."""
        self.is_running = True
        for group in self.groups:
            self.joined(group)

    def stop(self) -> None:
        """Start nothing more."""
        self.is_running = False

    @property
    def under_way(self) -> int:
        """How many acts are."""
        return self.started - self.finished

    def look(self) -> None:
        """Note what each act waits for; the looks of a driver are as far apart as an answer is waited for at the end."""
        self._looks.append({act: set(awaited(act)) for act in self.acts})

    def write_off(self) -> None:
        """Count as errors the acts that have waited for the same since the look before the latest; others were only cut short."""
        before = self._looks[0] if len(self._looks) == 2 else {}
        stuck = [act for act, what in before.items() if not what.isdisjoint(awaited(act))]
        if stuck:
            self.figures.errors[UNANSWERED] += len(stuck)

    def joined(self, group: Group) -> None:
        """Take a group that may act from now on."""

    def freed(self, group: Group) -> None:
        """Take a group that has ended an act."""

    def start(self, group: Group, start_us: int) -> None:
        """Start an act that should begin at a time."""
        self.started += 1
        self.figures.sent += 1
        group.acting += 1
        Act(self, group, start_us)

    def ended(self, act: Act, fault: Exception | None) -> None:
        """Take an act that is over."""
        at_us, group = now_us(), act.group
        self.finished += 1
        self.acts.discard(act)
        group.acting -= 1
        if fault is None:
            self.figures.ok += 1
            self.figures.took_late(at_us - act.began_us)
            self.figures.took_in_all(at_us - act.start_us)
        else:
            self.figures.errors[_reason_of(fault)] += 1
            if not isinstance(fault, CallFailed):
                self._tell(fault)
            if not group.acting:
                group.tidy()
        if not self.is_running:
            return
        if fault is None:
            if self._backoffs:
                self._backoffs.pop(group, None)
            self.freed(group)
        else:
            self.failed(group)

    def failed(self, group: Group) -> None:
        """Take a group whose act has failed: it is free a little later, once its agents are joined again."""
        backoff = self._backoffs.setdefault(group, Backoff(FIRST_S, LONGEST_S))
        self._free_when_ready(group, now_us() + round(AWAY_S * 1e6), backoff)

    def _free_when_ready(self, group: Group, until_us: int, backoff: Backoff) -> None:
        def look(_due_us: int) -> None:
            if not self.is_running or group not in self.groups:
                return
            if group.is_ready or now_us() > until_us:
                self.freed(group)
            else:
                self._free_when_ready(group, until_us, backoff)

        self.site.timers.after(backoff.next_s(), look)

    def _tell(self, fault: BaseException) -> None:
        told = f"{type(fault).__name__}: {fault}"
        if told not in self._faults:
            self._faults.add(told)
            self.site.faults.append(told)


class Act(Play):
    """One act of a group, from its start."""

    __slots__ = ("_driver", "began_us", "group", "start_us")

    def __init__(self, driver: Driver, group: Group, start_us: int) -> None:
        self._driver = driver
        self.group = group
        self.start_us = start_us
        self.began_us = now_us()
        driver.acts.add(self)
        super().__init__(driver.scenario.act(group, start_us))

    def _end(self, fault: Exception | None) -> None:
        if not self.is_done:
            self.is_done = True
            self._driver.ended(self, fault)


class Closed(Driver):
    """Each group begins anew once it has done, after the pause that was asked for."""

    def __init__(self, site: Site, scenario: Scenario, arrivals: Arrivals, random: Random) -> None:
        super().__init__(site, scenario)
        self._think_s = arrivals.think_s
        self._random = random

    def joined(self, group: Group) -> None:
        """Begin, at a random phase of the pause."""
        self._later(group, self._random.uniform(0, self._think_s))

    def freed(self, group: Group) -> None:
        """Begin anew."""
        self._later(group, self._think_s)

    def _later(self, group: Group, delay_s: float) -> None:
        def go(due_us: int) -> None:
            if self.is_running and group in self.groups:
                self.start(group, max(due_us, 1))

        self.site.timers.after(delay_s, go)


class Open(Driver):
    """Arrivals come at their times; one that finds no group free waits for the first that is."""

    def __init__(self, site: Site, scenario: Scenario, starts_s: Iterator[float]) -> None:
        super().__init__(site, scenario)
        self._starts_s = starts_s
        self._free: deque[Group] = deque()
        self._waiting: deque[int] = deque()
        self._begin_us = self._missed = 0
        self._due_us = NEVER_US
        self.late_us: list[int] = []

    def begin(self) -> None:
        """Begin the shape now."""
        self._begin_us = now_us()
        super().begin()
        self._advance()
        if self._due_us < NEVER_US:
            self.site.timers.at(self._due_us, self._arrive)

    def joined(self, group: Group) -> None:
        """Take it for free."""
        self._free.append(group)
        self._serve()

    def freed(self, group: Group) -> None:
        """Take it for free again, unless it never was busy."""
        if group.acting == self.scenario.concurrency - 1 and group in self.groups:
            self._free.append(group)
        self._serve()

    def failed(self, group: Group) -> None:
        """Take it for free at once where it can act: arrivals come at their own times, so that nothing spins."""
        if self.scenario.concurrency > 1 or group.is_ready:
            self.freed(group)
        else:
            super().failed(group)

    def remove(self, group: Group) -> None:
        """Let a group act no more."""
        super().remove(group)
        if group in self._free:
            self._free.remove(group)

    @property
    def offered(self) -> int:
        """How many arrivals there really were until it was stopped, those included that this process never got to."""
        return self.due + self._missed

    def stop(self) -> None:
        """Start nothing more; those that still wait for a group were never served."""
        super().stop()
        until_us = now_us()
        while self._due_us <= until_us:
            self._missed += 1
            self.late_us.append(until_us - self._due_us)
            self._advance()
        if self._waiting:
            self.figures.errors["no agent was free"] += len(self._waiting)
        self._waiting.clear()

    def _advance(self) -> None:
        at_s = next(self._starts_s, None)
        self._due_us = NEVER_US if at_s is None else self._begin_us + round(at_s * 1e6)

    def _arrive(self, _due_us: int) -> None:
        """Take all arrivals that are due by now, so that a process that is late catches up; sockets get their turn in between."""
        until_us = now_us()
        for _ in range(AT_ONCE):
            if self._due_us > until_us or not self.is_running:
                break
            self.due += 1
            self.late_us.append(until_us - self._due_us)
            if self._free:
                self._give(self._due_us)
            else:
                self.waited += 1
                self._waiting.append(self._due_us)
            self._advance()
        if self._due_us < NEVER_US and self.is_running:
            self.site.timers.at(self._due_us, self._arrive)

    def _serve(self) -> None:
        while self._waiting and self._free:
            self._give(self._waiting.popleft())

    def _give(self, due_us: int) -> None:
        group = self._free.popleft()
        if group.acting + 1 < self.scenario.concurrency:
            self._free.append(group)
        self.start(group, due_us)


def _reason_of(fault: BaseException) -> str:
    return fault.reason if isinstance(fault, CallFailed) else type(fault).__name__
