"""The vocabulary of a history: what participants did and saw, in the order in which it was recorded.

The order is the contract. An invocation is recorded before its frame is sent, an answer or an event after it has arrived; so a fact
that stands before an invocation really came before it, and nothing more is assumed between connections. A history holds all
connections of the agents that it names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

Status = Literal["ok", "error", "unknown"]
"""`unknown`: timed out, or the connection or channel was lost; the push may have happened, or may happen later."""


class Made(NamedTuple):
    """A resource was made for this history: nothing has happened on its topic before."""

    topic: str
    roles: Mapping[str, str]
    """Agent id by role."""
    params: Mapping[str, Any]
    """What it was made with, such as the balances of a payment channel."""
    at_ns: int | None = None


class Opened(NamedTuple):
    """A participant has opened a connection, whose name is used once in a history."""

    connection: str
    number: int
    """Order of the facts of one connection, rising."""
    agent: str
    at_ns: int | None = None
    """Monotonic time, for whoever reads a finding; nothing is judged by it."""


class Invoked(NamedTuple):
    """A participant is about to send a push, a join (`phx_join`) or a leave (`phx_leave`)."""

    connection: str
    number: int
    topic: str
    call: int
    """Names the call on its connection until it is answered."""
    event: str
    payload: Any
    at_ns: int | None = None


class Answered(NamedTuple):
    """The outcome of a call, once. Of a leave: that the channel is over, or that nobody knows."""

    connection: str
    number: int
    topic: str
    call: int
    status: Status
    response: Any = None
    at_ns: int | None = None


class Received(NamedTuple):
    """A connection was sent an event: a relay, a broadcast or a push of the server, but no reply and none of `phx_*`."""

    connection: str
    number: int
    topic: str
    event: str
    payload: Any
    at_ns: int | None = None


class Left(NamedTuple):
    """The present join of a topic has ended: `phx_close` or `phx_error` of that join, asked for or not."""

    connection: str
    number: int
    topic: str
    at_ns: int | None = None


class Ended(NamedTuple):
    """A connection is over, whoever closed it; its open calls have no known outcome."""

    connection: str
    number: int
    at_ns: int | None = None


class Settled(NamedTuple):
    """Whoever observes has made sure (by a barrier) that nothing of answered calls is still on its way on a topic.

    Only behind it can a rule say that something is missing. Calls without a known outcome may still have effects.
    """

    topic: str
    at_ns: int | None = None


Fact = Made | Opened | Invoked | Answered | Received | Left | Ended | Settled


class Recorder:
    """Writes a history: numbers the facts of each connection and hands every fact on at once."""

    def __init__(self, sink: Callable[[Fact], object]) -> None:
        self._sink = sink
        self._numbers: Counter[str] = Counter()
        self._calls = 0

    def made(
        self, topic: str, roles: Mapping[str, str], params: Mapping[str, Any], at_ns: int | None = None
    ) -> None:
        """Record that a resource was made."""
        self._sink(Made(topic, roles, params, at_ns))

    def opened(self, connection: str, agent: str, at_ns: int | None = None) -> None:
        """Record that an agent has opened a connection."""
        self._sink(Opened(connection, self._next(connection), agent, at_ns))

    def invoked(
        self, connection: str, topic: str, event: str, payload: Any, at_ns: int | None = None
    ) -> Invoked:
        """Record, before it is sent, a push; what is returned names the call for `answered`."""
        self._calls += 1
        fact = Invoked(connection, self._next(connection), topic, self._calls, event, payload, at_ns)
        self._sink(fact)
        return fact

    def answered(self, call: Invoked, status: Status, response: Any = None, at_ns: int | None = None) -> None:
        """Record the outcome of a call."""
        number = self._next(call.connection)
        self._sink(Answered(call.connection, number, call.topic, call.call, status, response, at_ns))

    def received(
        self, connection: str, topic: str, event: str, payload: Any, at_ns: int | None = None
    ) -> None:
        """Record an event that has arrived."""
        self._sink(Received(connection, self._next(connection), topic, event, payload, at_ns))

    def left(self, connection: str, topic: str, at_ns: int | None = None) -> None:
        """Record the end of the present join."""
        self._sink(Left(connection, self._next(connection), topic, at_ns))

    def ended(self, connection: str, at_ns: int | None = None) -> None:
        """Record the end of a connection."""
        self._sink(Ended(connection, self._next(connection), at_ns))
        del self._numbers[connection]

    def settled(self, topic: str, at_ns: int | None = None) -> None:
        """Record that nothing of answered calls is still on its way."""
        self._sink(Settled(topic, at_ns))

    def _next(self, connection: str) -> int:
        self._numbers[connection] += 1
        return self._numbers[connection]
