"""The end of a load: all groups come to rest side by side, within one time for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadgen.client.calls import CallFailed
from loadgen.client.clock import now_us
from loadgen.client.plays import All, Pause
from loadgen.faults import CannotProvision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadgen.client.plays import Script
    from loadgen.client.timers import Timers
    from loadgen.scenarios.scenario import Group, Scenario

AT_ONCE: Final = 64
"""Groups that finish at the same time: all of them would find each other in the way."""
REST_S: Final = 0.02
"""How often it is looked whether all have ended."""


class Ending:
    """What is done once no act is under way.

    Args:
        scenario: Says how a group finishes.
        timers: Of the process.
        within_s: How long all groups together may take.
        tell: Is called with what went wrong.

    """

    def __init__(
        self, scenario: Scenario, timers: Timers, within_s: float, tell: Callable[[str], object]
    ) -> None:
        self._scenario, self._timers, self._tell = scenario, timers, tell
        self._within_s = within_s
        self._until_us = now_us() + round(within_s * 1e6)

    async def come_to_rest(self, groups: list[Group]) -> None:
        """Finish all groups that can, then conclude those that are at rest; what is not done in time is told.

        Raises:
            BaseException: Whatever the scenario raises but refusals, which are told.

        """
        able = [
            group
            for group in groups
            if not group.acting and all(agent.is_open for agent in group.agents.values())
        ]
        restless, queue = dict.fromkeys(able), iter(able)
        await self._play([self._finish(queue, restless) for _ in range(AT_ONCE)])
        if restless:
            self._tell(
                f"{len(restless)} of {len(able)} groups did not come to rest within {self._within_s:g} s"
            )
        resting = [group for group in groups if not group.acting and group not in restless]
        if resting:
            await self._play([self._scenario.conclude(resting)])

    async def _finish(self, queue: Iterator[Group], restless: dict[Group, None]) -> None:
        for group in queue:
            try:
                await self._scenario.finish(group)
            except (CallFailed, CannotProvision) as fault:
                self._tell(str(fault))
            del restless[group]

    async def _play(self, scripts: list[Script]) -> None:
        ending = All(scripts)
        while not ending.is_done and now_us() < self._until_us:
            await Pause(self._timers, REST_S)
        for fault in ending.faults:
            raise fault
