"""What one run at a constant rate comes to: whether the load holds, and if not, what gave way."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from loadgen.capacity.search import Verdict
from loadgen.measure.health import is_busy
from loadgen.measure.histogram import Histogram
from loadgen.measure.statistics import RESPONSE, SERVICE
from loadgen.objectives import is_push
from loadgen.results import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadgen.measure.statistics import Figures
    from loadgen.objectives import Objective
    from loadgen.results import Results

ACHIEVED_SHARE: Final = 0.98
"""Less of what is offered, and what waits grows without end: no such load holds, whatever the objectives say."""
SETTLED_AFTER: Final = 1 / 3
"""Of a step: what comes before, while queues fill for the first time, does not count for what is achieved."""
BEYOND: Final = 100
"""Samples beyond the percentile that is judged: with so many, a percentile of a percent's rank is known to a tenth of its tail."""
SERVICE_RISE: Final = 3.0
"""Agents that wait so much longer for answers than at a load that holds are busy because of the server."""

GENERATOR: Final = "generator"
AGENTS: Final = "agents"
"""Of a reason that names neither the server nor the generator: no agent was free, and it is not known why."""
TOO_FEW: Final = "too few agents"
"""What a reason of the generator is about where its agents are the limit."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that gave way.

    Attributes:
        kind: `objective`, `achieved`, `loss`, `requirement`, `nothing`, `agents` or `generator`.
        what: The same at every step, so that steps can be compared.
        told: With its value.

    """

    kind: str
    what: str
    told: str


@dataclass(frozen=True, slots=True)
class Step:
    """A run at one rate.

    Attributes:
        achieved: Share of what was offered that was begun and answered by ok, in the part of the step that counts.
        answered_per_s: Pushes that were answered by ok, in the same part.
        samples: Pushes that were answered.
        samples_wanted: For the percentile that is judged.
        p99_ms: Of the response time of all pushes; None where it is not valid.
        service_ms: The median of their service time, in which no wait for an agent is; None where it is not valid.

    """

    rate_per_s: float
    verdict: Verdict
    duration_s: float
    achieved: float
    answered_per_s: float
    samples: int
    samples_wanted: int
    p99_ms: float | None
    reasons: tuple[Reason, ...]
    folder: str
    acts: int = 0
    service_ms: float | None = None

    @property
    def pushes_per_act(self) -> float:
        """How many pushes an arrival leads to."""
        return max(1.0, self.samples / self.acts) if self.acts else 1.0


@dataclass
class Window:
    """What is sent and answered in the part of a step that counts, from the rows of its progress."""

    duration_s: float
    sent: int = 0
    ok: int = 0
    errors: int = 0
    _per_s: dict[str, tuple[int, float]] = field(default_factory=dict)
    _began_s: float | None = None
    _ended: bool = False
    _first: dict[str, tuple[int, int]] = field(default_factory=dict)
    _last: dict[str, tuple[int, int]] = field(default_factory=dict)

    def see(self, row: dict[str, Any]) -> None:
        """Take a row."""
        if row.get("phase") == "load":
            self._began_s = row["at_s"]
        elif "phase" in row:
            self._ended = self._began_s is not None
        elif self._began_s is not None and not self._ended and "events" in row:
            self._second(row, row["at_s"] - self._began_s)

    def _second(self, row: dict[str, Any], at_s: float) -> None:
        worker, acts = row["worker"], (row["started"], row["due"])
        if at_s < SETTLED_AFTER * self.duration_s or worker not in self._first:
            self._first[worker] = self._last[worker] = acts
            return
        self._last[worker] = acts
        pushes = [event for event in row["events"] if is_push(event["name"])]
        self.sent += sum(event["sent"] for event in pushes)
        answered = sum(event["ok"] for event in pushes)
        self.ok += answered
        self.errors += sum(event.get("errors", 0) for event in pushes)
        ok, span_s = self._per_s.get(worker, (0, 0.0))
        self._per_s[worker] = ok + answered, span_s + row["health"]["span_s"]

    @property
    def answered_per_s(self) -> float:
        """How many pushes were answered by ok a second, by all processes together."""
        return sum(ok / span_s for ok, span_s in self._per_s.values())

    @property
    def started_share(self) -> float | None:
        """The share of the arrivals that found an agent; None where nothing was due."""
        started, due = (
            sum(acts[at] for acts in self._last.values()) - sum(acts[at] for acts in self._first.values())
            for at in (0, 1)
        )
        return min(1.0, started / due) if due > 0 else None

    @property
    def answered_share(self) -> float | None:
        """The share of the pushes that was answered by ok, as fast as they came; None where nothing was sent."""
        # More is answered than sent where a queue is worked off; what found no connection was not even sent.
        asked = max(self.sent, self.ok + self.errors)
        return self.ok / asked if asked else None


@dataclass(frozen=True, slots=True)
class Measured:
    """A run that is over, and what is needed to judge it.

    Attributes:
        holding_ms: The median service time at the lowest load that holds; None where none is known.

    """

    results: Results
    window: Window
    rate_per_s: float
    samples_wanted: int
    holding_ms: float | None
    folder: str


def samples_for(objectives: Iterable[Objective]) -> int:
    """Return how many samples a step needs, for the highest percentile that is judged: that of the knee is the 99th.

    Example:
        >>> samples_for([])
        10000

    """
    percents = [float(each.name[1:]) for each in objectives if each.name[:1] == "p"]
    highest = min(max(percents, default=99.0), 99.99)
    return math.ceil(round(BEYOND / (1 - highest / 100), 6))


def judged(measured: Measured) -> Step:
    """Say what a run comes to."""
    results = measured.results
    pushes = [figures for figures in results.statistics if is_push(figures.name)]
    samples = sum(figures.ok for figures in pushes)
    p99_ms = None if results.bottlenecks else _percentile_ms(pushes, RESPONSE, 99)
    service_ms = None if results.bottlenecks else _percentile_ms(pushes, SERVICE, 50)
    achieved = (measured.window.started_share or 0.0) * (measured.window.answered_share or 0.0)
    unfit = [*_unfit(measured, service_ms)]
    reasons = unfit or [*_failures(measured, achieved)]
    untold = [outcome for outcome in results.outcomes if outcome.is_met is None]
    if not reasons and untold:
        # What else was measured holds; this cannot be told, and so the load cannot be said to hold.
        unfit = reasons = [
            Reason(GENERATOR, outcome.text, f"{outcome.text}: {outcome.why}") for outcome in untold
        ]
    verdict = Verdict.UNFIT if unfit else Verdict.GIVES_WAY if reasons else Verdict.HOLDS
    return Step(
        measured.rate_per_s, verdict, round(results.load_s, 3), round(achieved, 4),
        round(measured.window.answered_per_s, 2), samples, measured.samples_wanted, p99_ms, tuple(reasons),
        measured.folder, results.acts["started"], service_ms,
    )  # fmt: skip


def _percentile_ms(pushes: Sequence[Figures], measure: str, percent: float) -> float | None:
    merged = Histogram()
    for figures in pushes:
        merged.merge(figures.histograms[measure])
    value_us = merged.percentile(percent)
    return None if value_us is None else value_us / 1000


def _unfit(measured: Measured, service_ms: float | None) -> Iterable[Reason]:
    """Yield why the generator did not offer what it was to, so that the server is not to blame."""
    results = measured.results
    for number, process in enumerate(results.health):
        if is_busy(process):
            told = f"process {number} of the generator had no more of its core"
            yield Reason(GENERATOR, "cpu", told)
    if results.missing:
        told = f"processes of the generator that have not told what they measured: {results.missing}"
        yield Reason(GENERATOR, "processes", told)
    due = results.acts["due"]
    offered = results.plan.arrivals.offered or 0
    # Even arrivals of a process begin at a random phase, so that it may have one less.
    is_short = due < ACHIEVED_SHARE * offered and due <= offered - results.plan.processes
    if is_short and not results.is_interrupted:
        yield Reason(GENERATOR, "arrivals", f"only {due} of {offered:.0f} arrivals came at their time")
    if lacks_agents(measured) and measured.holding_ms is not None:
        share = f"{1 - (measured.window.started_share or 0):.1%} of the arrivals found no agent free"
        if results.bottlenecks:
            told = f"{share}, and it is not known why: {results.bottlenecks[0]}"
            yield Reason(GENERATOR, "latency", told)
        elif service_ms is not None and service_ms <= SERVICE_RISE * measured.holding_ms:
            told = f"{share} though answers were as fast as at a load that holds: give more --agents"
            yield Reason(GENERATOR, TOO_FEW, told)


def lacks_agents(measured: Measured) -> bool:
    """Tell whether arrivals found no agent free, so that the verdict depends on a load that holds."""
    share = measured.window.started_share
    return share is not None and share < ACHIEVED_SHARE


def _failures(measured: Measured, achieved: float) -> Iterable[Reason]:
    results = measured.results
    if results.exit_code is ExitCode.COULD_NOT_TEST:
        yield Reason("nothing", "nothing succeeded", "nothing succeeded")
    for row in results.findings:
        if row["is_binding"]:
            told = f"{row['requirement']} is broken ({row['count']})"
            yield Reason("requirement", row["requirement"], told)
    for outcome in results.outcomes:
        if outcome.is_met is False:
            yield Reason("objective", outcome.text, f"{outcome.text}: {outcome.shown}")
    yield from _losses(results)
    is_open = lacks_agents(measured) and measured.holding_ms is None
    if is_open:
        told = f"{1 - (measured.window.started_share or 0):.1%} of the arrivals found no agent free, and no load is known to hold that would say why"
        yield Reason(AGENTS, "agents", told)
        achieved = measured.window.answered_share or 0.0
    if achieved < ACHIEVED_SHARE:
        yield Reason("achieved", "achieved", f"{achieved:.1%} of what was offered was answered by ok in time")


def _losses(results: Results) -> Iterable[Reason]:
    for figures in results.statistics:
        for name, count in figures.broken.items():
            if count:
                yield Reason("loss", f"{figures.name} {name}", f"{count} of {figures.name} {name}")
    for reason, count in results.losses.items():
        # A scenario that drops connections itself has lost nothing.
        if reason != "dropped":
            yield Reason("loss", reason, f"connections: {reason} {count}")
