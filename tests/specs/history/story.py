"""Tells a history in a few words: who opens, joins, pushes, is answered, is told."""

from __future__ import annotations

from functools import cache
from typing import Any

from specs.history.checker import Checker
from specs.history.facts import Fact, Invoked, Recorder
from specs.loader import load
from specs.model import Api

TASK, SESSION, CHANNEL, HALL = "task:t1", "negotiation:n1", "payment:p1", "agents:discovery"


@cache
def shipped() -> Api:
    """The shipped documents."""
    return load()


class Story:
    """One history as it is told, with what a checker finds in it."""

    def __init__(self, api: Api | None = None) -> None:
        self.facts: list[Fact] = []
        self.checker = Checker(api or shipped())
        self.record = Recorder(self._take)

    def _take(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.checker.feed(fact)

    @property
    def found(self) -> list[str]:
        """The requirements that were broken, in the order in which that was found."""
        return [finding.requirement for finding in self.checker.findings]

    def task(self) -> Story:
        """Make a task with c (client) and p (provider) joined; further connections of theirs are c2 and p2."""
        self.record.made(TASK, {"client": "client", "provider": "provider"}, {})
        response = {"task": {"id": "t1", "status": "open"}, "checkpoint": None}
        return self.enter(TASK, response, c="client", p="provider")

    def session(self) -> Story:
        """Make a negotiation with c (client) and p (provider) joined, at a base price of 100."""
        self.record.made(SESSION, {"client": "client", "provider": "provider"}, {"base_price": "100"})
        response = {"session": {"id": "n1", "status": "open"}}
        return self.enter(SESSION, response, c="client", p="provider")

    def channel(self) -> Story:
        """Make a payment channel with a (100) and b (50) joined."""
        self.record.made(CHANNEL, {"a": "anna", "b": "bert"}, {"balance_a": "100", "balance_b": "50"})
        return self.enter(CHANNEL, channel("100", "50"), a="anna", b="bert")

    def enter(self, topic: str, response: Any, /, **agents: str) -> Story:
        """Open a connection for each agent and join."""
        for connection, agent in agents.items():
            self.record.opened(connection, agent)
            self.join(connection, topic, response)
        return self

    def join(self, connection: str, topic: str, response: Any = None) -> None:
        """Join and be let in."""
        self.record.answered(self.record.invoked(connection, topic, "phx_join", {}), "ok", response or {})

    def push(self, connection: str, topic: str, event: str, **payload: Any) -> Invoked:
        """Send, and wait for nothing."""
        return self.record.invoked(connection, topic, event, payload)

    def ok(self, call: Invoked, **response: Any) -> None:
        """Answer by ok."""
        self.record.answered(call, "ok", response)

    def error(self, call: Invoked, reason: str = "no") -> None:
        """Answer by error."""
        self.record.answered(call, "error", {"reason": reason})

    def lost(self, call: Invoked) -> None:
        """Let the outcome be unknown."""
        self.record.answered(call, "unknown")

    def done(self, connection: str, topic: str, event: str, **payload: Any) -> Invoked:
        """Send and be answered by ok, with nobody told yet."""
        call = self.push(connection, topic, event, **payload)
        self.ok(call)
        return call

    def refused(self, connection: str, topic: str, event: str, **payload: Any) -> Invoked:
        """Send and be answered by error."""
        call = self.push(connection, topic, event, **payload)
        self.error(call)
        return call

    def told(self, connection: str, topic: str, event: str, **payload: Any) -> None:
        """Let an event arrive."""
        self.record.received(connection, topic, event, payload)

    def settled(self, topic: str) -> list[str]:
        """Let everything have arrived; returns what was found."""
        self.record.settled(topic)
        return self.found


def channel(a: str, b: str, status: str = "open") -> dict[str, Any]:
    """Return what a join of a payment channel is answered."""
    return {"channel": {"id": "p1", "status": status, "balance_a": a, "balance_b": b}}
