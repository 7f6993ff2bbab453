"""The history checker: how many operations it judges in a second of CPU time, whatever the length of the history.

An operation is a push with its answer and all that it causes to arrive. Histories of payment channels, tasks, negotiations and
messages, of many topics in turn and settled now and then, as a load test records them: each agent on one connection, but for
the row that says otherwise. None of them breaks anything, which is made sure of. The garbage collector is set as in the judge of a
load run.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any

from report import Row, finish, parser
from target import CannotMeasure

from loadgen.judging.judge import collect_rarely
from specs.history.checker import Checker
from specs.history.facts import Fact, Invoked, Recorder
from specs.loader import load

API = load()
BAR = "50,000"
SETTLED_EVERY = 100


class Told:
    """A history as it is told."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.record = Recorder(self.facts.append)
        self.operations = 0

    def enter(self, topic: str, *connections: tuple[str, str], response: Any = None) -> None:
        """Let agents connect and join."""
        for connection, agent in connections:
            self.record.opened(connection, agent)
            self.record.answered(self.record.invoked(connection, topic, "phx_join", {}), "ok", response or {})

    def push(self, connection: str, topic: str, event: str, payload: Any) -> Invoked:
        """Send a push."""
        self.operations += 1
        return self.record.invoked(connection, topic, event, payload)


def payment(told: Told, number: int | str, count: int, *, each: int = 1) -> Iterator[None]:
    """Yield after each transfer: proposed, acknowledged, told to all connections of both parties."""
    number = f"{number}-{each}"
    topic, a, b = f"payment:{number}", f"a{number}", f"b{number}"
    of_a, of_b = ([f"{agent}/{index}" for index in range(each)] for agent in (a, b))
    told.record.made(topic, {"a": a, "b": b}, {"balance_a": "1000000", "balance_b": "0"})
    told.enter(topic, *((name, a) for name in of_a), *((name, b) for name in of_b))
    for nonce in range(1, count + 1):
        signed = {"amount": "0.5", "nonce": nonce, "signature": "c2ln"}
        call = told.push(of_a[0], topic, "propose_transfer", signed)
        for connection in of_b:
            told.record.received(connection, topic, "propose_transfer", {**signed, "from": a})
        told.record.answered(call, "ok", {})
        call = told.push(of_b[-1], topic, "acknowledge_transfer", signed)
        moved = Decimal("0.5") * nonce
        balances = {"balance_a": str(Decimal(1000000) - moved), "balance_b": str(moved)}
        for connection in (*of_a, *of_b):
            complete = {"channel_id": number, "nonce": nonce, "amount": "0.5", **balances}
            told.record.received(connection, topic, "transfer_complete", complete)
        told.record.answered(call, "ok", {})
        if nonce % SETTLED_EVERY == 0:
            told.record.settled(topic)
        yield


def task(told: Told, number: int, count: int) -> Iterator[None]:
    """Yield after a chunk of input and one of output."""
    topic, c, p = f"task:{number}", f"c{number}", f"p{number}"
    told.record.made(topic, {"client": c, "provider": p}, {})
    told.enter(topic, (c, c), (p, p))
    for seq in range(count):
        for sender, receiver, event in ((c, p, "input_stream"), (p, c, "output_stream")):
            payload = {"chunk": "It was a bright cold day in April", "seq": seq}
            call = told.push(sender, topic, event, payload)
            told.record.received(receiver, topic, event, dict(payload))
            told.record.answered(call, "ok", {})
        if seq % SETTLED_EVERY == 0:
            told.record.settled(topic)
        yield


def negotiation(told: Told, number: int, count: int) -> Iterator[None]:
    """Yield after each session: two offers, an agreement."""
    for session in range(count):
        topic, c, p = f"negotiation:{number}-{session}", f"nc{number}-{session}", f"np{number}-{session}"
        told.record.made(topic, {"client": c, "provider": p}, {"base_price": "100"})
        told.enter(topic, (c, c), (p, p))
        for sender, receiver, amount in ((c, p, "80"), (p, c, "90")):
            call = told.push(sender, topic, "offer", {"amount": amount, "signature": "c2ln"})
            offered = {"amount": amount, "signature": "c2ln", "agent_id": sender}
            told.record.received(receiver, topic, "offer", offered)
            told.record.answered(call, "ok", {})
        call = told.push(c, topic, "accept", {"amount": "85", "signature": "c2ln"})
        for receiver in (c, p):
            told.record.received(
                receiver, topic, "negotiation_complete", {"session_id": f"{number}-{session}", "amount": "85"}
            )
        told.record.answered(call, "ok", {})
        told.record.settled(topic)
        for connection in (c, p):
            told.record.ended(connection)
        yield


def messages(told: Told, number: int, count: int) -> Iterator[None]:
    """Yield after each message: sent, delivered, acknowledged."""
    agent, operator = f"m{number}", f"operator{number}"
    topic = f"messages:{agent}"
    told.record.made(topic, {"recipient": agent}, {})
    told.record.opened(operator, "operator")
    told.enter(topic, (agent, agent))
    for each in range(count):
        content = {"type": "notice", "payload": {"text": "hello"}, "from_agent_id": "x"}
        call = told.push(operator, topic, "send_message", content)
        told.record.answered(call, "ok", {"message_id": f"{number}-{each}"})
        delivered = {"id": f"{number}-{each}", "protocol_version": "1.0", "inserted_at": "now", **content}
        told.record.received(agent, topic, "new_message", delivered)
        told.record.answered(
            told.push(agent, topic, "acknowledge", {"message_id": f"{number}-{each}"}), "ok", {}
        )
        if each % SETTLED_EVERY == 0:
            told.record.settled(topic)
        yield


FAMILIES: dict[str, Callable[[Told, int, int], Iterator[None]]] = {
    "payment": payment,
    "payment, two connections each": partial(payment, each=2),
    "task": task,
    "negotiation": negotiation,
    "messages": messages,
}


def history(families: list[str], topics: int, count: int) -> tuple[list[Fact], int]:
    """Return the facts of several topics in turn, and how many operations they are."""
    told = Told()
    tellers = [FAMILIES[family](told, number, count) for family in families for number in range(topics)]
    for _ in range(count):
        for teller in tellers:
            next(teller)
    list(chain.from_iterable(tellers))
    return told.facts, told.operations


def rate(facts: list[Fact], operations: int) -> float:
    """Return how many operations are judged in a CPU second.

    Raises:
        CannotMeasure: If something is found where nothing is.

    """
    checker = Checker(API)
    # The facts are the recorder's: to look through them again and again is no part of judging them.
    collect_rarely()
    before_s = time.process_time()
    checker.feed_all(facts)
    taken_s = time.process_time() - before_s
    gc.unfreeze()
    if checker.findings:
        raise CannotMeasure(f"an innocent history is accused: {checker.findings[0]}")
    return operations / taken_s


async def rows(topics: int, count: int, rounds: int) -> list[Row]:
    """Measure each family alone, all together, and all together in a history ten times as long."""
    measured = []
    for name, families, length in [
        *((family, [family], count) for family in FAMILIES),
        ("all of them", list(FAMILIES), count),
        ("all of them, ten times as long", list(FAMILIES), 10 * count),
    ]:
        facts, operations = history(families, topics, length)
        row = Row(name, "operations/CPU-s", [rate(facts, operations) for _ in range(rounds)], BAR)
        row.notes.update(operations=f"{operations:,}", facts=f"{len(facts):,}")
        measured.append(row)
    return measured


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--topics", type=int, default=10)
    arguments.add_argument("--count", type=int, default=200, help="transfers, chunks, ... on each topic")
    options = arguments.parse_args()
    finish(options, lambda: rows(options.topics, options.count, options.rounds))
