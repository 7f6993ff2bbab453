"""The results of a run: what all processes have measured put together, and what that comes to."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from loadgen.measure.health import faults_of, shares
from loadgen.measure.histogram import Histogram
from loadgen.measure.statistics import INTEGRITY, MEASURES, RESPONSE, Statistics
from loadgen.objectives import Evidence, Objective, Outcome, is_push

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadgen.gaps import Gap
    from loadgen.plan import Plan

FORMAT: Final = 1
SHOWN_PERCENTS: Final = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99)
ACT: Final = "act."
CHANCE: Final = 4.0
"""Standard deviations by which drawn arrivals may differ from what is expected of them."""


class ExitCode(IntEnum):
    """What the exit code of `wireproof load` means."""

    REACHED = 0
    #: An objective is not reached, or a requirement is broken.
    MISSED = 1
    USAGE = 2
    #: Unreachable, credentials refused, or nothing succeeded.
    COULD_NOT_TEST = 3
    #: Objectives or observations that were not judged, a process that has not told its results, or an early end, and nothing worse.
    INCONCLUSIVE = 4


@dataclass(frozen=True, slots=True)
class Results:
    """A run that is over.

    Attributes:
        missing: How many processes have not told their results.
        left: How many were ended before the load was over, and told what they had until then.
        latency_until: `kernel` where latencies end when the generator's kernel had the answer, `read` where they end when it was
            read, `mixed` where some processes have no stamps of their kernel.

    """

    plan: Plan
    opening_s: float
    load_s: float
    is_interrupted: bool
    notes: list[str]
    statistics: Statistics
    losses: Counter[str]
    acts: Counter[str]
    groups: Counter[str]
    health: list[dict[str, Any]]
    memory: list[dict[str, Any]]
    bottlenecks: list[str]
    judgements: list[dict[str, Any]]
    outcomes: list[Outcome]
    server_cpu_s: float | None = None
    gaps: list[Gap] = field(default_factory=list)
    missing: int = 0
    left: int = 0
    latency_until: str = "read"

    @property
    def offered(self) -> float | None:
        """How many arrivals were to be started: those that came, or that were expected where it is more than chance that fewer came.

        None in the closed model.
        """
        # Those included that a generator never got to: they were offered all the same.
        arrivals, due = self.plan.arrivals, self.acts["offered"] or self.acts["due"]
        expected = arrivals.offered
        if expected is None:
            return None
        is_drawn = arrivals.is_poisson or (arrivals.trace_s and self.plan.processes > 1)
        # Even arrivals of a process begin at a random phase, so that it may have one more or less.
        spread = CHANCE * math.sqrt(expected) if is_drawn else self.plan.processes
        return due if due and abs(due - expected) < spread else expected

    @property
    def achieved(self) -> float | None:
        """The share of offered arrivals that was started; None in the closed model."""
        return None if not self.offered or self.is_interrupted else self.acts["started"] / self.offered

    @property
    def is_judged(self) -> bool:
        """Whether everything that was observed was judged."""
        are_all = bool(self.judgements) and len(self.judgements) == len(self.health) + self.missing
        return are_all and all(each["is_complete"] for each in self.judgements)

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The requirements that were broken, with counts and examples; those of all processes together."""
        merged: dict[str, dict[str, Any]] = {}
        for judgement in self.judgements:
            for row in judgement["findings"]:
                known = merged.get(row["requirement"])
                if known is None:
                    merged[row["requirement"]] = dict(row)
                else:
                    known["count"] += row["count"]
        return list(merged.values())

    @property
    def exit_code(self) -> ExitCode:
        """What the run comes to."""
        if any(row["is_binding"] for row in self.findings):
            return ExitCode.MISSED
        if not self.acts["started"] or not any(
            figures.ok for figures in self.statistics if figures.name.startswith(ACT)
        ):
            return ExitCode.COULD_NOT_TEST
        if any(outcome.is_met is False for outcome in self.outcomes):
            return ExitCode.MISSED
        # The rest of the time, or what nobody has judged, might have broken what held until then.
        is_untold = (
            self.missing or self.left or self.is_interrupted or (self.plan.judge and not self.is_judged)
        )
        if is_untold or any(outcome.is_met is None for outcome in self.outcomes):
            return ExitCode.INCONCLUSIVE
        return ExitCode.REACHED

    def to_json(self) -> dict[str, Any]:
        """Return what a program or a person wants to read; the raw histograms are in the generator's own file."""
        arrivals = self.plan.arrivals
        return {
            "format": FORMAT,
            "url": self.plan.url,
            "scenario": self.plan.scenario,
            "parameters": self.plan.parameters,
            "agents": self.plan.agents,
            "seed": self.plan.seed,
            "model": arrivals.model,
            "arrivals": arrivals.text,
            "offered": self.offered,
            "achieved": self.achieved,
            "acts": dict(self.acts),
            "groups": dict(self.groups),
            "opening_s": round(self.opening_s, 3),
            "load_s": round(self.load_s, 3),
            "is_interrupted": self.is_interrupted,
            "notes": self.notes,
            "missing_processes": self.missing,
            "left_processes": self.left,
            "events": [_event(figures, self.load_s) for figures in self.statistics if figures.has_any],
            "losses": dict(self.losses),
            "gaps": msgspec.to_builtins(self.gaps),
            "latency_until": self.latency_until,
            "is_latency_valid": not self.bottlenecks,
            "bottlenecks": self.bottlenecks,
            "generator": [
                _process(health) | {"memory": memory}
                for health, memory in zip(self.health, self.memory, strict=True)
            ],
            "server_cpu_s": self.server_cpu_s,
            "is_judged": self.is_judged,
            "judged_facts": sum(each["facts"] for each in self.judgements),
            "judge_cpu_s": round(sum(each.get("cpu_s", 0.0) for each in self.judgements), 3),
            "findings": self.findings,
            "objectives": [asdict(outcome) for outcome in self.outcomes],
            "exit_code": int(self.exit_code),
        }


def results_of(
    plan: Plan,
    outcome: dict[str, Any],
    objectives: Sequence[Objective],
    server_cpu_s: float | None = None,
    seen: int = 0,
) -> Results:
    """Put together what the processes of a run have told.

    Args:
        plan: Of the run.
        outcome: What the conductor has written.
        objectives: What was to be reached.
        server_cpu_s: What an own server has taken.
        seen: How many processes have told of their seconds.

    """
    statistics, losses, acts, groups = Statistics(), Counter[str](), Counter[str](), Counter[str]()
    wanted = max(plan.processes, seen)
    missing = max(0, wanted - len(outcome["processes"]))
    notes = [f"{missing} of {wanted} processes have not told their results"] if missing else []
    left = sum(process.get("has_left", False) for process in outcome["processes"])
    notes += [f"{left} of {wanted} processes were ended before the load was over"] if left else []
    notes += [outcome["note"]] if outcome["note"] else []
    judgements: list[dict[str, Any]] = []
    for process in outcome["processes"]:
        statistics.merge(Statistics.from_json(process["statistics"]))
        losses.update(process["losses"])
        acts.update(process["acts"])
        groups.update(process["groups"])
        notes += [fault for fault in process["faults"] if fault not in notes]
        if "judge" in process:
            judgements.append(process["judge"])
    notes += _of_judges(judgements)
    health = [process["health"] for process in outcome["processes"]]
    memory = [process["memory"] for process in outcome["processes"]]
    bottlenecks = faults_of(health, _p99_us(statistics), is_open=plan.arrivals.model == "open")
    made = Results(
        plan, outcome["opening_s"], outcome["load_s"], outcome["is_interrupted"], notes, statistics, losses, acts,
        groups, health, memory, bottlenecks, judgements, [], server_cpu_s, missing=missing, left=left,
        latency_until=_until(outcome["processes"]),
    )  # fmt: skip
    evidence = Evidence(
        tuple(statistics),
        made.load_s,
        made.achieved,
        {row["requirement"]: row["count"] for row in made.findings},
        not bottlenecks,
        made.is_judged,
        missing,
    )
    made.outcomes.extend(objective.judge(evidence) for objective in objectives)
    return made


def _until(processes: list[dict[str, Any]]) -> str:
    # Runs from before there were stamps had none.
    told = {process.get("has_stamps", False) for process in processes}
    return "mixed" if len(told) > 1 else "kernel" if told == {True} else "read"


def _of_judges(judgements: list[dict[str, Any]]) -> list[str]:
    return [judgement["fault"] for judgement in judgements if "fault" in judgement]


def _p99_us(statistics: Statistics) -> int | None:
    merged = Histogram()
    for figures in statistics:
        if is_push(figures.name):
            merged.merge(figures.histograms[RESPONSE])
    return merged.percentile(99)


def _event(figures: Any, load_s: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": figures.name,
        "sent": figures.sent,
        "ok": figures.ok,
        "errors": dict(figures.errors),
        "rate_per_s": round((figures.in_time or 0) / load_s, 3) if load_s else 0.0,
    }
    if figures.relays or figures.delivered or figures.broken:
        row |= {"relays": figures.relays, "delivered": figures.delivered}
        row |= {name: figures.broken[name] for name in INTEGRITY}
    for measure in MEASURES:
        histogram = figures.histograms[measure]
        if histogram.total:
            values = histogram.percentiles(SHOWN_PERCENTS)
            shown = {
                f"p{percent:g}_ms": value / 1000
                for percent, value in zip(SHOWN_PERCENTS, values, strict=True)
            }
            row[measure] = {
                "count": histogram.total,
                "mean_ms": round(histogram.mean_us / 1000, 3),
                **shown,
                "max_ms": histogram.max_us / 1000,
            }
    return row


def _process(health: dict[str, Any]) -> dict[str, Any]:
    seconds = health["seconds"]
    span_s = sum(second["span_s"] for second in seconds) or 1.0
    cpu = sum(second["cpu"] * second["span_s"] for second in seconds) / span_s
    awake = sum(second.get("awake", 0.0) * second["span_s"] for second in seconds) / span_s
    lags = Histogram(dict(health["lags"]))
    return {
        "cpu_mean": round(cpu, 4),
        "cpu_max": max([round(cpu, 4), *shares(health)]),
        "awake_mean": round(awake, 4),
        "lag_p99_ms": (lags.percentile(99) or 0) / 1000,
        "lag_max_ms": lags.max_us / 1000,
    }
