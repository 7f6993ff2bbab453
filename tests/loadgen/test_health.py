"""The health of the generator."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen.measure.health import Health, faults_of


def process(cpu: float = 0.3, lag_us: int = 100) -> dict[str, Any]:
    seconds = [{"span_s": 1.0, "cpu": cpu, "lag_p99_us": lag_us, "lag_max_us": lag_us}] * 10
    return {"seconds": seconds, "lags": [[lag_us, 1_000]]}


@pytest.mark.parametrize(
    ("processes", "p99_us", "count"),
    [
        ([process()], 20_000, 0),
        ([process(cpu=0.97)], 20_000, 1),
        ([process(lag_us=20_000)], 30_000, 1),
        # A lag that is a small part of what is reported does no harm.
        ([process(lag_us=20_000)], 450_000, 0),
        ([process(), process(cpu=0.99, lag_us=50_000)], 20_000, 2),
        ([], None, 0),
    ],
)
def test_a_generator_out_of_breath_is_named(
    processes: list[dict[str, Any]], p99_us: int | None, count: int
) -> None:
    """Each process that had no core or came too late is a reason not to believe a latency."""
    assert len(faults_of(processes, p99_us, is_open=True)) == count


def test_a_second_takes_the_lags_out() -> None:
    """Each lag counts in the second in which it was seen, and in the whole once."""
    lags_us = [10, 20, 30]
    health = Health(lags_us)
    assert health.second().lag_max_us == 30
    assert lags_us == []
    assert health.second().lag_max_us == 0
    assert health.lags.total == 3
    health.reset()
    assert (health.lags.total, health.seconds) == (0, [])
