"""What shows a finding: the difference between what comes from the endpoint and what comes from the reference server.

A script says nothing of what was expected. So it is carried out at both, several times each, and what is always so at the one and
never at the other is a candidate. Which candidate is right shows when it is tried: it has to be seen at the endpoint and not at
the reference server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.findings.clocks import is_now
from conformance.findings.execution import Execution
from conformance.findings.rendering import code_of, wanted
from conformance.findings.scripting import Seen
from conformance.findings.symbols import CALLED, TEXT, frozen, thawed

Path = tuple[Any, ...]
_ABSENT: Any = object()
_MOST_PLACES = 200
"""Parts that are compared with each other."""


@dataclass(frozen=True, slots=True)
class Key:
    """What messages of one kind have in common: what they answer or which event of which topic they are."""

    connection: str
    pattern: tuple[tuple[str, Any], ...]
    """Names and symbolic values, the latter frozen."""

    def wanted(self) -> dict[str, Any]:
        """Return the pattern as a script has it."""
        return {name: thawed(value) for name, value in self.pattern}

    def __str__(self) -> str:
        """Return the arguments of a call."""
        return wanted(self.wanted())


@dataclass(frozen=True, slots=True)
class Evidence:
    """One way to see the finding."""

    kind: str
    """count, value, order or relation."""
    code: str
    """The expression that is true where it is seen."""
    words: str
    """What was seen in place of what the reference server shows."""
    at: int
    """The step after which it is seen."""
    weight: int = 0
    """Of two at the same step, the lower one is plainer."""


@dataclass(slots=True)
class _Side:
    """What came in all executions at one server."""

    runs: Sequence[Mapping[str, Sequence[Seen]]]
    counts: dict[Key, list[int]] = field(default_factory=dict)

    def messages(self, key: Key) -> list[list[Seen]]:
        """Return what came of a kind, execution by execution."""
        return [
            [one for one in run.get(key.connection, ()) if key in _keys(key.connection, one)]
            for run in self.runs
        ]


def candidates(there: Sequence[Execution], reference: Sequence[Execution]) -> list[Evidence]:
    """Return what is always so there and never at the reference server, the most likely first.

    Args:
        there: Lenient executions at the endpoint; at least two, or chance would be taken for a trait.
        reference: The same at the reference server.

    """
    ours, theirs = _Side([one.seen for one in there]), _Side([one.seen for one in reference])
    found = [
        *_counts(ours, theirs),
        *_values(ours, theirs),
        *_orders(ours, theirs),
        *_relations(ours, theirs),
    ]
    return sorted(found, key=lambda one: (-one.at, one.weight))


def _keys(connection: str, one: Seen) -> list[Key]:
    """Return the kinds that a message is of, the widest first."""
    if one.status is not None and one.event not in {"HTTP", "closed"}:
        reply = (("ref", frozen(one.ref)),)
        return [
            Key(connection, (("event", "phx_reply"), *reply)),
            Key(connection, (*reply, ("status", frozen(one.status)))),
        ]
    if one.topic is None and one.ref is None:
        kinds = [Key(connection, (("event", frozen(one.event)),))]
        if one.status is not None:
            kinds.append(Key(connection, (("event", frozen(one.event)), ("status", one.status))))
        return kinds
    return [Key(connection, (("topic", frozen(one.topic)), ("event", frozen(one.event))))]


def _tallies(side: _Side) -> list[Counter[Key]]:
    return [
        Counter(key for name, seen in run.items() for one in seen for key in _keys(name, one))
        for run in side.runs
    ]


# How often


def _counts(ours: _Side, theirs: _Side) -> Iterator[Evidence]:
    """Yield what comes more often, or less often, than from the reference server."""
    mine, others = _tallies(ours), _tallies(theirs)
    for key in dict.fromkeys(key for tally in (*mine, *others) for key in tally):
        here, there = [tally[key] for tally in mine], [tally[key] for tally in others]
        conn, width = key.connection, len(key.pattern)
        if min(here) > max(there):
            times = min(here)
            often = "" if times == 1 else f"{times}, "
            words = f"{conn} receives {key} {_times(times)}; the reference server: {_times(max(there))}"
            at = _last_step(ours, key)
            yield Evidence("count", f"{conn}.comes({often}{key})", words, at, 3 - width)
        elif max(here) < min(there):
            times = max(here) + 1
            often = "" if times == 1 else f"{times}, "
            words = f"{conn} receives {key} {_times(max(here))}; the reference server: {_times(min(there))}"
            at = _last_step(theirs, key)
            yield Evidence("count", f"not {conn}.comes({often}{key})", words, at, 5 + width)


def _times(count: int) -> str:
    return {0: "not at all", 1: "once"}.get(count, f"{count} times")


def _last_step(side: _Side, key: Key) -> int:
    return min((messages[-1].at for messages in side.messages(key) if messages), default=0)


# What is in it


def _values(ours: _Side, theirs: _Side) -> Iterator[Evidence]:
    """Yield parts of messages that differ from those of the reference server."""
    mine, others = _tallies(ours), _tallies(theirs)
    for key in {key for tally in mine for key in tally} & {key for tally in others for key in tally}:
        here, there = ours.messages(key), theirs.messages(key)
        for number in range(min(len(messages) for messages in (*here, *there))):
            frames = [messages[number] for messages in here]
            known = [messages[number].frame for messages in there]
            at = min(one.at for one in frames)
            for path in _paths([*(one.frame for one in frames), *known]):
                yield from _differing(key, number + 1, path, [one.frame for one in frames], known, at)


def _differing(
    key: Key, number: int, path: Path, frames: list[Any], known: list[Any], at: int
) -> Iterator[Evidence]:
    ours = [_at(frame, path) for frame in frames]
    theirs = [_at(frame, path) for frame in known]
    found = f"{key.connection}.nth({number}, {key})"
    value, where = f"part({found}{_steps(path)})", f"{key} at {_pointer(path)}"
    weight = 10 + len(key.pattern) + len(path)
    if any(frozen(one) in {frozen(other) for other in theirs} for one in ours):
        return
    if _is_steady(ours) and not _is_container(ours[0]):
        words = f"{where} is {_shown(ours[0])}; the reference server: {_shown(theirs[0])}"
        yield Evidence("value", f"same({value}, {_compared(ours[0])})", words, at, weight)
    elif _is_steady(theirs) and not _is_container(theirs[0]):
        words = f"{where} is not {_shown(theirs[0])} but {_shown(ours[0])}"
        code = f"{found} is not None and not same({value}, {_compared(theirs[0])})"
        yield Evidence("value", code, words, at, weight + 5)
    elif {type(one) for one in ours}.isdisjoint({type(one) for one in theirs}):
        words = f"{where} is {_kind(ours[0])}; the reference server: {_kind(theirs[0])}"
        yield Evidence("value", f"kind_of({value}) == {_kind(ours[0])!r}", words, at, weight + 6)


def _steps(path: Path) -> str:
    """Return a path as further arguments."""
    return "".join(
        f", {step.removeprefix(CALLED)}"
        if isinstance(step, str) and step.startswith(CALLED)
        else f", {code_of(step)}"
        for step in path
    )


def _paths(frames: Iterable[Any]) -> list[Path]:
    """Return the paths of all parts of frames, outer before inner."""
    found: dict[Path, None] = {}
    for frame in frames:
        for path in _inner(frame, ()):
            found.setdefault(path)
    return list(found)


def _inner(value: Any, path: Path) -> Iterator[Path]:
    yield path
    if isinstance(value, Mapping) and not _is_text(value):
        for name, member in value.items():
            yield from _inner(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _inner(item, (*path, index))


def _at(frame: Any, path: Path) -> Any:
    value = frame
    for step in path:
        if _is_text(value) or not isinstance(value, (Mapping, list)):
            return _ABSENT
        try:
            value = value[step]
        except (LookupError, TypeError):
            return _ABSENT
    return value


def _is_same(values: list[Any]) -> bool:
    return len({frozen(value) for value in values}) == 1


def _is_steady(values: list[Any]) -> bool:
    # A time in whole seconds is often the same in executions that follow each other.
    return _is_same(values) and not is_now(values[0])


def _is_container(value: Any) -> bool:
    """Tell whether a value has parts of its own, which are looked at by themselves; an empty one has none."""
    return isinstance(value, (Mapping, list)) and not _is_text(value) and bool(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {TEXT}


def _compared(value: Any) -> str:
    return "MISSING" if value is _ABSENT else code_of(value)


def _shown(value: Any) -> str:
    return "missing" if value is _ABSENT else _elided(code_of(value))


def _elided(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _pointer(path: Path) -> str:
    return "/" + "/".join(str(step).removeprefix(CALLED) for step in path)


def _kind(value: Any) -> str:
    if value is _ABSENT:
        return "missing"
    if _is_text(value):
        return "str"
    return type(value).__name__


# In which order


def _orders(ours: _Side, theirs: _Side) -> Iterator[Evidence]:
    """Yield pairs of messages that come the other way round than from the reference server."""
    mine, others = [_places(run) for run in ours.runs], [_places(run) for run in theirs.runs]
    common = set.intersection(*(set(places) for places in (*mine, *others))) if mine and others else set()
    for first in common:
        for second in common:
            if first.connection != second.connection or first == second:
                continue
            is_before = all(places[first] < places[second] for places in mine)
            if is_before and all(places[first] > places[second] for places in others):
                conn = first.connection
                code = f"{conn}.place({first}) < {conn}.place({second})"
                words = f"{conn} receives {first} before {second}; the reference server: after it"
                yield Evidence("order", code, words, _last_step(ours, second), 30)


def _places(run: Mapping[str, Sequence[Seen]]) -> dict[Key, int]:
    """Return where the first message of each kind stands."""
    places: dict[Key, int] = {}
    for name, seen in run.items():
        for index, one in enumerate(seen):
            for key in _keys(name, one):
                places.setdefault(key, index)
    return places


# How parts stand to each other


def _relations(ours: _Side, theirs: _Side) -> Iterator[Evidence]:
    """Yield pairs of parts that differ from run to run, and are equal here but not at the reference server, or the reverse."""
    mine, others = [_varying(run) for run in ours.runs], [_varying(run) for run in theirs.runs]
    common = set.intersection(*(set(parts) for parts in (*mine, *others))) if mine and others else set()
    # What is the same every time on one side has been looked at by itself.
    places = [
        place
        for place in sorted(common, key=str)
        if not any(_is_same([parts[place] for parts in side]) for side in (mine, others))
    ][:_MOST_PLACES]
    for index, left in enumerate(places):
        for right in places[index + 1 :]:
            ours_equal = {frozen(parts[left]) == frozen(parts[right]) for parts in mine}
            theirs_equal = {frozen(parts[left]) == frozen(parts[right]) for parts in others}
            if len(ours_equal) == len(theirs_equal) == 1 and ours_equal != theirs_equal:
                at = min(_last_step(ours, place[0]) for place in (left, right))
                yield _relation(left, right, is_equal=ours_equal == {True}, at=at)


_Place = tuple[Key, int, Path]


def _varying(run: Mapping[str, Sequence[Seen]]) -> dict[_Place, Any]:
    """Return the texts and numbers in messages by their places."""
    found: dict[_Place, Any] = {}
    numbers: Counter[Key] = Counter()
    for name, seen in run.items():
        for one in seen:
            key = _keys(name, one)[0]
            numbers[key] += 1
            for path in _inner(one.frame, ()):
                value = _at(one.frame, path)
                if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                    found[key, numbers[key], path] = value
    return found


def _relation(left: _Place, right: _Place, *, is_equal: bool, at: int) -> Evidence:
    parts = []
    for key, number, path in (left, right):
        parts.append(f"part({key.connection}.nth({number}, {key}){_steps(path)})")
    code = f"same({parts[0]}, {parts[1]})"
    where = " and ".join(f"{key} at {_pointer(path)}" for key, _, path in (left, right))
    words = f"{where} are {'equal' if is_equal else 'not equal'}, unlike those of the reference server"
    return Evidence("relation", code if is_equal else f"not {code}", words, at, 40)
