"""The way back of an agent whose connection was lost: by exponential backoff, and in its turn among all who connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from loadgen.client.backoff import Backoff

if TYPE_CHECKING:
    from loadgen.client.site import Site


class Away(Protocol):
    """The agent, as far as it is needed here."""

    site: Site

    @property
    def is_away(self) -> bool:
        """Whether it has no connection and wants one."""

    def connect(self, intended_us: int = 0) -> object:
        """Connect."""


class Comeback:
    """One way back, until there is a connection; what is tried in vain is tried again later."""

    __slots__ = ("_agent", "_backoff")

    def __init__(self, agent: Away) -> None:
        self._agent = agent
        self._backoff = Backoff()

    def begin(self) -> None:
        """Connect after the next wait, unless the agent is back or gone by then."""
        self._agent.site.timers.after(self._backoff.next_s(), self._take_turn)

    def _take_turn(self, _due_us: int) -> None:
        if self._agent.is_away:
            self._agent.site.timers.at(self._agent.site.turn_us(), self._connect)

    def _connect(self, due_us: int) -> None:
        if self._agent.is_away:
            self._agent.connect(due_us)
