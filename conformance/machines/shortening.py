"""Shortens a program that shows something, on fresh fixtures each time: fewer moves first, then simpler arguments."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from conformance.machines.evidence import Evidence
from conformance.machines.moves import Move, Program

Again: TypeAlias = Callable[[Program], Evidence]
Simpler: TypeAlias = Callable[[Move], Iterable[Program]]
"""Gives what may stand in the place of a move, the simplest first."""
Shows: TypeAlias = Callable[[Evidence], bool]


@dataclass(slots=True)
class Allowance:
    """How much may still be tried."""

    executions: int
    seconds: float
    _until_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._until_s = time.monotonic() + self.seconds

    def take(self) -> bool:
        """Use up one execution; false where none is left."""
        self.executions -= 1
        return self.executions >= 0 and time.monotonic() < self._until_s


def shortened(
    found: Evidence, shows: Shows, again: Again, simpler: Simpler, allowance: Allowance
) -> tuple[Evidence, bool]:
    """Return the shortest evidence that could be had for the same fault, and whether none of its moves can be left out.

    An endpoint that does not always show it makes the program longer, never wrong: what is returned was seen.
    """
    best, size = found, max(1, len(found.program) // 2)
    while size:
        is_shorter = False
        for candidate in _without(best.program, size):
            if not allowance.take():
                return best, False
            seen = again(candidate)
            if shows(seen):
                best, is_shorter = seen, True
                break
        size = min(size, len(best.program)) if is_shorter else size // 2
    return _simplified(best, shows, again, simpler, allowance), True


def _without(program: Program, size: int) -> Iterator[Program]:
    """Yield a program without so many moves in a row: the last ones first, since they are seldom needed."""
    for end in range(len(program), 0, -size):
        yield program[: max(0, end - size)] + program[end:]


def _simplified(
    best: Evidence, shows: Shows, again: Again, simpler: Simpler, allowance: Allowance
) -> Evidence:
    """Put simpler moves in the place of others, one by one, where it still shows."""
    is_simpler = True
    while is_simpler:
        is_simpler = False
        for candidate in _with_simpler(best.program, simpler):
            if not allowance.take():
                return best
            seen = again(candidate)
            if shows(seen) and pushes(seen.program) <= pushes(best.program):
                best, is_simpler = seen, True
                break
    return best


def _with_simpler(program: Program, simpler: Simpler) -> Iterator[Program]:
    for index, move in enumerate(program):
        for moves in simpler(move):
            yield [*program[:index], *moves, *program[index + 1 :]]


def pushes(program: Program) -> int:
    """Return about how much a program sends: what is sent at once is sent by two."""
    return sum(1 + move["do"].endswith("at_once") for move in program)
