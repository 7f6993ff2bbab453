"""What one example has shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from conformance.client.transcript import Transcript
from conformance.faults import Breach, CannotProvision, CannotTell, OutOfTime, Violation
from conformance.fixtures.lab import Lab
from conformance.machines.moves import Move, Program
from conformance.machines.play import Play

Company: TypeAlias = type[Play[Any]]
"""Who takes part in the examples of a family, and what they can do."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A program, and what came of it."""

    program: Program
    breaches: tuple[Breach, ...]
    """A binding one first."""
    transcript: Transcript
    violation: Violation | None = None
    """The binding breach that ended the example."""
    cut_short: Exception | None = None
    """Why it could not be carried to its end, where it is not the endpoint's fault."""

    def shows(self, requirement: str) -> bool:
        """Tell whether a requirement is broken."""
        return any(breach.requirement == requirement for breach in self.breaches)


class Example:
    """One example as it is carried out, move by move."""

    def __init__(self, lab: Lab, company: Company) -> None:
        self._lab = lab
        self._program: Program = []
        self._violation: Violation | None = None
        self._cut_short: Exception | None = None
        self._play: Play[Any] | None = None
        self._attempt(lambda: self._begin(company))

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be carried out."""
        return self._violation is not None or self._cut_short is not None or self._is_play_over

    @property
    def _is_play_over(self) -> bool:
        return self._play is None or self._play.is_over

    def carry_out(self, move: Move) -> None:
        """Carry out a move; one that makes no sense where it stands leaves no trace."""
        if not self.is_over:
            self._attempt(lambda: self._move(move))

    def draw(self, drawn: Move) -> None:
        """Carry out a move that was drawn, or one that is of more use."""
        if self.is_over or self._play is None:
            return
        move = self._play.steered(drawn)
        if move is None or self._has_carried_out(move):
            return
        before = self._play.prelude(move)
        if before and all(map(self._has_carried_out, before)):
            self.carry_out(move)

    def _has_carried_out(self, move: Move) -> bool:
        length = len(self._program)
        self.carry_out(move)
        return len(self._program) > length

    def end(self) -> Evidence:
        """Let everything arrive, close all connections, and return what was shown."""
        if not self.is_over and self._play is not None:
            self._attempt(self._play.finish)
        self._lab.close()
        breaches = list(self._lab.breaches)
        if self._violation is not None:
            own = self._violation.breach
            breaches = [own, *(each for each in breaches if each.requirement != own.requirement)]
        return Evidence(
            self._program, tuple(breaches), self._lab.transcript, self._violation, self._cut_short
        )

    def _begin(self, company: Company) -> None:
        self._play = company(self._lab)

    def _move(self, move: Move) -> None:
        if self._play is None:
            return
        # A move that finds something is part of the program as well.
        self._program.append(move)
        if not self._play.carry_out(move):
            self._program.pop()

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Violation as exc:
            self._violation = exc
        except (CannotTell, OutOfTime, CannotProvision) as exc:
            self._cut_short = exc


def carried_out(lab: Lab, company: Company, program: Program) -> Evidence:
    """Carry out a whole program."""
    example = Example(lab, company)
    for move in program:
        example.carry_out(move)
    return example.end()
