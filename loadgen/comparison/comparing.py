"""Which figures of two runs are compared, and what that says."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final

from loadgen.comparison.intervals import difference, mean_of, percentile_of, share_of
from loadgen.measure.statistics import DELIVERY, INTEGRITY, RESPONSE
from loadgen.objectives import is_push

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadgen.comparison.intervals import Interval
    from loadgen.comparison.runs import Run

PERCENTS: Final = (50.0, 99.0)
UNITS: Final = {"ms": 0.001, "/s": 1.0, "%": 100.0}
OUTSIDE: Final = ("client.",)
AROUND: Final = ("barrier",)
ASKED: Final = ("scenario", "parameters", "agents", "model", "arrivals")
"""What should be the same in both runs."""
CLUSTER: Final = 10
"""One outage loses many relays at once, and nothing tells when each was lost: a smaller factor between two shares may be one more outage."""


class Verdict(StrEnum):
    """What a difference is."""

    WORSE = "worse"
    BETTER = "better"
    #: Surely there, and smaller than what matters; or not surely more than one outage.
    SLIGHT = "slight"
    NOISE = "noise"


class ExitCode(IntEnum):
    """What the exit code of `wireproof compare` means."""

    NOT_WORSE = 0
    WORSE = 1
    USAGE = 2
    #: What matters most could not be compared, and nothing else is worse.
    UNTOLD = 4


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both runs.

    Attributes:
        low: The interval's lower end, of other minus base.
        unit: `ms`, `/s`, `%` or nothing.

    """

    name: str
    base: float
    other: float
    low: float | None
    high: float | None
    unit: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Draft:
    """A figure that will be compared, once it is known how many there are, and so how sure each has to be."""

    name: str
    unit: str
    is_more_worse: bool
    estimate: Callable[[Run, float], Interval | None]
    tolerance: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared.

    Attributes:
        untold: What could not be compared though it is what runs are compared for.

    """

    notes: list[str]
    differences: list[Difference]
    confidence: float
    tolerance: float
    untold: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """What it comes to."""
        if any(each.verdict is Verdict.WORSE for each in self.differences):
            return ExitCode.WORSE
        return ExitCode.UNTOLD if self.untold else ExitCode.NOT_WORSE


def compare(base: Run, other: Run, confidence: float, tolerance: float) -> Comparison:
    """Compare two runs.

    Args:
        base: What it was.
        other: What it is.
        confidence: That no figure at all is called different by chance.
        tolerance: Share of the base below which a difference does not matter.

    """
    names = [name for name in base.figures if name in other.figures and _is_compared(name)]
    notes = [*_notes(base, other), *_missing(base, other)]
    was, now = _ends(base, other)
    drafts = [
        draft
        for name in names
        for draft in (
            *(_latencies(name, tolerance) if was == now else ()),
            _rate(name, tolerance),
            _errors(name),
        )
        if draft.estimate(base, confidence) and draft.estimate(other, confidence)
    ]
    single = 1 - (1 - confidence) / max(1, len(drafts))
    differences = [_judged(draft, base, other, single) for draft in drafts]
    differences += [*_broken(base, other, names, single), *_findings(base, other)]
    return Comparison(notes, differences, confidence, tolerance, [*_untold(base, other, names)])


def _is_compared(name: str) -> bool:
    return not name.startswith(OUTSIDE) and name.rpartition(".")[2] not in AROUND


def _notes(base: Run, other: Run) -> Iterator[str]:
    for key in ASKED:
        was, now = base.summary[key], other.summary[key]
        if was != now:
            yield f"the runs differ in {key}: {was} and {now}"
    for which, run in (("base", base), ("other", other)):
        for bottleneck in run.summary["bottlenecks"]:
            yield f"latency of the {which} run is not valid: {bottleneck}"
        if run.summary["is_interrupted"]:
            yield f"the {which} run was interrupted"
        if not run.summary["is_judged"]:
            yield f"the {which} run was not judged to its end: that it broke no requirement is not known"
        missing = run.summary.get("missing_processes", 0)
        if missing:
            yield f"processes of the {which} run that have not told their results: {missing}"


def _untold(base: Run, other: Run, names: list[str]) -> Iterator[str]:
    if not any(is_push(name) for name in names):
        yield "the runs have no push in common"
    if not (base.summary["is_latency_valid"] and other.summary["is_latency_valid"]):
        yield "latency was not compared"
    was, now = _ends(base, other)
    if was != now:
        yield f"latency was not compared: it does not end alike ({was} and {now}), and what lies between is the generator's"


def _ends(base: Run, other: Run) -> tuple[str, str]:
    """Return where the latencies of both runs end; those from before there were stamps ended when they were read."""
    was, now = (run.summary.get("latency_until", "read") for run in (base, other))
    return was, now


def _missing(base: Run, other: Run) -> Iterator[str]:
    for name in sorted(base.figures.keys() ^ other.figures.keys()):
        if _is_compared(name):
            yield f"{name} is only in the {'base' if name in base.figures else 'other'} run"


def _latencies(name: str, tolerance: float) -> Iterator[Draft]:
    for measure in (RESPONSE, DELIVERY):
        for percent in PERCENTS:

            def estimate(
                run: Run, confidence: float, measure: str = measure, percent: float = percent
            ) -> Interval | None:
                if not run.summary["is_latency_valid"]:
                    return None
                histogram = run.figures[name].histograms[measure]
                return percentile_of(histogram, percent, run.sketches(name, measure), confidence)

            yield Draft(f"{name} {measure} p{percent:g}", "ms", True, estimate, tolerance)


def _rate(name: str, tolerance: float) -> Draft:
    def estimate(run: Run, confidence: float) -> Interval | None:
        answered = run.answered(name)
        return mean_of(answered, confidence) if any(answered) else None

    return Draft(f"{name} answered", "/s", False, estimate, tolerance)


def _errors(name: str) -> Draft:
    def estimate(run: Run, confidence: float) -> Interval | None:
        errors, ok = run.figures[name].errors.total(), run.figures[name].ok
        return share_of(errors, errors + ok, confidence, run.failed(name)) if errors + ok else None

    return Draft(f"{name} errors", "%", True, estimate, 0.0)


def _judged(draft: Draft, base: Run, other: Run, confidence: float) -> Difference:
    was, now = draft.estimate(base, confidence), draft.estimate(other, confidence)
    assert was is not None  # noqa: S101 - such drafts were left out
    assert now is not None  # noqa: S101 - likewise
    low, high = difference(was, now)
    matters = draft.tolerance * was.value
    more, less = (Verdict.WORSE, Verdict.BETTER) if draft.is_more_worse else (Verdict.BETTER, Verdict.WORSE)
    if low <= 0 <= high:
        verdict = Verdict.NOISE
    elif low > matters:
        verdict = more
    elif high < -matters:
        verdict = less
    else:
        verdict = Verdict.SLIGHT
    unit = UNITS[draft.unit]
    return Difference(
        draft.name, was.value * unit, now.value * unit, low * unit, high * unit, draft.unit, verdict
    )


def _broken(base: Run, other: Run, names: list[str], confidence: float) -> Iterator[Difference]:
    """Yield what was lost, doubled, reordered or altered: that it shows is no chance; how often is compared where it shows in both."""
    for name in names:
        for kind in INTEGRITY:
            was, now = base.figures[name].broken[kind], other.figures[name].broken[kind]
            if was and now:
                yield _of_both(name, kind, (base, other), confidence)
            elif was or now:
                yield _counted(f"{name} {kind}", was, now)


def _of_both(name: str, kind: str, runs: tuple[Run, Run], confidence: float) -> Difference:
    shares = []
    for run in runs:
        figures = run.figures[name]
        count = figures.broken[kind]
        shares.append(share_of(count, max(figures.relays, count), confidence))
    low, high = difference(*shares)
    was, now = (share.value for share in shares)
    if low <= 0 <= high:
        verdict = Verdict.NOISE
    elif max(was, now) < CLUSTER * min(was, now):
        verdict = Verdict.SLIGHT
    else:
        verdict = Verdict.WORSE if now > was else Verdict.BETTER
    return Difference(f"{name} {kind}", 100 * was, 100 * now, 100 * low, 100 * high, "%", verdict)


def _findings(base: Run, other: Run) -> Iterator[Difference]:
    """Yield what was found; that nothing was counts only in a run that was judged to its end."""
    counts: list[dict[str, int]] = [
        {row["requirement"]: row["count"] for row in run.summary["findings"] if row["is_binding"]}
        for run in (base, other)
    ]
    for requirement in sorted(counts[0].keys() | counts[1].keys()):
        was, now = (each.get(requirement, 0) for each in counts)
        if (was or base.summary["is_judged"]) and (now or other.summary["is_judged"]):
            yield _counted(f"{requirement} broken", was, now)


def _counted(name: str, was: int, now: int) -> Difference:
    # How often it shows is chance, that it does is none.
    verdict = Verdict.NOISE if was and now else Verdict.WORSE if now else Verdict.BETTER
    return Difference(name, was, now, None, None, "", verdict)


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison for a program."""
    return {
        "format": 1,
        "confidence": comparison.confidence,
        "tolerance": comparison.tolerance,
        "notes": comparison.notes,
        "differences": [
            {
                "name": each.name,
                "base": each.base,
                "other": each.other,
                "low": each.low,
                "high": each.high,
                "unit": each.unit,
                "verdict": each.verdict,
            }
            for each in comparison.differences
        ],
        "untold": comparison.untold,
        "exit_code": int(comparison.exit_code),
    }
