"""The Hypothesis state machine of a family, made from the table of its moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

Arguments: TypeAlias = st.SearchStrategy[dict[str, Any]]
Moves: TypeAlias = Mapping[str, Arguments]
"""The arguments of each move, by its name."""

WHO = st.integers(0, 1)
"""A participant."""
AT = st.sampled_from((0, 0, 0, 1))
"""One of its connections."""
ON = st.sampled_from((0, 0, 0, 0, 1))
"""A topic."""
BACK = st.integers(0, 2)
"""Which of several, the latest one first."""

PICK = st.integers(0, 11)
"""Which of those that make sense as things stand; see `Play.concrete`."""


def arguments(**each: Any) -> Arguments:
    """Return a strategy of arguments; what is no strategy is fixed."""
    drawn = {
        name: value if isinstance(value, st.SearchStrategy) else st.just(value)
        for name, value in each.items()
    }
    return st.fixed_dictionaries(drawn)


def mostly(weight: int, good: Arguments, *faulty: Mapping[str, Any]) -> Arguments:
    """Return good arguments, and `weight` times more seldom ones with a single fault laid over them."""
    branches = [st.builds(_laid_over, good, arguments(**fault)) for fault in faulty]
    return st.integers(0, weight).flatmap(lambda drawn: st.one_of(branches) if drawn == weight else good)


def _laid_over(good: dict[str, Any], fault: dict[str, Any]) -> dict[str, Any]:
    return {**good, **fault}


COMMON: Moves = {
    "rejoin": arguments(who=WHO, at=AT, on=ON),
    "leave": arguments(who=WHO, at=AT, on=ON),
    "reconnect": arguments(who=WHO, at=AT, on=ON),
    "drop": arguments(who=WHO, at=AT),
    "leave_stale": arguments(who=WHO, at=AT, on=ON),
}


class Machine(RuleBasedStateMachine):
    """Draws moves and hands each on; what they lead to is no matter of its own."""

    def __init__(self, carry_out: Callable[[dict[str, Any]], None], end: Callable[[], None]) -> None:
        super().__init__()
        self.carry_out = carry_out
        self._end = end

    def teardown(self) -> None:
        """End the example."""
        self._end()


def machine_of(name: str, moves: Moves, weights: Mapping[str, int]) -> type[Machine]:
    """Return a state machine with a rule for each move.

    Args:
        name: Of the class.
        moves: Their arguments.
        weights: How many times as often as others a move is drawn; one with 0 never.

    """
    rules = {
        f"{move}_{number}": _rule(move, drawn)
        for move, drawn in moves.items()
        for number in range(weights.get(move, 1))
    }
    return type(name, (Machine,), rules)


def _rule(move: str, drawn: Arguments) -> Any:
    def draw(self: Machine, given: dict[str, Any]) -> None:
        self.carry_out({"do": move, **given})

    draw.__name__ = move
    return rule(given=drawn)(draw)
