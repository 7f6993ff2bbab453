"""Latencies to three significant digits, as HdrHistogram keeps them, and merged without any loss.

Recording is a list's `append`; the values are counted in batches. What is kept is the sparse form of an HdrHistogram from 1 us to an
hour, so that percentiles, merging and the standard log format agree with every other tool.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

HIGHEST_US: Final = 3_600_000_000
"""Longer ones count as this."""

DIGITS: Final = 3

_SUB_BUCKET_BITS: Final = 11
"""2,048 sub-buckets hold three digits."""


def quantised(value_us: int) -> int:
    """Return the lowest value that an HdrHistogram of three digits cannot tell from this one."""
    shift = value_us.bit_length() - _SUB_BUCKET_BITS
    return value_us if shift <= 0 else value_us >> shift << shift


def highest_equivalent(value_us: int) -> int:
    """Return the highest value that an HdrHistogram of three digits cannot tell from this one."""
    shift = value_us.bit_length() - _SUB_BUCKET_BITS
    return value_us if shift <= 0 else (value_us >> shift << shift) + (1 << shift) - 1


class Histogram:
    """Counts by latency in microseconds."""

    __slots__ = ("counts", "total")

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: Counter[int] = Counter(counts)
        self.total = sum(self.counts.values())

    def add_all(self, values_us: Iterable[int]) -> None:
        """Count values; those below 1 us count as 1 us."""
        self.count_all(Counter(values_us))

    def count_all(self, counts: Mapping[int, int]) -> None:
        """Count values that are counted already."""
        for value, count in counts.items():
            self.counts[quantised(min(max(value, 1), HIGHEST_US))] += count
            self.total += count

    def merge(self, other: Histogram) -> None:
        """Add the counts of another one."""
        self.counts.update(other.counts)
        self.total += other.total

    def percentile(self, percent: float) -> int | None:
        """Return the value, in microseconds, that this share of all is not above; None where there is none."""
        return next(self.percentiles([percent]), None)

    def percentile_of_all(self, percent: float, slower: int) -> float:
        """Return the value that this share of all is not above where there are more; infinity where it is one of those.

        Args:
            percent: The share.
            slower: How many there are besides, above every value.

        """
        total = self.total + slower
        wanted = _rank(percent, total)
        if wanted > self.total:
            return math.inf
        # The same rank as a share of what is counted; half a rank less, so that no rounding makes it the next one.
        return next(self.percentiles([100 * (wanted - 0.5) / self.total]))

    def percentiles(self, percents: Iterable[float]) -> Iterator[int]:
        """Yield the values of rising percents; nothing where there is no value."""
        if not self.total:
            return
        values = sorted(self.counts)
        below = list(accumulate(self.counts[value] for value in values))
        at = 0
        for percent in percents:
            wanted = _rank(percent, self.total)
            while below[at] < wanted:
                at += 1
            yield highest_equivalent(values[at])

    @property
    def mean_us(self) -> float:
        """The mean of the middles of what cannot be told apart; 0 where there is none."""
        if not self.total:
            return 0.0
        middles = ((value + highest_equivalent(value)) / 2 * count for value, count in self.counts.items())
        return sum(middles) / self.total

    @property
    def max_us(self) -> int:
        """The highest value; 0 where there is none."""
        return highest_equivalent(max(self.counts, default=0))


def _rank(percent: float, total: int) -> int:
    # As HdrHistogram: at least one, and rounded against the noise of binary fractions.
    return max(1, math.ceil(round(percent / 100 * total, 6)))
