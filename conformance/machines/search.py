"""Draws examples until one breaks something or enough have been drawn, and leaves the shortest program in the lab."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from conformance.client.deadline import Deadline
from conformance.faults import Breach, CannotProvision, CannotTell, Violation
from conformance.fixtures.lab import Lab
from conformance.machines.drawing import Machine
from conformance.machines.evidence import Company, Evidence, Example, carried_out
from conformance.machines.moves import Move, Program, read_program, write_program
from conformance.machines.shortening import Allowance, shortened


@dataclass(frozen=True, slots=True)
class Effort:
    """How much one machine may do."""

    examples: int = 50
    moves: int = 20
    """Of an example."""
    drawing_s: float = 20.0
    """Where an endpoint is slow, fewer examples are drawn."""
    shortening: int = 150
    """Executions that shortening may take."""
    shortening_s: float = 10.0


BATCH = 9
"""Examples of one run of Hypothesis: from the tenth on it would make most of them of parts of one, again and again."""
IN_VAIN = 5
"""After so many examples in a row that could not be carried to their end, no more are drawn."""


class _Enough(KeyboardInterrupt):
    """Takes Hypothesis out of its loop: something was found, or the time is up.

    It would else try a failure again by itself, which an endpoint that is not deterministic need not stand up to. An
    interruption is what it lets pass without a further thought.
    """


class Search:
    """One attempt at a machine."""

    def __init__(self, lab: Lab, company: Company, effort: Effort) -> None:
        self._lab = lab
        self._company = company
        self._effort = effort
        self._until_s = Deadline(effort.drawing_s, lab.until_s).cap(effort.drawing_s)
        self._labs = 0
        self._example: Example | None = None
        self.found: Evidence | None = None
        """The first example that breaks something binding; until there is one, the first that gives advice."""
        self._advice: dict[str, Breach] = {}
        self._drawn = self._whole = self._in_vain = 0
        self._cut_short: Exception | None = None
        """Why the last example that was not carried to its end was not."""
        self._fault: Exception | None = None
        """What went wrong beside the endpoint."""

    def run(self, machine: type[Machine]) -> None:
        """Draw examples, and leave in the lab what was found.

        Raises:
            Violation: If something binding is broken.
            CannotProvision: If not one example could be begun for want of an agent or a resource.
            CannotTell: If hardly an example could be carried to its end.

        """
        self._draw(machine)
        if self._fault is not None:
            raise self._fault
        if self.found is not None:
            self._leave(*self._shortest(self.found))
        elif self._whole * 2 < self._drawn:
            if not self._whole and isinstance(self._cut_short, CannotProvision):
                raise self._cut_short
            shown = f"{self._whole} of {self._drawn} examples could be carried to their end"
            raise CannotTell(f"{shown}: {self._cut_short}")

    def _draw(self, machine: type[Machine]) -> None:
        try:
            for run in range(-(-self._effort.examples // (BATCH - 1))):
                self._draw_batch(machine, run)
        except _Enough:
            return

    def _draw_batch(self, machine: type[Machine], run: int) -> None:
        """Let Hypothesis draw a few examples; the simplest one comes first, and is of no use again and again."""
        to_skip = int(run > 0)

        @seed(seed_of(self._lab) + run)
        def begin() -> Machine:
            nonlocal to_skip
            self._example = None
            if not to_skip:
                self._unwrapped(self._begin)
            to_skip = 0
            return machine(self._draw_move, lambda: self._unwrapped(self._end))

        run_state_machine_as_test(begin, settings=_settings(self._effort))  # type: ignore[arg-type]

    def _next_lab(self) -> Lab:
        self._labs += 1
        return self._lab.example(self._labs)

    def _begin(self) -> None:
        self._example = Example(self._next_lab(), self._company)

    def _draw_move(self, move: Move) -> None:
        example = self._example
        if example is not None:
            self._unwrapped(lambda: example.draw(move))

    def _unwrapped(self, act: Callable[[], None]) -> None:
        """Do something; what else it raises than that it is enough is kept from Hypothesis, which would try it again."""
        try:
            act()
        except Exception as exc:
            self._fault = exc
            self._example = None
            raise _Enough from exc

    def _end(self) -> None:
        """Take what an example has shown, also where drawing it was broken off."""
        if self._example is None:
            return
        evidence, self._example = self._example.end(), None
        self._drawn += 1
        self._whole += evidence.cut_short is None
        self._cut_short = evidence.cut_short or self._cut_short
        if evidence.breaches and (self.found is None or evidence.violation is not None):
            self.found = evidence
        for breach in evidence.breaches:
            self._advice.setdefault(breach.requirement, breach)
        self._in_vain = 0 if evidence.cut_short is None else self._in_vain + 1
        if evidence.violation is not None:
            self._lab.found_s = time.monotonic()
        is_late = time.monotonic() >= self._until_s or self._in_vain >= IN_VAIN
        if evidence.violation is not None or is_late:
            raise _Enough

    def _shortest(self, found: Evidence) -> tuple[Evidence, bool]:
        left_s = Deadline(self._effort.shortening_s, self._lab.until_s).cap(self._effort.shortening_s)
        allowance = Allowance(self._effort.shortening, max(0.0, left_s - time.monotonic()))
        cause = self._company.cause(found.breaches[0].requirement)

        def shows(evidence: Evidence) -> bool:
            return any(self._company.cause(breach.requirement) == cause for breach in evidence.breaches)

        return shortened(found, shows, self._again, self._company.simpler, allowance)

    def _again(self, program: Program) -> Evidence:
        return carried_out(self._next_lab(), self._company, program)

    def _leave(self, evidence: Evidence, is_shortest: bool) -> None:
        others = [each for name, each in self._advice.items() if not evidence.shows(name) and each.is_advice]
        leave(self._lab, self._company, evidence, others, is_shortest=is_shortest)


def leave(lab: Lab, company: Company, evidence: Evidence, others: list[Breach], *, is_shortest: bool) -> None:
    """Make a lab look as if it had seen this example alone, but for further advice.

    Raises:
        Violation: If something binding is broken.

    """
    lab.program = write_program(evidence.program, is_shortest=is_shortest)
    lab.transcript = evidence.transcript
    lab.breaches = list(others)
    for breach in reversed(evidence.breaches):
        requirement = breach.requirement
        if is_shortest:
            # What a fault means shows in what it takes to see it.
            requirement = company.refined(requirement, evidence.program)
        is_advice = breach.is_advice and not lab.api.requirements[requirement].is_binding
        lab.breaches.insert(0, replace(breach, requirement=requirement, is_advice=is_advice))
    binding = next((each for each in lab.breaches if not each.is_advice), None)
    if binding is not None:
        raise Violation(binding.requirement, binding.expected, binding.observed)


def run_program(lab: Lab, company: Company) -> None:
    """Carry out the program that is given in the lab.

    Raises:
        Violation: If something binding is broken.
        CannotTell: If it could not be carried to its end.
        CannotProvision: If something that it needs cannot be made.

    """
    program, is_shortest = read_program(lab.program)
    evidence = carried_out(lab.example(0), company, program)
    if evidence.cut_short is not None:
        lab.transcript = evidence.transcript
        raise evidence.cut_short
    leave(lab, company, evidence, [], is_shortest=is_shortest)


def seed_of(lab: Lab) -> int:
    """Return the seed of a case, the same for the same run."""
    digest = hashlib.sha256(f"{lab.bench.seed}/{lab.bench.doubts.case}".encode()).digest()
    return int.from_bytes(digest[:8])


def _settings(effort: Effort) -> settings:
    return settings(
        max_examples=BATCH,
        stateful_step_count=effort.moves,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
