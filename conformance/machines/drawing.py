"""The Hypothesis state machine of a family, made from the table of its moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from conformance.machines.moves import Program

Arguments: TypeAlias = st.SearchStrategy[dict[str, Any]]
Moves: TypeAlias = Mapping[str, Arguments]
"""The arguments of each move, by its name."""

WHO = st.integers(0, 1)
"""A participant."""
AT = st.sampled_from((0, 0, 0, 1))
"""One of its connections."""
ON = st.sampled_from((0, 0, 0, 1))
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
    "drop_all": arguments(),
    "leave_stale": arguments(who=WHO, at=AT, on=ON),
}


def is_on_several(program: Program) -> bool:
    """Tell whether the moves of a program, but for those of connections, are on several topics."""
    return len({move["on"] for move in program if "on" in move and move["do"] not in COMMON}) > 1


FAVOURED = 4
"""How many times as often as usual the favourite move of an example is drawn."""
OWN_SHARE = 5
"""One move of so many is about connections and joins, the others are those that the family has of its own."""


class Machine(RuleBasedStateMachine):
    """Draws moves and hands each on; what they lead to is no matter of its own.

    Each example has a move that it favours: what needs the same move again and again is found as well as what needs many.
    """

    mixes: ClassVar[Mapping[str, Arguments]]
    """What is drawn, by the favourite."""

    def __init__(self, carry_out: Callable[[dict[str, Any]], None], end: Callable[[], None]) -> None:
        super().__init__()
        self.carry_out = carry_out
        self._end = end
        self._mix: Arguments = st.nothing()

    def teardown(self) -> None:
        """End the example."""
        self._end()


def machine_of(name: str, moves: Moves, weights: Mapping[str, int], connections: Moves) -> type[Machine]:
    """Return the state machine of a family.

    Args:
        name: Of the class.
        moves: The arguments of the moves that the family has of its own.
        weights: How many times as often as others a move is drawn; one with 0 never.
        connections: The moves that make, end and renew connections and joins.

    """
    others = _mix(connections, weights)
    mixes = {
        favourite: _shared(_mix(moves, {**weights, favourite: FAVOURED * weights.get(favourite, 1)}), others)
        for favourite in moves
    }
    members = {
        "mixes": mixes,
        "begin": initialize(favourite=st.sampled_from(sorted(moves)))(_begin),
        # One rule for all: Hypothesis would leave most of many out of an example, whatever their weights.
        "move": rule(data=st.data())(_draw_move),
    }
    return type(name, (Machine,), members)


def _begin(self: Machine, favourite: str) -> None:
    self._mix = self.mixes[favourite]


def _draw_move(self: Machine, data: st.DataObject) -> None:
    self.carry_out(data.draw(self._mix))


def _shared(own: Arguments, others: Arguments) -> Arguments:
    return st.integers(1, OWN_SHARE).flatmap(lambda drawn: others if drawn == OWN_SHARE else own)


def _mix(moves: Moves, weights: Mapping[str, int]) -> Arguments:
    names = [name for name in moves for _ in range(weights.get(name, 1))]
    named = {name: drawn.map(lambda given, name=name: {"do": name, **given}) for name, drawn in moves.items()}  # type: ignore[misc]
    return st.sampled_from(names).flatmap(named.__getitem__)
