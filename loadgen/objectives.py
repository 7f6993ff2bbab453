"""Objectives: what a run has to reach, written as `p99(task.output_stream.delivery) < 250ms`, and whether it did."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from loadgen.faults import ConfigurationFaulty
from loadgen.measure.histogram import Histogram
from loadgen.measure.statistics import DELIVERY, INTEGRITY, MEASURES, OWN_FAMILIES, RESPONSE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from loadgen.measure.statistics import Figures

_OBJECTIVE = re.compile(
    r"\s*(p[0-9.]+|[a-z_]+)\s*\(\s*([^()]*?)\s*\)\s*(<=|>=|==|<|>)\s*([0-9.]+)\s*(us|ms|s|/s|%)?\s*"
)
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_UNITS: Final = {"us": "1", "ms": "1000", "s": "1000000", "/s": "1", "%": "0.01"}
_COUNTS: Final = ("sent", "ok", "errors", *INTEGRITY)
_LATENCIES: Final = ("mean", "max")
_SHARES: Final = ("error_share", "achieved")
_GROWING: Final = (*_COUNTS, "rate", "max", "achieved", "findings")
"""What can only become more by what another process tells."""

_AROUND: Final = ("phx_join", "phx_leave", "barrier")
"""Events that are no pushes of the scenario."""

SYNTAX: Final = (
    "p99(task.output_stream.delivery) < 250ms, lost(task.*) == 0, errors(*) == 0, rate(payment.acknowledge_transfer) > 500/s, "
    "error_share(*) < 0.1%, achieved() >= 99.9%, findings(task/*) == 0"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What objectives are held against.

    Attributes:
        missing: How many processes have not told what they measured.

    """

    figures: tuple[Figures, ...]
    load_s: float
    achieved: float | None
    findings: dict[str, int]
    is_latency_valid: bool
    is_judged: bool
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an objective came to; `is_met` is None where that cannot be told, `why` says then why."""

    text: str
    value: float | None
    shown: str
    is_met: bool | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective."""

    text: str
    name: str
    selector: str
    comparison: str
    threshold: float
    unit: str

    def judge(self, evidence: Evidence) -> Outcome:
        """Say whether a run has reached it."""
        if self.is_latency and not evidence.is_latency_valid:
            return self._untold("the generator was the bottleneck, so that latency is not valid")
        if self.name == "findings" and not (evidence.is_judged or evidence.missing):
            return self._untold("what was observed was not judged to its end")
        value = self._value(evidence)
        if value is None:
            return self._untold("nothing of that was measured")
        is_met = _COMPARE[self.comparison](value, self.threshold)
        if evidence.missing and not self._is_sure(value, is_met=is_met):
            return self._untold(f"processes that have not told what they measured: {evidence.missing}")
        if value == math.inf:
            return Outcome(self.text, None, self._never(evidence.figures), is_met)
        return Outcome(self.text, value, self._shown(value), is_met)

    def _is_sure(self, value: float, *, is_met: bool) -> bool:
        """Tell whether it stays so, whatever those have measured who did not tell."""
        if self.name not in _GROWING:
            return False
        if self.comparison.startswith(">"):
            return is_met
        return value > self.threshold if self.comparison == "==" else not is_met

    def _value(self, evidence: Evidence) -> float | None:
        if self.name == "achieved":
            return evidence.achieved
        if self.name == "findings":
            return sum(count for name, count in evidence.findings.items() if fnmatchcase(name, self.selector))
        if self.is_latency:
            return self._latency(evidence.figures)
        chosen = [each for each in evidence.figures if self.means(each.name) and self._is_measured(each)]
        if not chosen:
            return None
        if self.name == "rate":
            return (
                sum(figures.in_time or 0 for figures in chosen) / evidence.load_s if evidence.load_s else None
            )
        errors = sum(figures.errors.total() for figures in chosen)
        if self.name == "error_share":
            answered = errors + sum(figures.ok for figures in chosen)
            return errors / answered if answered else None
        if self.name == "errors":
            return errors
        if self.name in INTEGRITY:
            return sum(figures.broken[self.name] for figures in chosen)
        return sum(figures.sent if self.name == "sent" else figures.ok for figures in chosen)

    @property
    def is_latency(self) -> bool:
        """Whether it is about a time."""
        return self.name.startswith("p") or self.name in _LATENCIES

    @property
    def is_of_relays(self) -> bool:
        """Whether it is about what reaches others, which not every push does."""
        return self.name in INTEGRITY or (self.is_latency and self._of()[1] == DELIVERY)

    def means(self, name: str) -> bool:
        """Tell whether it is about the figures of a name."""
        # An error of anything is one; shares and rates would be diluted by what is no push.
        return fnmatchcase(name, self.selector) if self.name == "errors" else is_chosen(name, self._of()[0])

    def _of(self) -> tuple[str, str]:
        """Return whose figures it is about, and of a latency which."""
        name, dot, measure = self.selector.rpartition(".")
        is_named = self.is_latency and dot and measure in MEASURES
        return (name, measure) if is_named else (self.selector, RESPONSE)

    def _is_measured(self, figures: Figures) -> bool:
        """Tell whether there was anything to count: that nothing was lost where nothing was sent says nothing."""
        if self.name in INTEGRITY:
            return bool(figures.relays or figures.delivered or figures.broken.total())
        return bool(figures.sent or figures.ok or figures.errors.total())

    def _latency(self, figures: Iterable[Figures]) -> float | None:
        """Return the latency; infinity where it is that of what was never answered by ok, or lost on its way."""
        _, measure = self._of()
        merged, never = Histogram(), 0
        for each in figures:
            if self.means(each.name):
                merged.merge(each.histograms[measure])
                never += self._never_came(each)
        if self.name == "mean":
            return merged.mean_us if merged.total else None
        if not merged.total + never:
            return None
        if self.name == "max":
            return math.inf if never else merged.max_us
        return merged.percentile_of_all(float(self.name[1:]), never)

    def _never_came(self, figures: Figures) -> int:
        _, measure = self._of()
        return figures.broken["lost"] if measure == DELIVERY else figures.errors.total()

    def _never(self, figures: Iterable[Figures]) -> str:
        _, measure = self._of()
        chosen = [each for each in figures if self.means(each.name)]
        never = sum(map(self._never_came, chosen))
        total = never + sum(each.histograms[measure].total for each in chosen)
        verb, fate = ("was", "were")[never > 1], "lost" if measure == DELIVERY else "not answered by ok"
        return f"never, since {never} of {total} {verb} {fate}"

    def _shown(self, value: float) -> str:
        scaled = value / float(_UNITS.get(self.unit, "1"))
        digits = 1 if self.unit in {"ms", "/s"} else 3
        return f"{scaled:.{digits}f}{self.unit}" if self.unit else f"{value:g}"

    def _untold(self, why: str) -> Outcome:
        return Outcome(self.text, None, "?", None, why)


def is_push(name: str) -> bool:
    """Tell whether figures are those of pushes of the scenario.

    Example:
        >>> [is_push(name) for name in ("task.checkpoint", "task.phx_join", "act.pushes")]
        [True, False, False]

    """
    family, _, event = name.rpartition(".")
    return family not in OWN_FAMILIES and event not in _AROUND


def is_chosen(name: str, selector: str) -> bool:
    """Tell whether a selector means figures: a wildcard stands for pushes only, what is none has to be named by its family or event.

    Joins and connects before the load, the time that signing takes and whole acts would else hide what becomes of the pushes.

    Example:
        >>> [is_chosen("act.pushes", selector) for selector in ("*", "act.*", "*.pushes")]
        [False, True, True]

    """
    family, _, event = name.rpartition(".")
    families, _, events = selector.rpartition(".")
    is_named = events == event or (family in OWN_FAMILIES and families == family)
    return fnmatchcase(name, selector) and (is_named or is_push(name))


def parse_objective(text: str) -> Objective:
    """Read an objective.

    Raises:
        ConfigurationFaulty: If it is none.

    Example:
        >>> parse_objective("p99(task.*) < 250ms").threshold
        250000.0

    """
    match = _OBJECTIVE.fullmatch(text)
    if match is None:
        raise ConfigurationFaulty(f"objective {text!r} is not understood; write such as {SYNTAX}")
    name, selector, comparison, number, unit = match.groups()
    try:
        # Decimal, so that 99.9% is 0.999 and not a little more.
        threshold = float(Decimal(number) * Decimal(_UNITS.get(unit or "", "1")))
        known = _is_known(name) and math.isfinite(threshold)
    except (ValueError, InvalidOperation):
        known = False
    if not known:
        raise ConfigurationFaulty(
            f"objective {text!r}: {name!r} or its number is unknown; write such as {SYNTAX}"
        )
    fault = _fault_of_number(name, unit or "", threshold)
    if fault:
        raise ConfigurationFaulty(f"objective {text!r}: {fault}")
    return Objective(
        " ".join(text.split()),
        name,
        selector or "*",
        comparison,
        threshold,
        unit or "",
    )


def _fault_of_number(name: str, unit: str, threshold: float) -> str | None:
    """Say why a number cannot be meant: 10% of a rate, or a share that is more than all, would be reached by anything."""
    is_latency = name.startswith("p") or name in _LATENCIES
    if is_latency != (unit in {"us", "ms", "s"}):
        return f"{'a latency needs' if is_latency else 'only a latency has'} ms, s or us"
    if unit == "/s" and name != "rate":
        return "only a rate has /s"
    if unit == "%" and name not in _SHARES:
        return f"only {' and '.join(_SHARES)} have %"
    if name in _SHARES and threshold > 1:
        return "a share is at most 100%"
    return None


def _is_known(name: str) -> bool:
    if name.startswith("p"):
        return 0 < float(name[1:]) <= 100
    return name in {*_COUNTS, *_LATENCIES, "rate", "error_share", "achieved", "findings"}
