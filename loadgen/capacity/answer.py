"""What all steps of a search say: the capacity, what gave way first, where the knee lies, and what that comes to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from loadgen.capacity.search import Verdict
from loadgen.capacity.step import ACHIEVED_SHARE, AGENTS, GENERATOR, SETTLED_AFTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadgen.capacity.search import Search
    from loadgen.capacity.step import Reason, Step
    from loadgen.objectives import Objective
    from loadgen.plan import Plan

FORMAT: Final = 1
KNEE_SHARE: Final = 0.95
"""Of what is offered, up to the knee."""


class ExitCode(IntEnum):
    """What the exit code of `wireproof capacity` means."""

    FOUND = 0
    #: It is less than was asked for, or not even the smallest load holds.
    TOO_SMALL = 1
    USAGE = 2
    COULD_NOT_TEST = 3
    #: The generator was the bottleneck, agents were too few at every load, or the search was interrupted.
    UNTOLD = 4


@dataclass(frozen=True, slots=True)
class Knee:
    """Where the knee lies.

    Attributes:
        rate_per_s: The last step before it; None where that cannot be told.
        is_passed: Whether a step lies beyond it.

    """

    rate_per_s: float | None
    is_passed: bool


@dataclass(frozen=True)
class Answer:
    """The answer to a search.

    Attributes:
        fault: Why a step could not be run, so that the search ended early; None where all were.

    """

    plan: Plan
    url: str
    search: Search
    steps: list[Step]
    objectives: list[Objective]
    knee_factor: float
    is_interrupted: bool
    asked_per_s: float | None = None
    fault: str | None = None

    @property
    def capacity_per_s(self) -> float | None:
        """The largest load that holds; None where none does, or where it cannot be told."""
        return None if self.is_untold else self.search.holds_per_s

    @property
    def is_untold(self) -> bool:
        """Whether the generator, a fault or an interruption has ended the search before the edge was found."""
        is_cut = self.is_interrupted or self.fault is not None
        return is_cut or self.search.unfit_per_s is not None or self.lacks_agents

    @property
    def lacks_agents(self) -> bool:
        """Whether no load holds, and of the smallest nothing is known but that no agent was free."""
        limit = self.search.gives_way_per_s
        at_limit = [step for step in self.steps if step.rate_per_s == limit]
        kinds = {reason.kind for step in at_limit for reason in step.reasons}
        return self.search.holds_per_s is None and kinds == {AGENTS}

    @property
    def gave_way(self) -> tuple[Reason, ...]:
        """What gave way first: at the smallest load that does not hold."""
        is_unfit = self.search.unfit_per_s is not None and not self.lacks_agents
        limit = self.search.unfit_per_s if is_unfit else self.search.gives_way_per_s
        wanted = Verdict.UNFIT if is_unfit else Verdict.GIVES_WAY
        at_limit = [step for step in self.steps if step.rate_per_s == limit and step.verdict is wanted]
        reasons: dict[str, Reason] = {}
        for step in at_limit:
            for reason in step.reasons:
                reasons.setdefault(reason.what, reason)
        return tuple(reasons.values())

    @property
    def knee(self) -> Knee:
        """The last step, upwards from the lowest, before latency has risen or less is achieved than is offered."""
        return knee_of(self.steps, self.knee_factor)

    @property
    def exit_code(self) -> ExitCode:
        """What it comes to."""
        holds, asked = self.search.holds_per_s, self.asked_per_s
        if asked is not None and holds is not None and holds >= asked:
            return ExitCode.FOUND
        if self.fault is not None:
            return ExitCode.COULD_NOT_TEST
        if self.is_untold:
            return ExitCode.UNTOLD
        if holds is None or asked is not None:
            return ExitCode.TOO_SMALL
        return ExitCode.FOUND

    @property
    def told(self) -> str:
        """The answer in one sentence."""
        holds, limit = self.search.holds_per_s, self.search.gives_way_per_s
        if self.fault is not None:
            return f"ended early, {self.fault}: no capacity is named; {_at_least(holds)}"
        if self.is_interrupted:
            return f"interrupted: no capacity is named; {_at_least(holds)}"
        if self.search.unfit_per_s is not None:
            return f"the generator was the bottleneck at {self.search.unfit_per_s:g}/s: no capacity is named; {_at_least(holds)}"
        if self.lacks_agents:
            return f"cannot tell: even at {limit:g}/s arrivals found no agent free: give more --agents"
        if holds is None:
            return f"no load holds: even {limit:g}/s gives way" if limit else "no load was tried"
        if limit is None:
            return f"capacity: at least {holds:g}/s, the most that was to be tried"
        return f"capacity: {holds:g}/s holds, {limit:g}/s gives way"

    def to_json(self) -> dict[str, Any]:
        """Return what a program or a person wants to read."""
        knee = self.knee
        return {
            "format": FORMAT,
            "url": self.url,
            "scenario": self.plan.scenario,
            "parameters": self.plan.parameters,
            "agents": self.plan.agents,
            "seed": self.plan.seed,
            "model": "open",
            "objectives": [objective.text for objective in self.objectives],
            "rules": {
                "achieved": f"at least {ACHIEVED_SHARE:.0%} of what is offered is begun and answered by ok, after the first {SETTLED_AFTER:.0%} of a step",
                "knee": f"the last step whose p99 is at most {self.knee_factor:g} times that of the lowest step and that achieves at least {KNEE_SHARE:.0%} of what is offered",
                "precision": self.search.precision,
                "repeats": self.search.repeats,
            },
            "capacity_per_s": self.capacity_per_s,
            "holds_per_s": self.search.holds_per_s,
            "gives_way_per_s": self.search.gives_way_per_s,
            "generator_limit_per_s": self.search.unfit_per_s,
            "asked_per_s": self.asked_per_s,
            "gave_way": [asdict(reason) for reason in self.gave_way],
            "knee_per_s": knee.rate_per_s,
            "is_knee_passed": knee.is_passed,
            "is_interrupted": self.is_interrupted,
            "fault": self.fault,
            "told": self.told,
            "steps": [asdict(step) for step in self.steps],
            "exit_code": int(self.exit_code),
        }


def knee_of(steps: Sequence[Step], factor: float) -> Knee:
    """Say where the knee lies.

    Args:
        steps: In any order; of those at the same rate the median counts.
        factor: By how much the 99th percentile may be above that of the lowest step.

    """
    rates = sorted({step.rate_per_s for step in steps})
    lowest_ms: float | None = None
    latest: float | None = None
    for rate in rates:
        at_rate = [step for step in steps if step.rate_per_s == rate and not _is_unfit(step)]
        latencies = [step.p99_ms for step in at_rate if step.p99_ms is not None]
        if not latencies:
            # A step that says nothing of latency ends what can be told.
            return Knee(latest, is_passed=False)
        p99_ms = median(latencies)
        lowest_ms = p99_ms if lowest_ms is None else lowest_ms
        if p99_ms > factor * lowest_ms or median(step.achieved for step in at_rate) < KNEE_SHARE:
            return Knee(latest, is_passed=True)
        latest = rate
    return Knee(latest, is_passed=False)


def _is_unfit(step: Step) -> bool:
    return any(reason.kind == GENERATOR for reason in step.reasons)


def _at_least(holds: float | None) -> str:
    return "nothing was seen to hold" if holds is None else f"{holds:g}/s was seen to hold"
