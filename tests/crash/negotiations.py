"""Negotiations under load: offers from both sides at once, an acceptance, the next session."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Any

from specs.amounts import average, format_amount
from specs.signing import signed_bytes
from tests.crash.marketplace import Agent, File, Marketplace
from tests.crash.phoenix import Client, Gone, Refusal

OFFERS = 3
OVER = {"topic": "$topic", "event": "$event", "amount": "$payload.amount"}


class Session:
    """One session: what each side has offered, what was confirmed, and what was agreed."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.offers: dict[str, list[str]] = {"client": [], "provider": []}
        self.confirmed = {"client": 0, "provider": 0}
        self.accepted: str | None = None
        self.agreed: str | None = None


class Negotiation:
    """A pair of agents and the sessions of the present round."""

    def __init__(self, market: Marketplace, name: str) -> None:
        self.market = market
        self.name = name
        self.sessions: dict[str, Session] = {}
        self.agreed: dict[str, str] = {}

    async def make(self) -> None:
        """Register the pair."""
        self.agents: dict[str, Agent] = {
            role: await self.market.agent(f"{self.name}-{role}") for role in ("client", "provider")
        }

    async def connect(self) -> None:
        """Connect."""
        self.seats: dict[str, Client] = {}
        for role, other in (("client", "provider"), ("provider", "client")):
            self.seats[role] = await self.market.client(self.agents[role], self.told_of(other))

    def told_of(self, other: str) -> Any:
        """Return what takes the other's offers and the agreement."""

        def told(topic: str, event: str, payload: Any) -> None:
            session = self.sessions.get(topic)
            if session is not None and event == "offer":
                self.confirm(session, other, payload["amount"])
            elif session is not None and event == "negotiation_complete":
                session.agreed = payload["amount"]
                self.market.seen()

        return told

    async def load(self) -> None:
        """Negotiate one session after the other until the connection ends."""
        with suppress(Gone):
            while not self.seats["client"].is_gone:
                topic = await self.market.resource("negotiation", self.agents, base_price="100")
                session = self.sessions[topic] = Session(topic)
                await self.negotiate(session)

    async def negotiate(self, session: Session) -> None:
        """Let both sides offer at once, then one accept the average."""
        for client in self.seats.values():
            await client.join(session.topic)
        replies = [self.offer(session, role) for _ in range(OFFERS) for role in self.seats]
        await asyncio.gather(*replies)
        middle = average(*(Decimal(offers[-1]) for offers in session.offers.values()))
        session.accepted = format_amount(middle)

        def agreed(_: Any) -> None:
            session.agreed = session.accepted
            self.market.seen()

        role = self.market.random.choice(("client", "provider"))
        await self.push(session, role, "accept", session.accepted, agreed)

    def offer(self, session: Session, role: str) -> Any:
        """Make an offer that differs from all others of the session."""
        made = sum(map(len, session.offers.values()))
        amount = f"{self.market.random.randint(50, 150)}.{made + 1:02}"
        session.offers[role].append(amount)
        return self.push(session, role, "offer", amount, lambda _: self.confirm(session, role, amount))

    def confirm(self, session: Session, role: str, amount: str) -> None:
        """Take note that an offer was taken."""
        session.confirmed[role] = max(session.confirmed[role], session.offers[role].index(amount) + 1)
        self.market.seen()

    def push(self, session: Session, role: str, event: str, amount: str, told: Any) -> Any:
        """Send a signed event."""
        payload = {"amount": amount}
        data = signed_bytes(OVER, topic=session.topic, event=event, payload=payload)
        signature = self.agents[role].keys.sign(data)
        return self.seats[role].push(session.topic, event, {**payload, "signature": signature}, told)

    # What must be so after a crash.

    def check_file(self, file: File) -> None:
        """Look for every session that was confirmed, and for every agreement of former rounds."""
        for topic in self.sessions:
            rows = file.rows("SELECT state FROM resources WHERE topic = ?", topic)
            self.market.hold(len(rows) == 1, f"{topic}: was confirmed and is lost")
        query = "SELECT state, json_extract(data, '$.agreed_amount') FROM resources WHERE topic = ?"
        for topic, amount in self.agreed.items():
            rows = file.rows(query, topic)
            self.market.hold(rows == [("agreed", amount)], f"{topic}: {rows} although {amount} was agreed")

    async def check_wire(self) -> None:
        """Ask how every session of the round stands."""
        for session in self.sessions.values():
            try:
                found = (await self.seats["client"].join(session.topic))["session"]
            except Refusal as refusal:
                self.market.hold(False, f"{session.topic}: cannot be joined: {refusal}")
                continue
            self.check(session, found)
        self.sessions.clear()

    def check(self, session: Session, found: Any) -> None:
        """Hold a session against what was seen of it."""
        for role, offers in session.offers.items():
            possible = [None] * (not session.confirmed[role]) + offers[max(0, session.confirmed[role] - 1) :]
            offer = found["offers"].get(role)
            # An offer is written in its shortest form.
            is_possible = any(
                offer == each or (each and offer and Decimal(offer) == Decimal(each)) for each in possible
            )
            self.market.hold(is_possible, f"{session.topic}: offer of {role} {offer} instead of {possible}")
            made, fewest = found["offer_counts"].get(role, 0), session.confirmed[role]
            is_possible = fewest <= made <= len(offers) and bool(made) == (offer is not None)
            self.market.hold(is_possible, f"{session.topic}: {made} offers of {role}, {fewest} confirmed")
        agreed = found.get("agreed_amount")
        if session.agreed is not None:
            is_so = (found["status"], agreed) == ("agreed", session.accepted)
            self.market.hold(is_so, f"{session.topic}: {found} although {session.accepted} was agreed")
        elif agreed is not None:
            self.market.hold(agreed == session.accepted, f"{session.topic}: nobody has accepted {agreed}")
        is_agreed = found["status"] == "agreed"
        self.market.hold(is_agreed == (agreed is not None), f"{session.topic}: half an agreement: {found}")
        if agreed is not None:
            self.agreed[session.topic] = agreed
