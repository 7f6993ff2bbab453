"""Task streaming: a client sends its input, a provider streams the output like the tokens of a language model, then all is checked.

Tokens come in bursts with pauses; most answers are short, some are very long.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, ClassVar

from loadgen.scenarios.scenario import Group, Scenario

if TYPE_CHECKING:
    from loadgen.client.channel import Channel

_WORDS = [
    "the",
    "of",
    "and",
    "a",
    "to",
    "in",
    "is",
    "it",
    "you",
    "that",
    "was",
    "for",
    "on",
    "are",
    "with",
    "as",
    "his",
    "they",
    "be",
    "at",
    "one",
    "have",
    "this",
    "from",
]


@dataclass
class TaskStreaming(Scenario):
    """One task an act, from the join to its completion.

    Attributes:
        input_chunks: Chunks of the client.
        output_chunks: Median of the chunks of the provider; the number is lognormal.
        spread: Sigma of that number: 0 makes all tasks equally long.
        burst: Chunks that come without a pause, on average.
        pause_s: Mean of the pauses between bursts.
        chunk_words: Mean of the words in a chunk.
        checkpoint_every: Chunks after which the provider saves where it is.

    """

    name: ClassVar[str] = "task-streaming"
    cast: ClassVar[tuple[str, ...]] = ("client", "provider")

    input_chunks: int = 3
    output_chunks: int = 40
    spread: float = 0.7
    burst: float = 4.0
    pause_s: float = 0.2
    chunk_words: float = 2.0
    checkpoint_every: int = 25

    async def act(self, group: Group, start_us: int) -> None:
        """Carry out a task."""
        topic = await group.new("task")
        channels = await group.join(topic, start_us)
        client, provider = channels["client"], channels["provider"]
        told = client.event("task_completed", self._longest_s())
        await self.stream(group, client, "input", self.input_chunks)
        count = round(self.output_chunks * group.random.lognormvariate(0, self.spread)) or 1
        (await provider.push("progress", {"percent": 1, "message": "started"})).demand()
        await self.stream(group, provider, "output", count)
        (await provider.push("complete", {"result": {"text": "done", "chunks": count}})).demand()
        (await told).demand()
        await group.settle(channels, "progress", {"percent": 100, "message": "over"})
        await group.leave(topic)

    async def stream(self, group: Group, channel: Channel, which: str, count: int) -> None:
        """Send chunks and their checksum; the next one does not wait for the answer to the last."""
        digest, size, open_calls = hashlib.sha256(), 0, []
        for seq in range(count):
            chunk = self.chunk(group)
            data = chunk.encode()
            digest.update(data)
            size += len(data)
            open_calls.append(channel.push(f"{which}_stream", {"chunk": chunk, "seq": seq}))
            if seq % self.checkpoint_every == self.checkpoint_every - 1:
                open_calls.append(channel.push("checkpoint", {"state": {"which": which}, "seq": seq}))
            if group.random.random() < 1 / self.burst:
                await group.pause(group.random.expovariate(1 / self.pause_s) if self.pause_s else 0)
        for call in open_calls:
            (await call).demand()
        completion = {"checksum": digest.hexdigest(), "total_size": size}
        (await channel.push(f"{which}_complete", completion)).demand()

    def chunk(self, group: Group) -> str:
        """Draw the text of a chunk."""
        words = 1 + int(-log(1 - group.random.random()) * self.chunk_words)
        return "".join(f" {word}" for word in group.random.choices(_WORDS, k=words))

    def _longest_s(self) -> float:
        """Return how long a completion is waited for: ten times the longest usual task."""
        return 30 + 10 * self.output_chunks / self.burst * self.pause_s
