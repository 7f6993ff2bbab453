"""When something is to start: the closed model, and the shapes of the open one.

In the closed model each group of agents begins anew when it has done; a slow server is asked less often. In the open model arrivals come
at their rate whatever the server does, and latency counts from when each should have begun.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final, Literal

import msgspec

from loadgen.faults import ConfigurationFaulty

Model = Literal["open", "closed"]
Part = tuple[float, float]
"""What a process has of the whole: from 0 to 1 where it is alone; those of all processes together have neither gaps nor overlaps."""
WHOLE: Final[Part] = (0.0, 1.0)

_GOLDEN: Final = (math.sqrt(5) - 1) / 2
"""Its multiples are spread over a unit more evenly than chance would."""

SYNTAX: Final = (
    "closed, closed:2s, 500/s, ramp:100/s..1000/s, steps:100/s,200/s,400/s, spike:100/s,1000/s@10s+5s, soak:50/s or trace:FILE; "
    "with +poisson arrivals are independent of each other"
)

_RATE = re.compile(r"([0-9.]+)/s")
_SPAN = re.compile(r"([0-9.]+)(ms|s|m|h)")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time in which the rate goes evenly from one value to another."""

    span_s: float
    from_per_s: float
    to_per_s: float

    def reached_s(self, count: float) -> float:
        """Return after what time so many arrivals are due; infinity where that is beyond the segment."""
        slope = (self.to_per_s - self.from_per_s) / self.span_s
        if not slope:
            after_s = count / self.from_per_s if self.from_per_s else math.inf
        else:
            inside = self.from_per_s**2 + 2 * slope * count
            after_s = (math.sqrt(inside) - self.from_per_s) / slope if inside >= 0 else math.inf
        return after_s if after_s <= self.span_s else math.inf

    @property
    def count(self) -> float:
        """How many arrivals it has."""
        return self.span_s * (self.from_per_s + self.to_per_s) / 2


class Arrivals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked for.

    Attributes:
        model: Open or closed.
        text: As the user wrote it.
        think_s: Closed: the pause of a group between two starts.
        segments: Open: the rates, one after the other; they fill the duration of the run.
        trace_s: Open: the starts themselves, in place of segments.
        is_poisson: Whether the distances vary as those of independent events.

    """

    model: Model
    text: str
    think_s: float = 0.0
    segments: tuple[Segment, ...] = ()
    trace_s: tuple[float, ...] = ()
    is_poisson: bool = False

    def starts_s(self, part: Part, random: Random) -> Iterator[float]:
        """Yield the times of this process's arrivals, from the begin on.

        Args:
            part: Of all arrivals.
            random: Phase of even distances, or the distances themselves.

        """
        since, until = part
        share = until - since
        if self.trace_s:
            # Every process deals out the whole in the same way, so that each entry is played once.
            yield from (
                at_s for number, at_s in enumerate(self.trace_s) if since <= number * _GOLDEN % 1 < until
            )
            return
        before_s, due = 0.0, random.expovariate(1) if self.is_poisson else random.random()
        for segment in self.segments:
            scaled = Segment(segment.span_s, segment.from_per_s * share, segment.to_per_s * share)
            while (at_s := scaled.reached_s(due)) < math.inf:
                yield before_s + at_s
                due += random.expovariate(1) if self.is_poisson else 1.0
            due -= scaled.count
            before_s += segment.span_s

    @property
    def offered(self) -> float | None:
        """How many arrivals there are in all; None in the closed model."""
        if self.model == "closed":
            return None
        return len(self.trace_s) or sum(segment.count for segment in self.segments)


def parse_arrivals(text: str, duration_s: float) -> Arrivals:
    """Read what the user wrote.

    Raises:
        ConfigurationFaulty: If it is none of `SYNTAX`.

    Example:
        >>> parse_arrivals("ramp:10/s..30/s", 10).offered
        200.0

    """
    body, plus, tail = text.partition("+poisson")
    if tail:
        raise _not_understood(text)
    name, colon, rest = body.partition(":")
    is_poisson = bool(plus)
    if is_poisson and name in {"closed", "trace"}:
        raise ConfigurationFaulty(f"arrivals {text!r}: only those at a rate can be +poisson")
    if name == "closed":
        return Arrivals("closed", text, think_s=span_s(rest) if colon else 0.0)
    if name == "trace":
        return Arrivals("open", text, trace_s=_trace(Path(rest), duration_s))
    shape = _SHAPES.get(name if colon else "constant")
    if shape is None or not (colon or _RATE.fullmatch(body.strip())):
        raise _not_understood(text)
    segments = tuple(segment for segment in shape(rest if colon else body, duration_s) if segment.span_s > 0)
    if not sum(segment.count for segment in segments):
        raise ConfigurationFaulty(f"arrivals {text!r}: nothing ever arrives")
    return Arrivals("open", text, segments=segments, is_poisson=is_poisson)


def span_s(text: str) -> float:
    """Read a time such as `90s`, `500ms` or `2m`.

    Raises:
        ConfigurationFaulty: If it is none.

    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ConfigurationFaulty(f"{text!r} is no time; write 90s, 500ms, 2m or 1h")
    span = _number(match[1], text) * _UNIT_S[match[2]]
    if not math.isfinite(span):
        raise ConfigurationFaulty(f"{text!r} has no end")
    return span


def _per_s(text: str) -> float:
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ConfigurationFaulty(f"{text!r} is no rate; write 500/s")
    return _number(match[1], text)


def _number(digits: str, text: str) -> float:
    try:
        number = float(digits)
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise ConfigurationFaulty(f"{text!r}: {digits!r} is no number")
    return number


def _constant(text: str, duration_s: float) -> list[Segment]:
    rate = _per_s(text)
    return [Segment(duration_s, rate, rate)]


def _ramp(text: str, duration_s: float) -> list[Segment]:
    first, dots, last = text.partition("..")
    if not dots:
        raise _not_understood(f"ramp:{text}")
    return [Segment(duration_s, _per_s(first), _per_s(last))]


def _steps(text: str, duration_s: float) -> list[Segment]:
    rates = [_per_s(part) for part in text.split(",")]
    return [Segment(duration_s / len(rates), rate, rate) for rate in rates]


def _spike(text: str, duration_s: float) -> list[Segment]:
    rates, at, times = text.partition("@")
    base, comma, peak = rates.partition(",")
    begin, plus, length = times.partition("+")
    if not (at and comma and plus):
        raise _not_understood(f"spike:{text}")
    low, high = _per_s(base), _per_s(peak)
    before_s, peak_s = span_s(begin), span_s(length)
    if before_s + peak_s > duration_s:
        raise ConfigurationFaulty(
            f"arrivals 'spike:{text}': the spike ends after the run, which lasts {duration_s:g} s"
        )
    return [
        Segment(before_s, low, low),
        Segment(peak_s, high, high),
        Segment(duration_s - before_s - peak_s, low, low),
    ]


_SHAPES: Final = {"constant": _constant, "soak": _constant, "ramp": _ramp, "steps": _steps, "spike": _spike}


def _trace(path: Path, duration_s: float) -> tuple[float, ...]:
    try:
        times = sorted(float(line) for line in path.read_text(encoding="utf-8").split())
    except OSError as fault:
        raise ConfigurationFaulty(f"trace {path}: {fault.strerror}") from fault
    except ValueError as fault:
        raise ConfigurationFaulty(
            f"trace {path}: one time in seconds a line is expected ({fault})"
        ) from fault
    starts = tuple(at_s - times[0] for at_s in times if 0 <= at_s - times[0] <= duration_s)
    if not starts or not all(map(math.isfinite, starts)):
        raise ConfigurationFaulty(f"trace {path}: it has no times")
    return starts


def _not_understood(text: str) -> ConfigurationFaulty:
    return ConfigurationFaulty(f"arrivals {text!r} are not understood; write {SYNTAX}")
