"""Messages under load: the operator sends, agents acknowledge and reject as they come; and agents that register meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from tests.crash.marketplace import Agent, File, Marketplace
from tests.crash.phoenix import Client, Gone

IN_FLIGHT = 4
NEWCOMERS = 3
REASON = "no"


class Inbox:
    """An agent's messages: sent, confirmed or seen, answered, and confirmed as answered."""

    def __init__(self, market: Marketplace, name: str) -> None:
        self.market = market
        self.name = name
        self.sent = 0
        self.known: dict[str, int] = {}
        self.answered: set[str] = set()
        self.settled: set[str] = set()

    async def make(self) -> None:
        """Register the agent."""
        self.agent: Agent = await self.market.agent(self.name)
        self.topic = f"messages:{self.agent.id}"

    async def connect(self) -> None:
        """Connect and join; what is delivered again has come when a heartbeat is answered."""
        self.is_joining, self.delivered = True, list[tuple[str, int]]()
        self.client: Client = await self.market.inbox_client(self.agent, self.told)
        await self.client.join(self.topic)
        await self.client.push("phoenix", "heartbeat", {})
        self.is_joining = False

    def told(self, _topic: str, event: str, payload: Any) -> None:
        """Take a message."""
        if event != "new_message":
            return
        if self.is_joining:
            self.delivered.append((payload["id"], payload["payload"]["n"]))
            return
        self.market.seen(self.known.update({payload["id"]: payload["payload"]["n"]}))
        lot = self.market.random.random()
        if lot < 0.8:
            self.answer(payload["id"], "acknowledge" if lot < 0.6 else "reject")

    def answer(self, message_id: str, event: str) -> Any:
        """Acknowledge or reject."""
        self.answered.add(message_id)
        payload = {"message_id": message_id, **({"reason": REASON} if event == "reject" else {})}
        return self.client.push(
            self.topic, event, payload, lambda _: self.market.seen(self.settled.add(message_id))
        )

    async def load(self) -> None:
        """Send until the connection ends."""
        window = asyncio.Semaphore(IN_FLIGHT)
        operator = self.market.operator
        with suppress(Gone):
            while not operator.is_gone:
                await window.acquire()
                self.send(operator).add_done_callback(lambda _: window.release())

    def send(self, operator: Client) -> Any:
        """Send the next message."""
        number, self.sent = self.sent, self.sent + 1
        payload = {"to": self.agent.id, "from_agent_id": "x", "type": "t", "payload": {"n": number}}
        return operator.push(
            "control",
            "send_message",
            payload,
            lambda made: self.market.seen(self.known.update({made["message_id"]: number})),
        )

    # What must be so after a crash.

    def check_file(self, file: File) -> None:
        """Look for every message that was confirmed or seen, and for its answer with the reason."""
        rows = file.rows("SELECT id, status, reason FROM messages WHERE to_agent_id = ?", self.agent.id)
        statuses = {message_id: status for message_id, status, _ in rows}
        for message_id, status, reason in rows:
            expected = REASON if status == "rejected" else None
            self.market.hold(reason == expected, f"{self.topic}: {message_id} is {status} because {reason}")
        for message_id in self.known.keys() - statuses.keys():
            self.market.hold(False, f"{self.topic}: message {message_id} was confirmed and is lost")
        for message_id in self.settled:
            is_so = statuses.get(message_id) in {"acknowledged", "rejected"}
            self.market.hold(
                is_so, f"{self.topic}: {message_id} was answered and is {statuses.get(message_id)}"
            )

    async def check_wire(self) -> None:
        """Compare what is delivered again with what must and what may be."""
        delivered = dict(self.delivered)
        hold = self.market.hold
        hold(len(delivered) == len(self.delivered), f"{self.topic}: a message came twice")
        numbers = [number for _, number in self.delivered]
        hold(numbers == sorted(numbers), f"{self.topic}: not oldest first")
        for message_id in self.known.keys() - self.answered - delivered.keys():
            hold(False, f"{self.topic}: {message_id} was never answered and is not delivered again")
        for message_id in self.settled & delivered.keys():
            hold(False, f"{self.topic}: {message_id} was answered and is delivered again")
        for message_id, number in delivered.items():
            is_so = self.known.get(message_id, number) == number < self.sent
            hold(is_so, f"{self.topic}: {message_id} was never sent so")
        # By now it is certain which answers were taken.
        self.settled |= self.answered - delivered.keys()
        self.known.update(delivered)
        self.answered -= delivered.keys()
        await asyncio.gather(*(self.answer(message_id, "acknowledge") for message_id in delivered))


class Newcomers:
    """Agents that register under load."""

    def __init__(self, market: Marketplace) -> None:
        self.market = market
        self.agents: list[Agent] = []
        self.tried = 0

    async def make(self) -> None:
        """Nobody is there yet."""

    async def connect(self) -> None:
        """Nobody is connected."""

    async def load(self) -> None:
        """Register one after the other until the connection ends."""
        with suppress(Gone):
            while not self.market.operator.is_gone:
                self.tried += 1
                self.market.seen(self.agents.append(await self.market.agent(f"newcomer-{self.tried}")))

    def check_file(self, file: File) -> None:
        """Look for every one."""
        kept = dict(file.rows("SELECT id, api_key FROM agents"))
        for agent in self.agents:
            is_so = kept.get(agent.id) == agent.api_key
            self.market.hold(is_so, f"{agent.id} was registered and is not known with its key")

    async def check_wire(self) -> None:
        """Let the last ones in."""
        for agent in self.agents[-NEWCOMERS:]:
            try:
                await self.market.client(agent)
            except Exception as exc:  # noqa: BLE001 - whatever the refusal
                self.market.hold(False, f"{agent.id} is not let in: {exc}")
