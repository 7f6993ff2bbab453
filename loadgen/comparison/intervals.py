"""How sure a difference is: standard errors that do not take what hangs together for independent, and intervals that hold for all at once.

Latencies of one second resemble each other: a pause of the server meets all that is under way. Counting samples as if each were alone
makes every two runs differ. So a standard error is the larger of two: that of independent samples, and that of what each second shows,
in which a second that resembles the one before counts for less.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass
from math import ceil, inf, sqrt
from statistics import NormalDist, mean, variance
from typing import TYPE_CHECKING, Final

from loadgen.measure.statistics import SKETCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadgen.measure.histogram import Histogram

LEAST_BEYOND: Final = 10
"""Samples beyond a percentile, without which it is chance."""
LEAST_SECONDS: Final = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """A value, and between what it is."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Error:
    """A standard error.

    Attributes:
        freedom: Its degrees of freedom; infinite for many independent samples.

    """

    value: float
    freedom: float = inf


def percentile_of(
    histogram: Histogram, percent: float, seconds: Sequence[Sequence[Sequence[float]]], confidence: float
) -> Interval | None:
    """Estimate a percentile, after Woodruff: how sure its rank is, read as values; None where too few samples lie beyond it.

    Args:
        histogram: All samples.
        percent: Which one.
        seconds: Of each second the values at the percents of `SKETCH`, a series for each process; may be empty.
        confidence: Of the interval.

    """
    share, total = percent / 100, histogram.total
    if total * min(share, 1 - share) < LEAST_BEYOND:
        return None
    [middle] = histogram.percentiles([percent])
    own = Error(sqrt(share * (1 - share) / total))
    error = larger(own, series_error([[share_above(middle, each) for each in series] for series in seconds]))
    half = quantile(confidence, error.freedom) * error.value
    ranks = [min(max(1.0, ceil(total * at)), float(total)) for at in (share - half, share + half)]
    low, high = histogram.percentiles([100 * rank / total for rank in ranks])
    return Interval(middle, min(low, middle), max(high, middle))


def share_above(value: float, sketch: Sequence[float]) -> float:
    """Return what share of a second's samples is above a value, by its sketch."""
    if value < sketch[0]:
        return 1.0
    at = bisect_right(sketch, value)
    if at == len(sketch):
        return 0.0
    low, high = sketch[at - 1], sketch[at]
    inside = (value - low) / (high - low)
    return 1 - (SKETCH[at - 1] + inside * (SKETCH[at] - SKETCH[at - 1])) / 100


def mean_of(seconds: Sequence[float], confidence: float) -> Interval | None:
    """Estimate how many come each second; None where there are too few seconds."""
    known = series_error([seconds])
    if known is None:
        return None
    middle = mean(seconds)
    # At least what chance alone does to so many.
    error = larger(Error(sqrt(sum(seconds)) / len(seconds)), known)
    half = quantile(confidence, error.freedom) * error.value
    return Interval(middle, middle - half, middle + half)


def series_error(seconds: Sequence[Sequence[float]]) -> Error | None:
    """Return the standard error of the mean of series in which neighbours may resemble each other; None where they are too short."""
    long = [series for series in seconds if len(series) >= LEAST_SECONDS]
    count = sum(len(series) for series in long)
    if not count:
        return None
    spread = sum(variance(series) * (len(series) - 1) for series in long) / (count - len(long))
    resemblance = max(0.0, mean(autocorrelation(series) for series in long))
    worth = max(3.0, count * (1 - resemblance) / (1 + resemblance))
    return Error(sqrt(spread / worth), worth - 1)


def autocorrelation(series: Sequence[float]) -> float:
    """Return how much each value resembles the one before: 1 altogether, 0 not at all."""
    middle = mean(series)
    total = sum((value - middle) ** 2 for value in series)
    if not total:
        return 0.0
    together = sum((a - middle) * (b - middle) for a, b in itertools.pairwise(series))
    # A short series shows less of it than there is.
    return min(0.9, together / total + 1 / len(series))


def difference(base: Interval, other: Interval) -> tuple[float, float]:
    """Return the interval in which `other - base` lies: distances to the ends are squared and added, after Newcombe."""
    middle = other.value - base.value
    below = sqrt((other.value - other.low) ** 2 + (base.high - base.value) ** 2)
    above = sqrt((other.high - other.value) ** 2 + (base.value - base.low) ** 2)
    return middle - below, middle + above


def quantile(confidence: float, freedom: float) -> float:
    """Return how many standard errors an interval of this confidence has to each side (Student's t, by Cornish and Fisher).

    Example:
        >>> round(quantile(0.95, 10), 2), round(quantile(0.95, inf), 2)
        (2.23, 1.96)

    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def share_of(
    count: int, total: int, confidence: float, seconds: Sequence[tuple[float, float]] = ()
) -> Interval:
    """Estimate a share: after Wilson, or by how much the seconds differ, whichever is less sure.

    Args:
        count: Of those that are meant.
        total: Of all.
        confidence: Of the interval.
        seconds: Of each second how many were meant, and of how many; may be empty.

    """
    z = quantile(confidence, inf)
    share = count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    known = _ratio_error(seconds)
    if known is not None:
        half = quantile(confidence, known.freedom) * known.value
        low, high = min(low, max(0.0, share - half)), max(high, min(1.0, share + half))
    return Interval(share, low, high)


def _ratio_error(seconds: Sequence[tuple[float, float]]) -> Error | None:
    """Return the standard error of a share by what each second adds to it; None where there are too few seconds."""
    meant, total = (sum(second[at] for second in seconds) for at in (0, 1))
    if not total:
        return None
    share, each = meant / total, total / len(seconds)
    return series_error([[(some - share * of) / each for some, of in seconds]])


def larger(own: Error, seconds: Error | None) -> Error:
    """Return the larger error of the two."""
    return own if seconds is None or seconds.value <= own.value else seconds
