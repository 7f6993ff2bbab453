"""Who was told what: relays and broadcasts, each to each connection at most once, with a cause, in order, and none missing."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from specs.history.holders import Call, Member

if TYPE_CHECKING:
    from collections.abc import Iterable

    from specs.history.facts import Fact, Received
    from specs.history.findings import Findings

KEPT: Final = 10_000
"""Things told on one topic that are kept between two times that it is settled; beyond it the oldest are forgotten."""

Key = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """What the documents require of the telling of one event."""

    event: str
    members: tuple[str, ...]
    """What must arrive unchanged: the members that every payload has."""
    missing: str | None
    doubled: str | None
    unsent: str | None
    """Of what nobody has caused."""
    refused: str | None
    """Of what was refused."""
    order: str | None = None
    """Of what overtakes an earlier one of the same event and sender."""
    is_broadcast: bool = False
    """Told to everybody and once, however many calls may have caused it; else relayed to the other agents, once a call."""
    may_collapse: bool = False
    """Whether repetitions may be relayed once."""
    missing_on_one: str | None = None
    """Of what is missing on one connection of an agent, and arrives on another one."""

    def key(self, payload: Any) -> Key:
        """Return what identifies a relay, the same for the push and its relay."""
        if type(payload) is not dict and not isinstance(payload, Mapping):
            return (self.event, None)
        key = (self.event, *map(payload.get, self.members))
        try:
            hash(key)
        except TypeError:
            return (self.event, *[_hashable(payload.get(name)) for name in self.members])
        return key


@dataclass(slots=True, eq=False)
class Item:
    """One thing to be told, with the calls that may have caused it."""

    kind: Kind
    first: int
    """Position of the first of its calls."""
    calls: list[Call] = field(default_factory=list)
    refused: int = 0
    accepted: int = 0
    got: dict[str, int] = field(default_factory=dict)
    """How often, by connection."""
    latest: Fact | None = None
    is_excused: bool = False
    """Whether nobody needs to be told, though it was accepted."""

    @property
    def live(self) -> int:
        """How many of its calls may have been accepted."""
        return len(self.calls) - self.refused

    @property
    def owed(self) -> int:
        """How often it must arrive."""
        if self.is_excused:
            return 0
        return min(self.accepted, 1) if self.kind.is_broadcast or self.kind.may_collapse else self.accepted

    @property
    def is_open(self) -> bool:
        """Whether it may still be caused."""
        return self.accepted + self.refused < len(self.calls)


class Deliveries:
    """What the calls on one topic have caused to be told, and to whom it was."""

    def __init__(self, topic: str, findings: Findings, kept: int = KEPT) -> None:
        self._topic = topic
        self._findings = findings
        self._kept = kept
        self._items: dict[Key, Item] = {}
        # What happened before the history began is as good as forgotten.
        self._is_whole = False
        self._has_forgotten = True
        self._has_forgotten_open = True

    def __len__(self) -> int:
        return len(self._items)

    def begin(self) -> None:
        """Say that nothing has been told on the topic before."""
        self._is_whole = True
        self._has_forgotten = self._has_forgotten_open = False

    def caused(self, kind: Kind, key: Key, call: Call) -> None:
        """Note a call that is to be told, if it is accepted."""
        item = self._items.get(key)
        if item is None:
            if len(self._items) >= self._kept:
                self._forget_oldest()
            item = self._items[key] = Item(kind, call.at)
        item.calls.append(call)
        call.item = item

    def refused(self, call: Call, fact: Fact) -> None:
        """Note that a call was refused, and judge what was told of it already."""
        item = call.item
        if item is None:
            return
        item.refused += 1
        if call.accepted_at is not None:
            item.accepted -= 1
        most = max(item.got.values(), default=0)
        if self._is_whole and most > item.live and (not item.kind.is_broadcast or item.live == 0):
            self._accuse_refused(item, call, item.latest, fact)

    def arrived(
        self,
        kind: Kind,
        key: Key,
        member: Member | None,
        fact: Received,
        doubled: Callable[[Received], str | None] = lambda _fact: None,
    ) -> Call | None:
        """Judge something that was told; returns the call whose acceptance it shows, if only one can have caused it.

        `doubled` gives the requirement that a second telling breaks, where it is not that of the kind.
        """
        item = self._items.get(key)
        if item is None:
            if not self._has_forgotten:
                expected = f"{kind.event} only as it was caused, and once"
                self._findings.accuse(
                    kind.unsent, self._topic, expected, f"{kind.event} {fact.payload!r}", fact, about=key
                )
            return None
        item.latest = fact
        got = item.got[fact.connection] = item.got.get(fact.connection, 0) + 1
        live = len(item.calls) - item.refused
        if not self._is_whole:
            return None
        if live == 0:
            self._accuse_refused(item, item.calls[0], fact)
            return None
        if got > (1 if kind.is_broadcast else live):
            rule = doubled(fact)
            if member is not None and not member.is_first:
                # As if the join before were still there.
                rule = rule or "broadcast/once-per-channel"
            self._findings.accuse(
                rule or kind.doubled,
                self._topic,
                f"{kind.event} once on each connection",
                f"it arrives again on {fact.connection}",
                item.calls[0].fact,
                fact,
                about=key,
            )
        if len(item.calls) > 1:
            return _only_live(item)
        if got == 1 and member is not None and not kind.is_broadcast:
            self._follow_order(item.calls[0], member, fact)
        return item.calls[0]

    def settle(self, members: Iterable[Member], fact: Fact) -> None:
        """Say what is missing, now that nothing of answered calls is on its way, and forget what is done."""
        here = [member for member in members if member.steady_from is not None]
        for item in self._items.values():
            if item.accepted:
                self._look_for_missing(item, here, fact)
        for member in here:
            member.heard.clear()
        self._items = {key: item for key, item in self._items.items() if item.is_open}
        self._has_forgotten = self._has_forgotten_open

    def _look_for_missing(self, item: Item, members: list[Member], fact: Fact) -> None:
        owed, kind = item.owed, item.kind
        senders = () if kind.is_broadcast else {call.agent for call in item.calls}
        for member in members:
            if member.agent in senders or (member.steady_from or 0) >= item.first:
                continue
            if item.got.get(member.connection, 0) < owed:
                expected = f"{kind.event} on {member.connection} as often as it was caused ({owed})"
                observed = f"{item.got.get(member.connection, 0)} of them once everything has arrived"
                causes = [call.fact for call in item.calls if not call.is_refused]
                is_on_another = any(
                    each.agent == member.agent and item.got.get(each.connection, 0) >= owed
                    for each in members
                )
                rule = kind.missing_on_one if is_on_another and kind.missing is not None else kind.missing
                self._findings.accuse(
                    rule, self._topic, expected, observed, *causes, fact, about=(item.first, kind)
                )

    def _follow_order(self, call: Call, member: Member, fact: Received) -> None:
        sender = call.member
        if sender is None:
            return
        last = member.heard.get(sender)
        if last is None or last[0] <= call.index:
            member.heard[sender] = (call.index, fact.event)
            return
        kind: Kind = call.item.kind
        rule = kind.order if last[1] == fact.event and kind.order else "broadcast/order-per-sender"
        expected = f"what {sender.connection} sends arrives in the order in which it was sent"
        observed = f"on {member.connection} this {fact.event} comes behind what was sent after it"
        self._findings.accuse(rule, self._topic, expected, observed, call.fact, fact, about=call.at)

    def _accuse_refused(self, item: Item, call: Call, *facts: Fact | None) -> None:
        expected = f"nobody is told of a {call.fact.event} that is refused"
        observed = f"{item.kind.event} arrives"
        self._findings.accuse(
            item.kind.refused, self._topic, expected, observed, call.fact, *facts, about=call.at
        )

    def _forget_oldest(self) -> None:
        oldest = next(iter(self._items))
        self._has_forgotten_open |= self._items.pop(oldest).is_open
        self._has_forgotten = True


def _only_live(item: Item) -> Call | None:
    live = [call for call in item.calls if not call.is_refused] if item.live == 1 else []
    return live[0] if live else None


def same(a: Any, b: Any) -> bool:
    """Tell whether two JSON values are equal; numbers by value."""
    return _hashable(a) == _hashable(b)


def _hashable(value: Any) -> Hashable:
    """Return an equal stand-in for any JSON value: numbers are equal by value, as they are on the wire."""
    if isinstance(value, Mapping):
        return frozenset((name, _hashable(member)) for name, member in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return value if isinstance(value, Hashable) else repr(value)
