"""Reconnect storm: all connections are cut at once, again and again; agents come back with backoff and go on from the last checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from loadgen.scenarios.scenario import Group, Scenario

if TYPE_CHECKING:
    from loadgen.client.channel import Channel


@dataclass
class Progress:
    """Where a task stands: the next chunk, as the endpoint has said after the latest join."""

    channels: dict[str, Channel]
    seq: int = 0
    resumed: int = 0


@dataclass
class ReconnectStorm(Scenario):
    """Some chunks and a checkpoint an act.

    Attributes:
        every_s: Time between two storms.
        share: Of the agents that lose their connection in each.
        chunks: Of an act.

    """

    name: ClassVar[str] = "reconnect-storm"
    cast: ClassVar[tuple[str, ...]] = ("client", "provider")

    every_s: float = 10.0
    share: float = 1.0
    chunks: int = 5

    async def prepare(self, group: Group) -> None:
        """Join a task, and wait for the next storm."""
        progress = Progress(await group.join(await group.new("task")))
        group.memory = progress

        def resumed(response: Any) -> None:
            checkpoint = response.get("checkpoint") if isinstance(response, dict) else None
            progress.seq = checkpoint["seq"] + 1 if isinstance(checkpoint, dict) else progress.seq
            progress.resumed += 1

        progress.channels["provider"].on_rejoined = resumed
        self.wait_for_storm(group)

    def wait_for_storm(self, group: Group) -> None:
        """Cut the group's connections at the next multiple of the interval: at the same time everywhere."""
        timers = group.site.timers
        interval_us = round(self.every_s * 1e6)

        def storm(_due_us: int) -> None:
            for agent in group.agents.values():
                if agent.is_open and group.random.random() < self.share:
                    agent.drop()
            if group.is_open:
                self.wait_for_storm(group)

        timers.at((timers.now_us() // interval_us + 1) * interval_us, storm)

    async def act(self, group: Group, start_us: int) -> None:
        """Send some chunks, and save where the task stands."""
        progress: Progress = group.memory
        provider = progress.channels["provider"]
        while not all(channel.is_joined for channel in progress.channels.values()):
            await group.pause(0.05)
        for _ in range(self.chunks):
            seq = progress.seq
            (await provider.push("output_stream", {"chunk": f"chunk {seq}", "seq": seq}, start_us)).demand()
            progress.seq, start_us = max(progress.seq, seq + 1), 0
        (await provider.push("checkpoint", {"state": {}, "seq": progress.seq - 1})).demand()

    async def finish(self, group: Group) -> None:
        """See that nothing is missing."""
        progress: Progress = group.memory
        await group.settle(progress.channels, "checkpoint", {"state": {}, "seq": 0})
