"""What all agents of one process share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol

from loadgen.client.timers import Timers
from loadgen.measure.statistics import Figures, Statistics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadgen.client.entries import Note
    from loadgen.client.route import Route
    from specs.model import Api

TICKS_A_S: Final = 100
FLUSH_EVERY: Final = 5
"""Ticks between two times that recorded values are counted: many at once would take too long."""


class UnknownTopic(Exception):
    """A scenario deals with a topic that is in no document."""


class Ticking(Protocol):
    """Who wants to be called once a second."""

    number: int

    def tick(self, at_us: int) -> None:
        """Do what is due."""


@dataclass(slots=True)
class Site:
    """What agents share: how to get to the server, what time it is, where figures go.

    Attributes:
        note: Takes down what agents do and see; None where nobody judges it.
        heartbeat_s: How often each agent sends one.
        reply_s: How long an answer is waited for.
        losses: Connections lost or not opened, by reason.

    """

    api: Api
    route: Route
    timers: Timers = field(default_factory=Timers)
    statistics: Statistics = field(default_factory=Statistics)
    note: Note | None = None
    heartbeat_s: float = 30.0
    reply_s: float = 10.0
    losses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """What has gone wrong in the scenario itself, each once."""
    open_count: int = 0
    """Connections that are open."""
    _least_open: int = 0
    _most_open: int = 0
    pace_us: float = 0.0
    """Between two connections that are opened, at first or again."""
    _latest_turn_us: int = 0
    _figures: dict[str, dict[str, Figures]] = field(default_factory=dict)
    _rounds: list[dict[Ticking, None]] = field(default_factory=lambda: [{} for _ in range(TICKS_A_S)])
    _round: int = 0
    _is_ticking: bool = False

    def opened(self) -> None:
        """Count a connection that has opened."""
        self.open_count += 1
        self._most_open = max(self._most_open, self.open_count)

    def lost(self) -> None:
        """Count a connection that is over."""
        self.open_count -= 1
        self._least_open = min(self._least_open, self.open_count)

    def take_extremes(self) -> tuple[int, int]:
        """Return how many connections were open at least and at most since the last call."""
        least, most = self._least_open, self._most_open
        self._least_open = self._most_open = self.open_count
        return least, most

    def look_after(self, agent: Ticking) -> None:
        """Call the agent's `tick` once a second; who comes at once is spread over the second."""
        self._rounds[agent.number % TICKS_A_S][agent] = None
        if not self._is_ticking:
            self._is_ticking = True
            self.timers.after(1 / TICKS_A_S, self._tick)

    def let_go(self, agent: Ticking) -> None:
        """Call it no more."""
        self._rounds[agent.number % TICKS_A_S].pop(agent, None)

    def agents(self) -> Iterator[Any]:
        """Yield all agents that are looked after: that are connected, or come back."""
        return chain.from_iterable(self._rounds)

    def _tick(self, due_us: int) -> None:
        # What was missed is not made up for: a process that is out of breath would never be done with it.
        self.timers.at(max(due_us + 1_000_000 // TICKS_A_S, self.timers.now_us()), self._tick)
        self._round = (self._round + 1) % TICKS_A_S
        if self._round % FLUSH_EVERY == 0:
            self.statistics.flush()
        agents = self._rounds[self._round]
        for agent in tuple(agents) if agents else ():
            agent.tick(due_us)

    def turn_us(self) -> int:
        """Return when one more connection may be opened, and take that turn; who comes back takes one like who comes first."""
        self._latest_turn_us = max(self._latest_turn_us + round(self.pace_us), self.timers.now_us())
        return self._latest_turn_us

    def figures_by_event(self, family: str) -> dict[str, Figures]:
        """Return the figures of a family's events that were asked for so far."""
        return self._figures.setdefault(family, {})

    def family_of(self, topic: str) -> Any:
        """Return the family of a topic.

        Raises:
            UnknownTopic: If the documents have none.

        """
        for family in self.api.topics.values():
            if family.matches(topic):
                return family
        raise UnknownTopic(f"the documents have no topic like {topic!r}; --spec DIR names others")
