"""Joins the topics of one agent again, after a reconnect or the crash of a channel, until all are joined."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from loadgen.client.clock import now_us

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.client.calls import Call, Request
    from loadgen.client.channel import Channel
    from loadgen.client.site import Site
    from specs.session import Session

#: The figures under which it is kept how long agents were away: from the loss of the connection until all topics are joined again.
RECOVERY: Final = "recovery"
AGAIN_S: Final = 1.0
"""How long after a refused join it is tried again."""


class Rejoining(Protocol):
    """The agent, as far as it is needed here."""

    site: Site
    session: Session
    channels: dict[str, Channel]

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""

    def rejoin(self, channel: Channel, on_answer: Callable[[Call], object]) -> Request:
        """Ask to join a topic again."""


class Rejoins:
    """What one agent has to join again.

    Attributes:
        lost_at_us: When the connection was lost that it has not recovered from.

    """

    __slots__ = ("_agent", "_family", "_open", "_unanswered", "lost_at_us")

    def __init__(self, agent: Rejoining, family: str) -> None:
        self._agent = agent
        self._family = family
        self._open = 0
        self._unanswered: set[str] = set()
        self.lost_at_us: int | None = None

    def begin(self, _due_us: int = 0) -> None:
        """Join again what is to be joined again; nothing as long as that goes on."""
        agent = self._agent
        if self._open or not agent.is_open:
            return
        topics = self._topics()
        self._unanswered.clear()
        self._open = len(topics)
        for topic in topics:
            channel = agent.channels[topic]
            agent.rejoin(channel, partial(self._answered, channel))
        self._look()

    def _topics(self) -> list[str]:
        channels = self._agent.channels
        # For the session a join is under way until it is answered, however long that takes.
        wanted = dict.fromkeys([*self._agent.session.topics_to_rejoin(), *self._unanswered])
        return [topic for topic in wanted if topic in channels and not channels[topic].is_joined]

    def _answered(self, channel: Channel, call: Call) -> None:
        self._open -= 1
        if call.status == "unknown":
            self._unanswered.add(channel.topic)
        if call.is_ok and channel.on_rejoined is not None:
            channel.on_rejoined(call.response)
        self._look()

    def _look(self) -> None:
        if self._open or not self._agent.is_open:
            return
        if self._topics():
            # Refused, or not answered in time: once more, a little later.
            self._agent.site.timers.after(AGAIN_S, self.begin)
        elif self.lost_at_us is not None:
            self._agent.site.statistics.of(self._family, RECOVERY).took(now_us() - self.lost_at_us)
            self.lost_at_us = None
