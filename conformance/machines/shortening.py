"""Shortens a program that shows something, on fresh fixtures each time: fewer moves first, then simpler arguments."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from conformance.machines.evidence import Evidence
from conformance.machines.forging import GOOD
from conformance.machines.moves import Program

Again: TypeAlias = Callable[[Program], Evidence]
Plain: TypeAlias = Mapping[tuple[str, str], Any]
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
    found: Evidence, shows: Shows, again: Again, plain: Plain, allowance: Allowance
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
    return _simplified(best, shows, again, plain, allowance), True


def _without(program: Program, size: int) -> Iterator[Program]:
    """Yield a program without so many moves in a row: the last ones first, since they are seldom needed."""
    for end in range(len(program), 0, -size):
        yield program[: max(0, end - size)] + program[end:]


def _simplified(best: Evidence, shows: Shows, again: Again, plain: Plain, allowance: Allowance) -> Evidence:
    """Take arguments back to what is simplest, one by one, where it still shows."""
    is_simpler = True
    while is_simpler:
        is_simpler = False
        for candidate in _simpler(best.program, plain):
            if not allowance.take():
                return best
            seen = again(candidate)
            if shows(seen) and len(seen.program) <= len(best.program):
                best, is_simpler = seen, True
                break
    return best


def _simpler(program: Program, plain: Plain) -> Iterator[Program]:
    for index, move in enumerate(program):
        for name, value in move.items():
            # The first participant, the first connection, the first topic, the latest of several; no.
            simple = type(value)(0) if isinstance(value, int) else plain.get((move["do"], name), value)
            if simple != value and not (name == "sign" and value == GOOD):
                yield [*program[:index], {**move, name: simple}, *program[index + 1 :]]
