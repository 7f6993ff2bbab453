"""Who was told what: relays and broadcasts, each to each connection at most once, with a cause, in order, and none missing."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from specs.history.holders import Call, Member

if TYPE_CHECKING:
    from collections.abc import Iterable

    from specs.history.facts import Fact, Received
    from specs.history.findings import Findings

KEPT: Final = 10_000
"""Things told on one topic that are kept between two times that it is settled; beyond it the oldest are forgotten."""

Key = tuple[Any, ...]


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
    state: str | None = None
    """That a broadcast tells of."""
    number: str | None = None
    """The member whose whole number tells one broadcast from another; None where there can be only one."""
    pick: Callable[[Any], Any] = field(init=False, compare=False)
    """Takes the values of the members out of a payload that has them all."""

    def __post_init__(self) -> None:
        """Prepare what every key is made with."""
        object.__setattr__(self, "pick", itemgetter(*self.members) if self.members else _nothing)

    def key(self, payload: Any) -> Key:
        """Return what identifies a telling, the same for the push and what it causes: of a broadcast its number is the second."""
        if self.is_broadcast:
            if self.number is None:
                return (self.event,)
            return (self.event, whole_number_in(payload, self.number))
        if type(payload) is dict:
            try:
                key = (self.event, self.pick(payload))
                hash(key)
            except (KeyError, TypeError):
                pass
            else:
                return key
        elif not isinstance(payload, Mapping):
            return (self.event, None)
        values = tuple(_hashable(payload.get(name)) for name in self.members)
        return (self.event, values[0] if len(values) == 1 else values)


def _nothing(_payload: Any) -> tuple[()]:
    return ()


class Item:
    """One thing to be told, with the calls that may have caused it."""

    # One for every push that is relayed: what it seldom has takes no room.
    __slots__ = ("call", "got", "is_excused", "kind", "latest", "others", "refused")

    def __init__(self, kind: Kind, call: Call) -> None:
        self.kind = kind
        self.call = call
        """The first of its calls."""
        self.others: list[Call] | None = None
        """Its further calls."""
        self.refused = 0
        self.got: dict[str, int] | None = None
        """How often, by connection; None while it was told to nobody."""
        self.latest: Fact | None = None
        self.is_excused = False
        """Whether nobody needs to be told, though it was accepted."""

    @property
    def calls(self) -> list[Call]:
        """All its calls, in order."""
        return [self.call, *(self.others or ())]

    @property
    def count(self) -> int:
        """How many calls it has."""
        return 1 if self.others is None else 1 + len(self.others)

    @property
    def live(self) -> int:
        """How many of its calls may have been accepted."""
        return self.count - self.refused

    def is_of(self, agent: str) -> bool:
        """Tell whether an agent has sent any of its calls."""
        if self.call.agent == agent:
            return True
        return self.others is not None and any(call.agent == agent for call in self.others)


class Doubling(Protocol):
    """Who knows more of what arrives twice."""

    def doubled(self, fact: Received) -> str | None:
        """Return the requirement that a second arrival breaks, where it is not that of the kind."""


class Deliveries:
    """What the calls on one topic have caused to be told, and to whom it was."""

    __slots__ = (
        "_findings",
        "_has_forgotten",
        "_has_forgotten_open",
        "_is_nameless",
        "_is_whole",
        "_items",
        "_kept",
        "_topic",
    )

    def __init__(self, topic: str, findings: Findings, kept: int = KEPT) -> None:
        self._topic = topic
        self._findings = findings
        self._kept = kept
        self._items: dict[Key, Item] = {}
        # What happened before the history began is as good as forgotten.
        self._is_whole = False
        # Whether a broadcast came without its number: whatever is missing may be what it told.
        self._is_nameless = False
        self._has_forgotten = True
        self._has_forgotten_open = True

    def begin(self) -> None:
        """Say that nothing has been told on the topic before."""
        self._is_whole = True
        self._has_forgotten = self._has_forgotten_open = False

    def caused(self, kind: Kind, key: Key, call: Call) -> None:
        """Note a call that is to be told, if it is accepted."""
        items = self._items
        item = items.get(key)
        if item is None:
            if len(items) >= self._kept:
                self._forget_oldest()
            item = items[key] = Item(kind, call)
        elif item.others is None:
            item.others = [call]
        else:
            item.others.append(call)
        call.item = item

    def refused(self, call: Call, fact: Fact) -> None:
        """Note that a call was refused, and judge what was told of it already."""
        item = call.item
        if item is None:
            return
        item.refused += 1
        most = max(item.got.values()) if item.got else 0
        if self._is_whole and most > item.live and (not item.kind.is_broadcast or item.live == 0):
            self._accuse_refused(item, call, item.latest, fact)

    def arrived(
        self, kind: Kind, key: Key, member: Member | None, fact: Received, topic: Doubling
    ) -> Call | None:
        """Judge something that was told; returns the call whose acceptance it shows, if only one can have caused it."""
        is_nameless = kind.number is not None and key[1] is None and self._is_any_live(kind)
        self._is_nameless |= is_nameless
        item = self._items.get(key)
        if item is None or (is_nameless and not item.live):
            if not (self._has_forgotten or is_nameless):
                expected = f"{kind.event} only as it was caused, and once"
                observed = f"{kind.event} {fact.payload!r}"
                self._findings.accuse(kind.unsent, self._topic, expected, observed, fact, about=key)
            return None
        item.latest = fact
        connection, got = fact[0], item.got
        if got is None:
            times, item.got = 1, {connection: 1}
        else:
            times = got[connection] = got.get(connection, 0) + 1
        if not self._is_whole:
            return None
        is_alone = item.others is None
        live = 1 - item.refused if is_alone else item.live
        if live == 0:
            self._accuse_refused(item, item.call, fact)
            return None
        if times > 1 and times > (1 if kind.is_broadcast else live):
            self._accuse_doubled(item, key, member, fact, topic)
        if not is_alone:
            return _only_live(item)
        call = item.call
        if times == 1 and member is not None and call.member is not None and not kind.is_broadcast:
            self._follow_order(kind, call, call.member, member, fact)
        return call

    def settle(self, members: Iterable[Member], fact: Fact) -> None:
        """Say what is missing, now that nothing of answered calls is on its way, and forget what is done."""
        here = [member for member in members if member.steady_from is not None]
        kept: dict[Key, Item] = {}
        for key, item in self._items.items():
            calls = (item.call,) if item.others is None else item.calls
            # What was told of a call that is not answered may still be on its way to others.
            owed = sum(call.status == "ok" for call in calls)
            item.is_excused |= self._is_nameless and item.kind.number is not None
            if owed and not item.is_excused:
                self._look_for_missing(item, owed, here, fact)
            if owed + item.refused < len(calls):
                kept[key] = item
            else:
                for call in calls:
                    call.item = None
        for member in here:
            member.heard = None
        self._items = kept
        self._is_nameless = False
        self._has_forgotten = self._has_forgotten_open

    def _look_for_missing(self, item: Item, owed: int, members: list[Member], fact: Fact) -> None:
        kind, got, call = item.kind, item.got, item.call
        is_relay = not kind.is_broadcast
        if owed > 1 and (kind.may_collapse or not is_relay):
            owed = 1
        for member in members:
            if got is not None and got.get(member.connection, 0) >= owed:
                continue
            if (member.steady_from or 0) >= call.at or (is_relay and item.is_of(member.agent)):
                continue
            self._accuse_missing(item, owed, member, members, fact)

    def _accuse_missing(
        self, item: Item, owed: int, member: Member, members: list[Member], fact: Fact
    ) -> None:
        kind, got = item.kind, item.got or {}
        expected = f"{kind.event} on {member.connection} as often as it was caused ({owed})"
        observed = f"{got.get(member.connection, 0)} of them once everything has arrived"
        causes = [call.fact for call in item.calls if not call.is_refused]
        is_on_another = any(
            each.agent == member.agent and got.get(each.connection, 0) >= owed for each in members
        )
        rule = kind.missing_on_one if is_on_another and kind.missing is not None else kind.missing
        about = (item.call.at, kind)
        self._findings.accuse(rule, self._topic, expected, observed, *causes, fact, about=about)

    def _accuse_doubled(
        self, item: Item, key: Key, member: Member | None, fact: Received, topic: Doubling
    ) -> None:
        kind = item.kind
        rule = topic.doubled(fact) if kind.is_broadcast else None
        if member is not None and not member.is_first:
            # As if the join before were still there.
            rule = rule or "broadcast/once-per-channel"
        expected = f"{kind.event} once on each connection"
        observed = f"it arrives again on {fact.connection}"
        cause = item.call.fact
        self._findings.accuse(rule or kind.doubled, self._topic, expected, observed, cause, fact, about=key)

    def _is_any_live(self, kind: Kind) -> bool:
        return any(item.kind is kind and item.live for item in self._items.values())

    def _follow_order(self, kind: Kind, call: Call, sender: Member, member: Member, fact: Received) -> None:
        heard = member.heard
        if heard is None:
            member.heard = {sender: call}
            return
        last = heard.get(sender)
        if last is None or last.index <= call.index:
            heard[sender] = call
            return
        is_same = last.fact.event == fact.event
        rule = kind.order if is_same and kind.order else "broadcast/order-per-sender"
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
        item = self._items.pop(next(iter(self._items)))
        self._has_forgotten_open |= any(call.status not in {"ok", "error"} for call in item.calls)
        self._has_forgotten = True


def _only_live(item: Item) -> Call | None:
    live = [call for call in item.calls if not call.is_refused] if item.live == 1 else []
    return live[0] if live else None


def whole_number_in(payload: Any, name: str) -> int | None:
    """Return the integer that a member of a payload is; None where it is none. JSON calls 7.0 an integer, too."""
    if not isinstance(payload, dict):
        return None
    value = payload.get(name)
    if type(value) is int:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def same(a: Any, b: Any) -> bool:
    """Tell whether two JSON values are equal; numbers by value."""
    return bool(a == b) or _hashable(a) == _hashable(b)


def _hashable(value: Any) -> Hashable:
    """Return an equal stand-in for any JSON value: numbers are equal by value, as they are on the wire."""
    if isinstance(value, Mapping):
        return frozenset((name, _hashable(member)) for name, member in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return value if isinstance(value, Hashable) else repr(value)
