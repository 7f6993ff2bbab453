"""Whether some order of a few moves explains what was observed of them: pure, and small enough to try every order.

A family's rules say what a move may come to in a state. Where the source leaves a choice, they name each, and which of them
is our own reading: an outcome that only another reading explains is not accused on the strength of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import permutations
from typing import Any, Generic, Protocol, TypeVar

S = TypeVar("S")
Told = tuple[str, str]
"""Who is told, and what."""


@dataclass(frozen=True, slots=True)
class Move:
    """One push of a race."""

    name: str
    """In words, unique among the moves of its race."""
    by: str
    """The member of the cast that sends it."""
    racer: str
    """The name of the connection on which it is sent."""
    event: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """What a move comes to in some state."""

    state: S
    is_accepted: bool
    told: tuple[Told, ...] = ()
    is_ours: bool = True
    """Whether it follows from what is stated and our reading of it; else from another reading that is as good."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was observed of a race."""

    answers: Mapping[str, bool | None]
    """Whether each move was accepted, by its name; None where there was no answer."""
    told: Counter[Told] = field(default_factory=Counter)
    """How often each was told what."""
    shown: tuple[Mapping[str, Any], ...] = ()
    """What the topic showed to each who looked afterwards."""

    def __str__(self) -> str:
        """Return the outcome in words, for a report."""
        words = {True: "accepted", False: "refused", None: "not answered"}
        answers = [f"{name} is {words[is_accepted]}" for name, is_accepted in self.answers.items()]
        told = [
            f"{who} is told of {what} {_times(count)}" for (who, what), count in sorted(self.told.items())
        ]
        shown = sorted({", ".join(f"{name} is {value}" for name, value in one.items()) for one in self.shown})
        return "; ".join(
            [*answers, *(told or ["nobody is told anything"]), *(f"then {one}" for one in shown if one)]
        )


class Rules(Protocol[S]):
    """What a family does, as far as the outcome of a race tells."""

    def steps(self, state: S, move: Move) -> Iterable[Step[S]]:
        """Return all that a move may come to; ours first."""

    def shows(self, state: S) -> Mapping[str, Any]:
        """Return what a state shows to those who look."""


class Explained(IntEnum):
    """How well some order explains an outcome."""

    NOT = 0
    BY_ANOTHER_READING = 1
    BY_OURS = 2


@dataclass(frozen=True, slots=True)
class _Path(Generic[S]):
    state: S
    told: tuple[Told, ...] = ()
    is_ours: bool = True


def explained(
    rules: Rules[S], start: S, moves: Iterable[Move], outcome: Outcome, then: tuple[Move, ...] = ()
) -> Explained:
    """Tell how well the best order of the moves explains an outcome.

    Args:
        rules: The family's.
        start: The state before.
        moves: What was sent at once.
        outcome: What was observed of all.
        then: What was sent afterwards, one by one.

    """
    best = Explained.NOT
    for order in permutations(moves):
        for path in _paths(rules, start, (*order, *then), outcome):
            if path.is_ours:
                return Explained.BY_OURS
            best = Explained.BY_ANOTHER_READING
    return best


def _paths(rules: Rules[S], start: S, order: tuple[Move, ...], outcome: Outcome) -> Iterator[_Path[S]]:
    """Yield the ways in which one order leads to an outcome."""
    paths: list[_Path[S]] = [_Path(start)]
    for move in order:
        answer = outcome.answers[move.name]
        paths = [
            _Path(step.state, path.told + step.told, path.is_ours and step.is_ours)
            for path in paths
            for step in rules.steps(path.state, move)
            if answer in {None, step.is_accepted}
        ]
    for path in paths:
        if Counter(path.told) == outcome.told and _is_shown(rules.shows(path.state), outcome.shown):
            yield path


def _is_shown(true: Mapping[str, Any], shown: Iterable[Mapping[str, Any]]) -> bool:
    return all(true.get(name, value) == value for one in shown for name, value in one.items())


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
