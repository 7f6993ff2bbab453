"""Tasks under load: both streams and checkpoints, pipelined; each round has a task of its own for each pair."""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import suppress
from typing import Any

from tests.crash.marketplace import Agent, File, Marketplace
from tests.crash.phoenix import Client, Gone, Refusal

IN_FLIGHT = 8
CONFLICTS = 40
CHECKPOINT_EVERY = 5


class Stream:
    """One of the two streams of a task: what was sent, and what was confirmed of it."""

    def __init__(self, event: str) -> None:
        self.event = event
        self.sent: list[str] = []
        self.confirmed: set[int] = set()


class Task:
    """A pair of agents with their present task."""

    def __init__(self, market: Marketplace, name: str) -> None:
        self.market = market
        self.name = name
        self.former: list[tuple[str, Any]] = []

    async def make(self) -> None:
        """Register the participants and make the first task."""
        self.agents: dict[str, Agent] = {
            role: await self.market.agent(f"{self.name}-{role}") for role in ("client", "provider")
        }
        await self.renew()

    async def renew(self) -> None:
        """Make the next task."""
        self.topic = await self.market.resource("task", self.agents)
        self.streams = {"client": Stream("input"), "provider": Stream("output")}
        self.checkpoints: dict[int, Any] = {}
        self.saved = -1

    async def connect(self) -> None:
        """Connect and join."""
        self.seats: dict[str, Client] = {}
        for role, other in (("client", "provider"), ("provider", "client")):
            self.seats[role] = await self.market.client(self.agents[role], self.told_of(other))
            self.joined = await self.seats[role].join(self.topic)

    def told_of(self, other: str) -> Any:
        """Return what takes the relays of the other's stream."""

        def told(topic: str, event: str, payload: Any) -> None:
            if topic == self.topic and event.endswith("_stream"):
                self.market.seen(self.streams[other].confirmed.add(payload["seq"]))

        return told

    async def load(self) -> None:
        """Stream from both sides until the connection ends."""
        with suppress(Gone):
            await asyncio.gather(*(self.stream_of(role) for role in self.streams))

    async def stream_of(self, role: str) -> None:
        """Keep some chunks in flight, and the provider's checkpoints between them."""
        window, client, stream = asyncio.Semaphore(IN_FLIGHT), self.seats[role], self.streams[role]
        while not client.is_gone:
            await window.acquire()
            stream.sent.append(f"{role} {len(stream.sent)} é " * self.market.random.randint(1, 20))
            reply = self.send(role, len(stream.sent) - 1)
            reply.add_done_callback(lambda _: window.release())
            if role == "provider" and len(stream.sent) % CHECKPOINT_EVERY == 0:
                self.checkpoint(client, len(stream.sent))

    def send(self, role: str, seq: int) -> Any:
        """Send a chunk, for the first time or again."""
        stream = self.streams[role]
        return self.seats[role].push(
            self.topic,
            f"{stream.event}_stream",
            {"chunk": stream.sent[seq], "seq": seq},
            lambda _: self.market.seen(stream.confirmed.add(seq)),
        )

    def checkpoint(self, client: Client, seq: int) -> None:
        """Save a checkpoint."""
        self.checkpoints[seq] = {"done": seq}

        def saved(_: Any) -> None:
            self.saved = max(self.saved, seq)
            self.market.seen()

        client.push(self.topic, "checkpoint", {"state": {"done": seq}, "seq": seq}, saved)

    # What must be so after a crash.

    def check_file(self, file: File) -> None:
        """Look for every confirmed chunk, for nothing that was not sent, and for all that former tasks ended with."""
        for stream in self.streams.values():
            query = "SELECT number, value FROM entries WHERE topic = ? AND collection = ?"
            kept = {n: json.loads(value) for n, value in file.rows(query, self.topic, stream.event)}
            for seq in stream.confirmed - kept.keys():
                self.market.hold(False, f"{self.topic}: {stream.event} chunk {seq} was confirmed and is lost")
            for seq, chunk in kept.items():
                is_sent = seq < len(stream.sent) and stream.sent[seq] == chunk
                self.market.hold(is_sent, f"{self.topic}: {stream.event} chunk {seq} was never sent so")
        query = "SELECT state, json_extract(data, '$.complete') FROM resources WHERE topic = ?"
        for topic, _ in self.former:
            rows = file.rows(query, topic)
            self.market.hold(rows == [("completed", '["input","output"]')], f"{topic}: {rows} after its end")

    async def check_wire(self) -> None:
        """Ask for the checkpoint, try to change chunks, end the streams and the task, and look at a former one."""
        saved = self.joined["checkpoint"]
        seq = -1 if saved is None else saved["seq"]
        self.market.hold(seq >= self.saved, f"{self.topic}: checkpoint {seq} instead of {self.saved}")
        if saved is not None:
            self.market.hold(
                self.checkpoints.get(seq) == saved["state"], f"{self.topic}: {saved} was never saved"
            )
        for role in self.streams:
            await self.check_stream(role)
        result = {"rounds": len(self.former)}
        await self.seats["provider"].push(self.topic, "complete", {"result": result})
        self.former.append((self.topic, result))
        await self.check_former(*self.market.random.choice(self.former))
        await self.renew()
        for client in self.seats.values():
            await client.join(self.topic)

    async def check_stream(self, role: str) -> None:
        """Confirmed chunks are not sent again, so that only a server that has them can complete the stream."""
        stream, client = self.streams[role], self.seats[role]
        confirmed = sorted(stream.confirmed)
        chosen = self.market.random.sample(confirmed, min(CONFLICTS, len(confirmed)))
        event = f"{stream.event}_stream"
        changes = [(seq, client.push(self.topic, event, {"chunk": "other", "seq": seq})) for seq in chosen]
        again = [self.send(role, seq) for seq in range(len(stream.sent)) if seq not in stream.confirmed]
        for seq, change in changes:
            try:
                await change
                self.market.hold(False, f"{self.topic}: {stream.event} chunk {seq} was taken anew")
            except Refusal as refusal:
                self.market.hold(str(refusal) == "seq_conflict", f"{self.topic}: chunk {seq}: {refusal}")
        for reply in again:
            await reply
        content = "".join(stream.sent).encode()
        completion = {"checksum": hashlib.sha256(content).hexdigest(), "total_size": len(content)}
        try:
            await client.push(self.topic, f"{stream.event}_complete", completion)
        except Refusal as refusal:
            self.market.hold(False, f"{self.topic}: {stream.event} cannot be completed: {refusal}")

    async def check_former(self, topic: str, result: Any) -> None:
        """A task that was completed in any round is completed."""
        task = (await self.seats["client"].join(topic))["task"]
        found = (task["status"], task.get("result"))
        self.market.hold(found == ("completed", result), f"{topic}: {found} instead of {result}")
