"""Pushes and replies, nothing else: each agent saves checkpoints of a task of its own. The yardstick of generator and server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loadgen.scenarios.scenario import Group, Scenario

if TYPE_CHECKING:
    from loadgen.client.channel import Channel


@dataclass
class Pushes(Scenario):
    """Some pushes an act, each agent's one after the other.

    Attributes:
        pushes: How many each agent sends in an act; with 1 only one of both sends it.
        state_bytes: How long the saved state is.

    """

    name: ClassVar[str] = "pushes"
    cast: ClassVar[tuple[str, ...]] = ("client", "provider")
    concurrency: ClassVar[int] = 1_000_000

    pushes: int = 1
    state_bytes: int = 0

    async def prepare(self, group: Group) -> None:
        """Join a task with both agents."""
        group.memory = Counted(list((await group.join(await group.new("task"))).values()))

    async def act(self, group: Group, start_us: int) -> None:
        """Save checkpoints."""
        memory: Counted = group.memory
        if self.pushes > 1:
            await group.all(*(self.save(memory, channel) for channel in memory.channels))
            return
        seq = memory.seq = memory.seq + 1
        state = {"text": "x" * self.state_bytes}
        (await memory.channels[seq & 1].push("checkpoint", {"state": state, "seq": seq}, start_us)).demand()

    async def save(self, memory: Counted, channel: Channel) -> None:
        """Save one checkpoint after the other."""
        state = {"text": "x" * self.state_bytes}
        for _ in range(self.pushes):
            memory.seq += 1
            (await channel.push("checkpoint", {"state": state, "seq": memory.seq})).demand()


@dataclass
class Counted:
    """The channels of a group, and the latest seq."""

    channels: list[Channel]
    seq: int = 0
