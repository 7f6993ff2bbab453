"""Payment channels under load: proposals from both sides, acknowledged and rejected as they come, in hundreds."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from decimal import Decimal
from itertools import count
from typing import Any

from specs.signing import signed_bytes
from tests.crash.marketplace import Agent, File, Marketplace
from tests.crash.phoenix import Client, Gone, Refusal

BALANCE = Decimal(1000)
IN_FLIGHT = 6
REPLAYS = 12
ROW = """SELECT balance_a, balance_b, executed_nonce,
    coalesce(json_extract(data, '$.transfers'), 0), coalesce(json_extract(data, '$.unexecuted'), 0)
    FROM resources WHERE topic = ?"""
OVER = {
    "topic": "$topic",
    "event": "$event",
    "amount": "$payload.amount",
    "nonce": "$payload.nonce",
}


class PaymentChannel:
    """A channel, and all that its parties have sent and seen, over all rounds."""

    def __init__(self, market: Marketplace, name: str, seats_of_b: int) -> None:
        self.market = market
        self.name = name
        self.seats_of_b = seats_of_b
        self.nonces = count(1)
        self.sent: dict[int, dict[str, str]] = {}
        self.proposed: set[int] = set()
        self.executed: set[int] = set()
        self.rejected: set[int] = set()
        self.answered: set[int] = set()

    async def make(self) -> None:
        """Register the parties and open the channel."""
        self.agents: dict[str, Agent] = {
            role: await self.market.agent(f"{self.name}-{role}") for role in ("a", "b")
        }
        self.topic = await self.market.resource(
            "payment", self.agents, balance_a=str(BALANCE), balance_b=str(BALANCE)
        )

    async def connect(self) -> None:
        """Connect and join; party b may have several sockets, which then all acknowledge at once."""
        self.seats: list[tuple[str, Client]] = []
        self.balances: list[dict[str, str]] = []
        for role in ("a", *("b" * self.seats_of_b)):
            client = await self.market.client(self.agents[role], self.told_to(role))
            self.seats.append((role, client))
            self.balances.append((await client.join(self.topic))["channel"])

    def told_to(self, role: str) -> Any:
        """Return what takes the relays and broadcasts of a party."""

        def told(_topic: str, event: str, payload: Any) -> None:
            if event == "propose_transfer":
                self.market.seen(self.proposed.add(payload["nonce"]))
                self.answer(role, payload)
            elif event == "transfer_complete":
                self.market.seen(self.executed.add(payload["nonce"]))

        return told

    async def load(self) -> None:
        """Propose from both sides until the connection ends."""
        with suppress(Gone):
            await asyncio.gather(*(self.propose_on(*seat) for seat in self.seats[:2]))

    async def propose_on(self, role: str, client: Client) -> None:
        """Keep some proposals in flight."""
        window = asyncio.Semaphore(IN_FLIGHT)
        while not client.is_gone:
            await window.acquire()
            amount = str(self.market.random.choice(("0.01", "1", "0.12345678", "2.5")))
            reply = self.propose(role, client, next(self.nonces), amount)
            reply.add_done_callback(lambda _: window.release())

    def propose(self, role: str, client: Client, nonce: int, amount: str) -> Any:
        """Send a proposal."""
        self.sent.setdefault(nonce, {"by": role, "amount": amount})
        return client.push(
            self.topic,
            "propose_transfer",
            self.signed(role, "propose_transfer", nonce, amount),
            lambda _: self.market.seen(self.proposed.add(nonce)),
        )

    def answer(self, role: str, proposal: Any) -> None:
        """Acknowledge most proposals on every socket of the party, reject some, leave some."""
        nonce, lot = proposal["nonce"], self.market.random.random()
        if lot < 0.05:
            return
        for holder, client in self.seats:
            if holder == role and (lot < 0.85 or nonce in self.answered):
                self.acknowledge(role, client, nonce)
            elif holder == role:
                client.push(
                    self.topic,
                    "reject_transfer",
                    {"reason": "no", "nonce": nonce},
                    lambda _: self.market.seen(self.rejected.add(nonce)),
                )
        self.answered.add(nonce)

    def acknowledge(self, role: str, client: Client, nonce: int) -> Any:
        """Send an acknowledgement of the amount that was proposed."""
        return client.push(
            self.topic,
            "acknowledge_transfer",
            self.signed(role, "acknowledge_transfer", nonce, self.sent[nonce]["amount"]),
            lambda _: self.market.seen(self.executed.add(nonce)),
        )

    def signed(self, role: str, event: str, nonce: int, amount: str) -> dict[str, Any]:
        """Return a signed payload."""
        payload = {"amount": amount, "nonce": nonce}
        data = signed_bytes(OVER, topic=self.topic, event=event, payload=payload)
        return {**payload, "signature": self.agents[role].keys.sign(data)}

    # What must be so after a crash.

    def check_file(self, file: File) -> None:
        """Hold what was seen against what stands in the file, which then counts as seen."""
        pending = self.entries(file, "proposals")
        history = self.entries(file, "transfers")
        hold, where = self.market.hold, self.topic
        for nonce in self.proposed - pending.keys() - history.keys():
            hold(False, f"{where}: proposal {nonce} was confirmed and is lost")
        for status, seen in (("executed", self.executed), ("rejected", self.rejected)):
            for nonce in seen:
                found = history.get(nonce, {}).get("status")
                hold(found == status, f"{where}: transfer {nonce} was seen {status} and is {found}")
        for nonce, row in [*pending.items(), *history.items()]:
            of = {name: row.get(name) for name in ("by", "amount")}
            hold(of == self.sent.get(nonce), f"{where}: nobody has proposed {nonce} as {row}")
        hold(not pending.keys() & history.keys(), f"{where}: a proposal is pending and settled")
        done = {nonce for nonce, row in history.items() if row["status"] == "executed"}
        rows = file.rows("SELECT nonce FROM executions WHERE topic = ?", self.topic)
        hold({nonce for (nonce,) in rows} == done, f"{where}: executions and transfers differ")
        row = next(iter(file.rows(ROW, self.topic)), None)
        if row is None:
            hold(False, f"{where}: the channel was confirmed and is lost")
            return
        self.flow = {
            by: sum((Decimal(history[n]["amount"]) for n in done if history[n]["by"] == by), Decimal(0))
            for by in "ab"
        }
        self.expected = (
            BALANCE - self.flow["a"] + self.flow["b"],
            BALANCE + self.flow["a"] - self.flow["b"],
        )
        hold(tuple(map(Decimal, row[:2])) == self.expected, f"{where}: {row} is not explained by transfers")
        hold(row[2] == max(done, default=0), f"{where}: highest executed nonce {row[2]}")
        counts = (len(done), len(history) - len(done))
        hold(row[3:] == counts, f"{where}: {row[3:]} transfers executed and not instead of {counts}")
        self.proposed |= pending.keys() | history.keys()
        self.executed |= done
        self.rejected |= history.keys() - done
        self.pending, self.history = pending, history

    def entries(self, file: File, collection: str) -> dict[int, dict[str, str]]:
        """Return a collection by nonce."""
        query = "SELECT number, value FROM entries WHERE topic = ? AND collection = ?"
        return {number: json.loads(value) for number, value in file.rows(query, self.topic, collection)}

    async def check_wire(self) -> None:
        """Hold the server's answers against the file, replay what was executed, and settle what is pending."""
        for channel in self.balances:
            self.hold_balances("after the restart", channel)
        await self.check_replays()
        await self.check_revenue()
        role_of = {"a": "b", "b": "a"}
        for nonce, row in self.pending.items():
            role = role_of[row["by"]]
            client = next(client for holder, client in self.seats if holder == role)
            try:
                await self.acknowledge(role, client, nonce)
            except Refusal as refusal:
                self.market.hold(False, f"{self.topic}: pending {nonce} cannot be executed: {refusal}")

    async def check_replays(self) -> None:
        """Propose and acknowledge again what was executed; nothing may come of it."""
        executed = sorted(self.executed)
        chosen = {*executed[-REPLAYS:], *self.market.random.sample(executed, min(REPLAYS, len(executed)))}
        attempts = []
        for nonce in sorted(chosen):
            row = self.history.get(nonce, self.sent[nonce])
            for role, client in self.seats:
                if role == row["by"]:
                    attempts.append((nonce, "stale_nonce", self.propose(role, client, nonce, row["amount"])))
                else:
                    attempts.append((nonce, "unknown_transfer", self.acknowledge(role, client, nonce)))
        for nonce, reason, attempt in attempts:
            try:
                await attempt
                self.market.hold(False, f"{self.topic}: {nonce} was taken again ({reason} expected)")
            except Refusal as refusal:
                self.market.hold(str(refusal) == reason, f"{self.topic}: {nonce} replayed: {refusal}")
            except Gone:
                self.market.hold(False, f"{self.topic}: the server ended over the replayed nonce {nonce}")
                raise
        for _, client in self.seats:
            self.hold_balances("after replays", (await client.join(self.topic))["channel"])

    async def check_revenue(self) -> None:
        """Compare the analytics of each party with the transfers that it was paid by."""
        for role, client in (self.seats[0], self.seats[-1]):
            topic = f"analytics:agent:{self.agents[role].id}"
            await client.join(topic)
            told = await client.push(topic, "request_revenue", {"period": "24h"})
            paid = [row for row in self.history.values() if row["status"] == "executed" and row["by"] != role]
            expected = (sum((Decimal(row["amount"]) for row in paid), Decimal(0)), len(paid))
            found = (Decimal(told["revenue"]), told["transfers"])
            self.market.hold(found == expected, f"{topic}: revenue {found} instead of {expected}")

    def hold_balances(self, when: str, channel: dict[str, str]) -> None:
        """Compare balances with those that the file explains."""
        found = (Decimal(channel["balance_a"]), Decimal(channel["balance_b"]))
        self.market.hold(
            found == self.expected, f"{self.topic} {when}: balances {found} instead of {self.expected}"
        )
