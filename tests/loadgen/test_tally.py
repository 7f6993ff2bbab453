"""Values as they are recorded."""

from __future__ import annotations

import pytest

from loadgen.measure import tally
from loadgen.measure.histogram import Histogram
from loadgen.measure.tally import Tally


def test_everything_recorded_is_in_the_histogram() -> None:
    """Flushed or not, each value counts once."""
    recorded, expected = Tally(), Histogram()
    for value in range(1, 1_000):
        recorded.record(value)
        if value % 100 == 0:
            recorded.flush()
    expected.add_all(range(1, 1_000))
    assert recorded.histogram().counts == expected.counts
    assert recorded.histogram().total == 999


def test_many_different_values_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit what three digits cannot tell apart is one entry, and no count is lost."""
    monkeypatch.setattr(tally, "MOST_DISTINCT", 10)
    recorded, expected = Tally(), Histogram()
    for value in range(1_000_000, 1_000_100):
        recorded.record(value)
    recorded.flush()
    expected.add_all(range(1_000_000, 1_000_100))
    assert recorded.histogram().counts == expected.counts


def test_the_latest_are_taken_once() -> None:
    """A sample is gone once it was taken, and each of its values tells for how many it stands."""
    recorded = Tally()
    for value in (3, 1, 2):
        recorded.record(value)
    recorded.flush()
    assert recorded.take_latest() == [(3, 1), (1, 1), (2, 1)]
    assert recorded.take_latest() == []
    for value in range(4 * tally.SAMPLE):
        recorded.record(value)
    recorded.flush()
    assert {weight for _, weight in recorded.take_latest()} == {5}
