"""Relays on their way: what each receiver is owed, so that delivery is timed and nothing lost, doubled, reordered or altered.

The requirement that a server breaks is named by the judge, with the rules of `specs.history`; here are counts and times, cheap enough
for every push.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from loadgen.client.calls import Call
    from loadgen.measure.statistics import Figures
    from specs.model import Topic

Key = tuple[str, Any]
"""An event, and what a push of it and its relays have in common."""

REMEMBERED: Final = 1_000
"""Keys of late that a receiver knows, of each kind: a run of hours must not keep them all."""


class Relayed:
    """What identifies a relay of one event: its whole numbers where it has required ones (`seq`, `nonce`), else all that is required."""

    __slots__ = ("event", "is_numbered", "members", "number")

    def __init__(self, event: str, members: tuple[str, ...], numbers: tuple[str, ...]) -> None:
        self.event = event
        self.members = members
        self.is_numbered = len(numbers) == 1
        self.number = numbers[0] if self.is_numbered else ""

    def key(self, payload: Any) -> Any:
        """Return what a push and its relay have in common."""
        try:
            if self.is_numbered:
                number = payload[self.number]
                return number if type(number) is int else _odd(number)
            return tuple(repr(payload.get(name)) for name in self.members)
        except (TypeError, KeyError, AttributeError):
            return None

    def is_same(self, sent: Any, got: Any) -> bool:
        """Tell whether a relay has all required members as they were sent."""
        return isinstance(got, dict) and all(got.get(name) == sent.get(name) for name in self.members)


def _odd(number: Any) -> Any:
    """Return what stands for a number that is no plain one: itself where JSON means the same, else nothing that was ever sent."""
    return int(number) if isinstance(number, float) and number.is_integer() else repr(number)


@cache
def _relayed(events: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]) -> dict[str, Relayed]:
    # The channels of a family share one table.
    return {event: Relayed(event, members, numbers) for event, members, numbers in events}


def relayed_events(family: Topic) -> dict[str, Relayed]:
    """Return the events of a family that are relayed to the other participants, by name."""
    rows = []
    for event in family.events.values():
        if event.is_inbound and event.relay is not None:
            members = tuple(event.payload.get("required", ()))
            known = event.payload.get("properties", {})
            numbers = tuple(name for name in members if known.get(name, {}).get("type") == "integer")
            rows.append((event.event, members, numbers))
    return _relayed(tuple(rows))


class Receiver:
    """What one member of a topic is owed by the others.

    Attributes:
        is_here: Whether it is joined, so that relays are owed.
        own: What its own agent has sent, the latest first; whether that comes back to it is open, so that it is not unexpected.
        excused: Events of which nothing is unexpected.

    """

    __slots__ = ("_last", "_may_come", "_offered", "_owed", "_relayed", "_seen", "excused", "is_here", "own")

    def __init__(self, relayed: dict[str, Relayed]) -> None:
        self._relayed = relayed
        self._owed: dict[Key, list[tuple[Call, Any]]] | None = None
        self._last: dict[str, int] | None = None
        self._offered: dict[str, int] = {}
        self._may_come: deque[Key] | None = None
        self._seen: deque[Key] | None = None
        self.own: deque[Key] = deque(maxlen=REMEMBERED)
        self.excused: frozenset[str] = frozenset()
        self.is_here = False

    def share(self, other: Receiver) -> None:
        """Take what another connection of the same agent sends for one's own, too."""
        self.own = other.own

    def expect(self, key: Key, payload: Any, call: Call) -> None:
        """Take that a push is about to be sent that is to be relayed here."""
        event, number = key
        if self._relayed[event].is_numbered and isinstance(number, int):
            if number <= self._offered.get(event, -1):
                # What is sent again after a reconnect need not be relayed again.
                self._excuse(key)
                return
            self._offered[event] = number
        if not self.is_here:
            # The server has let the receiver in before its agent can know.
            self._excuse(key)
            return
        if self._owed is None:
            self._owed = {}
        call.figures.relays += 1
        self._owed.setdefault(key, []).append((call, payload))

    def _excuse(self, key: Key) -> None:
        """Take that a relay may come or not."""
        if self._may_come is None:
            self._may_come = deque(maxlen=REMEMBERED)
        self._may_come.appendleft(key)

    def arrived(self, event: str, payload: Any, at_us: int, figures: Figures) -> None:
        """Take a relay."""
        relayed = self._relayed[event]
        number = relayed.key(payload)
        key = (event, number)
        waiting = self._owed.get(key) if self._owed else None
        if not waiting:
            self._unexpected(relayed, key, at_us, figures)
            return
        if not relayed.is_numbered:
            self._note_seen(key)
        call, sent = waiting.pop(0)
        if not waiting and self._owed is not None:
            del self._owed[key]
        figures.delivered += 1
        figures.was_delivered(at_us - call.sent_us)
        if payload != sent and not relayed.is_same(sent, payload):
            figures.broken["altered"] += 1
        if relayed.is_numbered and isinstance(number, int):
            if self._last is None:
                self._last = {}
            if number < self._last.get(event, -1):
                figures.broken["reordered"] += 1
            else:
                self._last[event] = number

    def _note_seen(self, key: Key) -> None:
        """Keep what has come of an event without a number, which would not be told from something new."""
        if self._seen is None:
            self._seen = deque(maxlen=REMEMBERED)
        self._seen.appendleft(key)

    def _unexpected(self, relayed: Relayed, key: Key, at_us: int, figures: Figures) -> None:
        """Count what nobody is known to have sent, or what has come before."""
        event, number = key
        if event in self.excused or key in self.own or (self._may_come is not None and key in self._may_come):
            return
        if relayed.is_numbered:
            is_old = isinstance(number, int) and number <= (self._last or {}).get(event, -1)
        else:
            is_old = self._seen is not None and key in self._seen
        figures.broken["doubled" if is_old else "altered"] += 1
        if not is_old and not relayed.is_numbered:
            self._take_oldest(event, at_us, figures)

    def _take_oldest(self, event: str, at_us: int, figures: Figures) -> None:
        """Take what is altered for the oldest that is owed: without a number nothing else tells which it was."""
        key = next((key for key in self._owed or () if key[0] == event), None)
        if key is None or self._owed is None:
            return
        call, _ = self._owed[key].pop(0)
        if not self._owed[key]:
            del self._owed[key]
        figures.delivered += 1
        figures.was_delivered(at_us - call.sent_us)
        # It may have been made up, and what was sent may still come.
        self._excuse(key)

    def forget(self) -> None:
        """Wait for nothing any more: the membership is over, and what was on its way may never come."""
        self.is_here = False
        for key, waiting in (self._owed or {}).items():
            # The server may be so slow that the receiver has come back when it gets there.
            self._excuse(key)
            for call, _ in waiting:
                call.figures.relays -= 1
        self._owed = None

    def settle(self) -> None:
        """Count as lost what was accepted and has not come, now that everything has arrived that will."""
        for waiting in (self._owed or {}).values():
            for call, _ in waiting:
                if call.status == "ok":
                    call.figures.broken["lost"] += 1
                else:
                    call.figures.relays -= 1
        self._owed = None
