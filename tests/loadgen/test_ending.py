"""How groups come to rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import gevent

from loadgen.client.calls import CallFailed
from loadgen.client.plays import Awaitable, Play
from loadgen.client.timers import Timers
from loadgen.engine.ending import AT_ONCE, Ending
from loadgen.scenarios.scenario import Group, Scenario


@dataclass
class Finishing(Scenario):
    """Groups finish when they are let; one is refused."""

    name: ClassVar[str] = "finishing"

    gate: Awaitable = field(default_factory=Awaitable)
    busy: int = 0
    most_at_once: int = 0
    concluded: list[int] = field(default_factory=list)

    async def act(self, group: Group, start_us: int) -> None:
        """Do nothing."""

    async def finish(self, group: Group) -> None:
        """Wait with the others, or for ever."""
        if group.number == 0:
            await self.gate
        if group.number == 1:
            raise CallFailed("a join", "refused")
        self.busy += 1
        self.most_at_once = max(self.most_at_once, self.busy)
        await group.pause(0.05)
        self.busy -= 1

    async def conclude(self, groups: Sequence[Group]) -> None:
        """Note who is at rest."""
        self.concluded = [group.number for group in groups]


def ended(scenario: Finishing, within_s: float, acting: int | None = None) -> list[str]:
    """Bring a hundred groups to rest, and return what was told; `acting` still acts."""
    timers, told, ends = Timers(), list[str](), list[BaseException | None]()
    site = type("Site", (), {"timers": timers})
    groups = [Group(cast("Any", site), cast("Any", None), number, "1") for number in range(100)]
    if acting is not None:
        groups[acting].acting = 1
    Play(Ending(scenario, timers, within_s, told.append).come_to_rest(groups), ends.append)
    with gevent.Timeout(20):
        while not ends:
            gevent.sleep(0.01)
    timers.close()
    assert ends == [None]
    return told


def test_groups_finish_side_by_side() -> None:
    """Many at a time, never more than are allowed; who is refused is told of and does not hold up the others."""
    scenario = Finishing()
    scenario.gate.done()
    assert ended(scenario, within_s=20, acting=7) == ["a join: refused"]
    assert 10 < scenario.most_at_once <= AT_ONCE
    assert scenario.concluded == [number for number in range(100) if number != 7]


def test_a_group_that_does_not_finish_costs_only_itself() -> None:
    """The time is up for all together: the others are at rest, and it is told that one is not."""
    scenario = Finishing()
    told = ended(scenario, within_s=1)
    assert told == ["a join: refused", "1 of 100 groups did not come to rest within 1 s"]
    assert scenario.concluded == list(range(1, 100))
