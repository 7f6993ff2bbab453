"""The health of the generator."""

from __future__ import annotations

import time
from typing import Any

import pytest

from loadgen.measure import health as health_module
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


@pytest.mark.parametrize(
    ("told", "is_open", "count"),
    [
        # Arrivals may be late where timers, of which there are more, are not; without arrivals nothing is.
        ({"late": [[467_000, 20], [100, 980]]}, True, 1),
        ({"late": [[467_000, 20], [100, 980]]}, False, 0),
        # A slow event does not hide what a lag does to a fast one.
        ({"lags": [[20_000, 1_000]], "least_p99_us": 30_000}, True, 1),
        ({"lags": [[20_000, 1_000]], "least_p99_us": 450_000}, True, 0),
    ],
)
def test_a_lag_is_held_against_each_event(told: dict[str, Any], is_open: bool, count: int) -> None:
    """What is late for the fastest event is a fault, whatever the others take."""
    assert len(faults_of([process() | told], 450_000, is_open=is_open)) == count


def test_late_arrivals_are_kept_in_the_whole() -> None:
    """They are taken out once a second, like lags, and told at the end."""
    health = Health([])
    health.late_us.extend([7, 9])
    health.second()
    assert (health.late_us, health.to_json()["late"]) == ([], [(7, 1), (9, 1)])


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


def test_the_moment_before_the_first_second_accuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that begins right before stock is taken works all of that time: in a run of eight seconds it would be one in ten."""
    at_s = [time.monotonic(), time.process_time()]
    monkeypatch.setattr(health_module.time, "monotonic", lambda: at_s[0])
    monkeypatch.setattr(health_module.time, "process_time", lambda: at_s[1])

    def told(spans: list[tuple[float, float]]) -> list[str]:
        health = Health([])
        for wall_s, cpu_s in spans:
            at_s[0] += wall_s
            at_s[1] += cpu_s
            assert health.second().span_s == wall_s
        return faults_of([health.to_json()], 20_000, is_open=True)

    assert told([(0.0005, 0.0005)] + [(1.0, 0.1)] * 7) == []
    assert len(told([(0.9, 0.9)] + [(1.0, 0.1)] * 7)) == 1


def test_what_a_process_took_to_be_awake_is_free_for_work() -> None:
    """It is told apart, so that a generator that only waits is not called out of breath."""
    took_s = [0.0]

    def awake_s() -> float:
        return took_s[0]

    health = Health([], awake_s)
    until_s = time.process_time() + 0.2
    while time.process_time() < until_s:
        pass
    took_s[0] = 0.2
    second = health.second()
    assert second.awake * second.span_s == pytest.approx(0.2, abs=0.001)
    assert second.cpu * second.span_s < 0.1
    assert health.second().awake == 0
