"""Spans of time as users write them, and what a budget leaves for the end of a run."""

from __future__ import annotations

import time

import pytest

from conformance.budget import Budget, is_over, seconds_of
from conformance.faults import ConfigurationFaulty


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("90s", 90), ("2m", 120), ("1h", 3600), ("1.5s", 1.5), (" 3s ", 3)]
)
def test_a_span_is_read_with_its_unit(text: str, seconds: float) -> None:
    """Milliseconds, seconds, minutes and hours, whole or not."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "90", "s", "-1s", "0s", "1 s", "1d", "1s2", "٣s", "1e3s", "nans", f"{'9' * 400}h"]
)
def test_anything_else_is_wrong_usage(text: str) -> None:
    """The line says what was written, and how to write it."""
    with pytest.raises(ConfigurationFaulty, match="500ms"):
        seconds_of(text)


@pytest.mark.parametrize(("seconds", "kept"), [(0.5, 0.05), (10, 1), (600, 1)])
def test_some_of_a_budget_is_kept_for_the_end(seconds: float, kept: float) -> None:
    """A tenth, and at most a second."""
    assert Budget(seconds, 100.0).until_s == pytest.approx(100 + seconds - kept)


def test_a_time_that_has_come_is_over() -> None:
    """What has no end is never over."""
    assert [is_over(None), is_over(time.monotonic() + 60), is_over(time.monotonic())] == [False, False, True]
