"""Runs the steps of a search, each a load test of its own in a folder of its own, so that none inherits what waits from the one before."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from loadgen.arrivals import Arrivals, Segment
from loadgen.capacity.answer import Answer
from loadgen.capacity.search import SMALLEST_PER_S, Verdict, rounded
from loadgen.capacity.step import TOO_FEW, Measured, Step, Window, judged, lacks_agents, samples_for
from loadgen.command import Errand, carry_out
from loadgen.faults import CannotTest
from loadgen.run_folder import STEPS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any

    from loadgen.capacity.search import Search
    from loadgen.objectives import Objective
    from loadgen.plan import Plan
    from loadgen.target import Target

CALM: Final = 4.0
"""A load so much below one at which no agent was free says how fast the server answers at rest."""


@dataclass
class Seeking:
    """One search for a capacity.

    Attributes:
        plan: Of every step, but for its arrivals, its length and its folder.
        shortest_s: A step lasts at least so long.
        longest_s: And at most so long, even where a percentile would need more.
        knee_factor: By how much the 99th percentile may rise before the knee.
        on_step: Is called with a step that is over.
        watch: Is called with the plan of a step that begins; returns a context manager, and what takes its rows of progress.

    """

    plan: Plan
    search: Search
    objectives: list[Objective]
    target: Target
    shortest_s: float
    longest_s: float
    knee_factor: float
    on_step: Callable[[Step], object]
    watch: Callable[[Plan], tuple[AbstractContextManager[object], Callable[[dict[str, Any]], object]]]
    steps: list[Step] = field(default_factory=list)
    is_interrupted: bool = False
    fault: str | None = None
    _busy: dict[int, Measured] = field(default_factory=dict)
    """Steps in which no agent was free, by number: what that says depends on a load that holds."""

    def run(self, folder: Path) -> Answer:
        """Run steps until the edge is found or cannot be.

        Raises:
            CannotTest: If not even the first step can be run.

        """
        while (rate := self._calm_rate() or self.search.next_rate()) is not None:
            step = self._next_step(rate, folder)
            if step is None:
                break
            self.steps.append(step)
            self.search.take(rate, step.verdict)
            self._judge_again()
            self.on_step(step)
        return Answer(
            self.plan,
            self.target.url,
            self.search,
            self.steps,
            self.objectives,
            self.knee_factor,
            self.is_interrupted,
            fault=self.fault,
        )

    def _next_step(self, rate: float, folder: Path) -> Step | None:
        """Run a step; None where the search ends with it, for what was found until then is worth telling."""
        try:
            step = self._step(rate, folder)
        except CannotTest as fault:
            if not self.steps:
                raise
            self.fault = f"{rate:g}/s could not be tried ({fault})"
            return None
        self.is_interrupted = step is None
        return step

    def _step(self, rate: float, folder: Path) -> Step | None:
        """Run a step; None where it was interrupted."""
        wanted = samples_for(self.objectives)
        pushes = self.steps[-1].pushes_per_act if self.steps else 1.0
        duration_s = round(min(max(wanted / (rate * pushes), self.shortest_s), self.longest_s), 1)
        own = folder / STEPS_FOLDER / f"{len(self.steps) + 1:02d}-{rate:g}"
        own.mkdir(parents=True)
        plan = msgspec.structs.replace(
            self.plan,
            arrivals=Arrivals("open", f"{rate:g}/s", segments=(Segment(duration_s, rate, rate),)),
            duration_s=duration_s,
            run=f"{self.plan.run}-{len(self.steps) + 1}",
        )
        window = Window(duration_s)
        shown, show = self.watch(plan)

        def see(row: dict[str, Any]) -> None:
            window.see(row)
            show(row)

        errand = Errand(plan, self.objectives, on_row=see)
        errand.aim(self.target, own)
        with shown:
            results = carry_out(errand)
        if results.is_interrupted:
            return None
        if not self.steps and not results.acts["started"]:
            raise CannotTest(results.notes[0] if results.notes else "no agent could act")
        told = own.relative_to(folder).as_posix()
        measured = Measured(results, window, rate, wanted, self._holding_ms(), told)
        if lacks_agents(measured):
            self._busy[len(self.steps)] = measured
        return judged(measured)

    def _calm_rate(self) -> float | None:
        """Return the rate of a load that is to say how fast the server is at rest; None where that is known or not asked.

        A load that holds right at the edge is no measure: there answers are nearly as slow as beyond it.
        """
        asked = [step.rate_per_s for step in self.steps if any(each.what == TOO_FEW for each in step.reasons)]
        held = [step.rate_per_s for step in self.steps if step.verdict is Verdict.HOLDS]
        if not asked or not held or min(held) <= min(asked) / CALM:
            return None
        rate = rounded(min(asked) / CALM)
        is_tried = any(step.rate_per_s == rate for step in self.steps)
        return None if is_tried or rate < SMALLEST_PER_S else rate

    def _holding_ms(self) -> float | None:
        held = [step for step in self.steps if step.verdict is Verdict.HOLDS and step.service_ms is not None]
        return min(held, key=lambda step: step.rate_per_s).service_ms if held else None

    def _judge_again(self) -> None:
        """Judge the steps in which no agent was free by what loads that hold have shown since."""
        holding_ms = self._holding_ms()
        if holding_ms is None:
            return
        for number, measured in self._busy.items():
            was, now = self.steps[number], judged(replace(measured, holding_ms=holding_ms))
            self.steps[number] = now
            self.search.revise(was.rate_per_s, was.verdict, now.verdict)
