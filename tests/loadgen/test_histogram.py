"""Histograms, beside the library that defines them."""

from __future__ import annotations

import math
import random

import pytest
from hdrh.histogram import HdrHistogram

from loadgen.measure.histogram import DIGITS, HIGHEST_US, Histogram, highest_equivalent, quantised

PERCENTS = (0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0)


def drawn(seed: int, count: int = 5_000) -> list[int]:
    source = random.Random(seed)  # noqa: S311 - no secret
    return [max(1, round(source.lognormvariate(9, 1.5))) for _ in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_percentiles_are_those_of_hdrhistogram(seed: int) -> None:
    """Every percentile equals that of the library on the same values."""
    values, theirs, ours = drawn(seed), HdrHistogram(1, HIGHEST_US, DIGITS), Histogram()
    for value in values:
        theirs.record_value(value)
    ours.add_all(values)
    expected = [theirs.get_value_at_percentile(percent) for percent in PERCENTS]
    assert list(ours.percentiles(PERCENTS)) == expected
    assert (ours.total, ours.max_us) == (theirs.get_total_count(), theirs.get_max_value())


def test_three_digits_are_kept() -> None:
    """A value is off by less than a thousandth, whatever its size."""
    for value in (1, 2_047, 2_048, 999_999, 123_456_789, HIGHEST_US):
        assert quantised(value) <= value <= highest_equivalent(value)
        assert highest_equivalent(value) - quantised(value) <= value / 1_000


def test_merging_equals_pooling() -> None:
    """Histograms of two processes merged are the one of all their values."""
    one, other, pooled = Histogram(), Histogram(), Histogram()
    one.add_all(drawn(1))
    other.add_all(drawn(2))
    pooled.add_all(drawn(1) + drawn(2))
    one.merge(other)
    assert (one.counts, one.total) == (pooled.counts, pooled.total)


def test_nothing_has_no_percentile() -> None:
    """An empty histogram says nothing rather than 0."""
    assert Histogram().percentile(99) is None
    assert list(Histogram().percentiles(PERCENTS)) == []


def test_values_beyond_the_range_count_at_its_ends() -> None:
    """A zero is 1 us, and a day is an hour."""
    histogram = Histogram()
    histogram.add_all([0, 24 * HIGHEST_US])
    assert sorted(histogram.counts) == [1, quantised(HIGHEST_US)]


@pytest.mark.parametrize("percent", [0.5, 1.0, 33.3, 50.0, 99.0, 99.5, 99.9, 100.0])
@pytest.mark.parametrize("slower", [0, 1, 2, 10, 1_000])
def test_of_all_those_that_never_came_are_the_slowest(percent: float, slower: int) -> None:
    """The percentile is that of a list with them at its end."""
    values: list[float] = [*range(1, 201)]
    histogram = Histogram()
    histogram.add_all(range(1, 201))
    pooled = [*values, *[math.inf] * slower]
    rank = max(1, math.ceil(round(percent / 100 * len(pooled), 6)))
    assert histogram.percentile_of_all(percent, slower) == pooled[rank - 1]


def test_where_none_came_all_are_slow() -> None:
    """Nothing but what never came has no finite percentile."""
    assert Histogram().percentile_of_all(1.0, 5) == math.inf
