"""Slow readers: clients stop reading for a while, as a blocked thread or a weak network does; what waits for them must not hold up others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadgen.scenarios.scenario import Group
from loadgen.scenarios.task_streaming import TaskStreaming


@dataclass
class SlowReaders(TaskStreaming):
    """Task streaming in which some clients read slowly.

    Attributes:
        slow: Share of the tasks whose client does.
        blind_s: How long it reads nothing.

    """

    name: ClassVar[str] = "slow-readers"

    slow: float = 0.2
    blind_s: float = 2.0

    async def act(self, group: Group, start_us: int) -> None:
        """Carry out a task."""
        if group.random.random() < self.slow:
            client = group.agents["client"]
            group.site.timers.after(0.2, lambda _due_us: client.pause_reading())
            group.site.timers.after(0.2 + self.blind_s, lambda _due_us: client.resume_reading())
        await super().act(group, start_us)
