"""One agent's membership of one topic, and the pushes on it: the hot path of a load.

Rules of this file: a push and its reply, and a relay that arrives, cost no more than they must; everything that is rare goes through
the session of `specs`.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from loadgen.client.calls import UNSENT, Call, CallFailed, Probe
from loadgen.client.entries import SENT
from loadgen.client.frames import text_frame
from loadgen.client.plays import Awaitable
from loadgen.client.relays import Receiver, relayed_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.client.entries import Note
    from loadgen.client.site import Site
    from loadgen.measure.statistics import Figures
    from specs.model import Topic
    from specs.session import Session

_encode: Final = msgspec.json.Encoder().encode


class TooManyChannels(Exception):
    """An agent was to join more topics than one socket may have."""


class Owner(Protocol):
    """The agent of a channel, as far as a channel needs it."""

    site: Site
    session: Session
    calls: dict[str, Call]
    note: Note | None
    number: int
    agent_id: str
    send: Callable[[bytes], object]
    """Sends a frame; nothing without a connection."""

    def figures(self, family: str, event: str) -> Figures:
        """Return the figures of an event."""

    def figures_by_event(self, family: str) -> dict[str, Figures]:
        """Return the figures of a family's events so far, shared by all its channels."""


MOST_CHANNELS: Final = 100
"""On one socket; more are refused by Phoenix since 1.8.9."""
TOO_LATE: Final = "it has not come in time"
CHANNEL_LOST: Final = "the channel was lost before it came"


class Occurrence(Awaitable):
    """An event that somebody waits for.

    Attributes:
        payload: None where it has not come.
        missed: Why it has not; None as long as it may.

    """

    __slots__ = ("_name", "missed", "payload")

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.payload: Any = None
        self.missed: str | None = None

    def demand(self) -> Any:
        """Return the payload.

        Raises:
            CallFailed: If the event has not come.

        """
        if self.missed is not None:
            raise CallFailed(self._name, self.missed)
        return self.payload

    def miss(self, reason: str) -> None:
        """Take that it does not come."""
        self.missed = reason
        self.done()


class Channel:
    """A topic that an agent has asked to join.

    Attributes:
        audience: Receivers of the other members, so far as they are in this process and joined.
        on_event: By event, what is called with a payload and a time when it arrives.
        on_rejoined: Is called with the join's response after a reconnect.

    """

    __slots__ = (
        "_agent",
        "_figures",
        "_occurrences",
        "_relayed",
        "agent_id",
        "audience",
        "family",
        "is_joined",
        "join_ref",
        "on_event",
        "on_rejoined",
        "receiver",
        "topic",
    )

    def __init__(self, agent: Owner, topic: str, family: Topic) -> None:
        self._agent = agent
        self._figures: dict[str, Figures] = agent.figures_by_event(family.name)
        self._relayed = relayed_events(family)
        self._occurrences: dict[str, list[Occurrence]] | None = None
        self.topic = topic
        self.family = family.name
        self.join_ref: str | None = None
        self.is_joined = False
        self.audience: tuple[Receiver, ...] = ()
        self.on_event: dict[str, Callable[[Any, int], object]] | None = None
        self.on_rejoined: Callable[[Any], object] | None = None
        self.receiver = Receiver(self._relayed) if self._relayed else None
        self.agent_id = agent.agent_id

    def joined(self, join_ref: str | None) -> None:
        """Take that the topic is joined."""
        self.join_ref, self.is_joined = join_ref, True
        if self.receiver is not None:
            self.receiver.is_here = True

    def gone(self) -> None:
        """Take that it is not joined any more."""
        self.is_joined = False
        if self.receiver is not None:
            self.receiver.forget()
        occurrences, self._occurrences = self._occurrences, None
        for waiting in (occurrences or {}).values():
            for occurrence in waiting:
                occurrence.miss(CHANNEL_LOST)

    def push(self, event: str, payload: Any, intended_us: int = 0) -> Call:
        """Send a push.

        Args:
            event: Its event.
            payload: Anything that JSON has.
            intended_us: When it should have been sent; now where 0.

        """
        agent = self._agent
        at_us = monotonic_ns() // 1000
        figures = self._figures.get(event) or agent.figures(self.family, event)
        call = Call(figures, at_us, intended_us or at_us)
        if not self.is_joined:
            call.lost(UNSENT)
            return call
        # Taken out first: CPython 3.11 is slow to call what a slot holds.
        new_ref, send = agent.session.new_ref, agent.send
        ref = new_ref()
        agent.calls[ref] = call
        figures.sent += 1
        text = _encode((self.join_ref, ref, self.topic, event, payload))
        if self.audience and event in self._relayed:
            key = (event, self._relayed[event].key(payload))
            if self.receiver is not None:
                self.receiver.own.appendleft(key)
            for receiver in self.audience:
                receiver.expect(key, payload, call)
        note = agent.note
        if note is not None:
            note((SENT, agent.number, at_us, text))
        send(text_frame(text))
        return call

    def probe(self, event: str, payload: Any) -> Call:
        """Send a push as a barrier: its answer says that whatever was sent before has been dealt with."""
        agent = self._agent
        at_us = monotonic_ns() // 1000
        call = Probe(agent.site.statistics.of(self.family, "barrier"), at_us, at_us)
        if not self.is_joined:
            call.lost(UNSENT)
            return call
        ref = agent.session.new_ref()
        agent.calls[ref] = call
        call.figures.sent += 1
        text = _encode((self.join_ref, ref, self.topic, event, payload))
        note = agent.note
        if note is not None:
            note((SENT, agent.number, at_us, text))
        agent.send(text_frame(text))
        return call

    def event(self, name: str, within_s: float) -> Occurrence:
        """Return the next arrival of an event, to be awaited."""
        occurrence = Occurrence(name)
        if self._occurrences is None:
            self._occurrences = {}
        self._occurrences.setdefault(name, []).append(occurrence)

        def too_late(_due_us: int) -> None:
            waiting = (self._occurrences or {}).get(name, [])
            if occurrence in waiting:
                waiting.remove(occurrence)
                occurrence.miss(TOO_LATE)

        self._agent.site.timers.after(within_s, too_late)
        return occurrence

    def took(self, event: str, payload: Any, at_us: int) -> None:
        """Take an event that has arrived."""
        if self.receiver is not None and event in self._relayed:
            self.receiver.arrived(
                event, payload, at_us, self._figures.get(event) or self._agent.figures(self.family, event)
            )
        if self.on_event is not None:
            handler = self.on_event.get(event)
            if handler is not None:
                handler(payload, at_us)
        if self._occurrences:
            for occurrence in self._occurrences.pop(event, ()):
                occurrence.payload = payload
                occurrence.done()
