"""Rounds of load, kill and restart on one directory."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.crash.inboxes import Inbox, Newcomers
from tests.crash.marketplace import File, Marketplace
from tests.crash.negotiations import Negotiation
from tests.crash.payments import PaymentChannel
from tests.crash.phoenix import Gone
from tests.crash.tasks import Task

HONEST = ("-m", "wireproof", "serve")
FEWEST_SOCKETS = 20
SHORTEST_LOAD_S, LONGEST_LOAD_S = 0.02, 0.4


async def run(
    directory: Path, rounds: int, seed: int, *options: str, command: tuple[str, ...] = HONEST
) -> Marketplace:
    """Kill a server under load so many times; return what was found.

    Args:
        directory: Holds the ledger, which stays over all rounds, and a copy of it.
        rounds: How many times to kill.
        seed: Draws the moments and the load.
        options: Of the server.
        command: What runs the server.

    """
    market = Marketplace(directory / "data", command, options, random.Random(seed))  # noqa: S311
    subjects = [
        *(PaymentChannel(market, f"payment-{n}", seats_of_b=1 + n % 2) for n in range(6)),
        *(Task(market, f"task-{n}") for n in range(3)),
        *(Negotiation(market, f"negotiation-{n}") for n in range(2)),
        *(Inbox(market, f"inbox-{n}") for n in range(3)),
        Newcomers(market),
    ]
    market.start()
    try:
        await market.join_control()
        for subject in subjects:
            await subject.make()
        await asyncio.gather(*(subject.connect() for subject in subjects))
        for _ in range(rounds):
            assert len(market.sockets) >= FEWEST_SOCKETS
            await load_and_kill(market, subjects)
            file = File(market.directory, directory / "copy")
            market.hold(file.is_whole(), "SQLite finds the file damaged")
            for subject in subjects:
                subject.check_file(file)
            if market.findings:
                break
            market.start()
            await market.join_control()
            await asyncio.gather(*(subject.connect() for subject in subjects))
            checks = (subject.check_wire() for subject in subjects)
            for fault in filter(None, await asyncio.gather(*checks, return_exceptions=True)):
                if not isinstance(fault, Gone):
                    raise fault
                market.hold(False, "the server ended while it was checked")
            if market.findings:
                break
    finally:
        await market.clear()
        market.process.kill()
        market.process.communicate()
    return market


async def load_and_kill(
    market: Marketplace, subjects: list[PaymentChannel | Task | Negotiation | Inbox | Newcomers]
) -> None:
    """Run all of the load, and end the server in the midst of it."""
    loads = [asyncio.create_task(subject.load()) for subject in subjects]
    await asyncio.sleep(market.random.uniform(SHORTEST_LOAD_S, LONGEST_LOAD_S))
    await asyncio.to_thread(market.kill)
    await asyncio.gather(*loads)
    # What had reached the clients was seen, also what they read only now.
    while not all(client.is_gone for client in market.sockets):  # noqa: ASYNC110 - they end by themselves
        await asyncio.sleep(0.001)
    await market.clear()
