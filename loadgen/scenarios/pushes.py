"""Pushes and replies, nothing else: each agent saves checkpoints of a task of its own. The yardstick of generator and server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadgen.scenarios.scenario import Group, Scenario


@dataclass
class Pushes(Scenario):
    """One push an act.

    Attributes:
        state_bytes: How long the saved state is.

    """

    name: ClassVar[str] = "pushes"
    cast: ClassVar[tuple[str, ...]] = ("client", "provider")
    concurrency: ClassVar[int] = 1_000_000

    state_bytes: int = 0

    async def prepare(self, group: Group) -> None:
        """Join a task with both agents."""
        group.memory = (
            list((await group.join(await group.new("task"))).values()),
            {"text": "x" * self.state_bytes},
            [0],
        )

    async def act(self, group: Group, start_us: int) -> None:
        """Save a checkpoint."""
        channels, state, count = group.memory
        seq = count[0] = count[0] + 1
        (await channels[seq & 1].push("checkpoint", {"state": state, "seq": seq}, start_us)).demand()
