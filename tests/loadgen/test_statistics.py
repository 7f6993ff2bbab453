"""Figures by event."""

from __future__ import annotations

import json

from loadgen.measure.statistics import DELIVERY, RESPONSE, SERVICE, Figures, Statistics


def filled(offset: int) -> Statistics:
    statistics = Statistics()
    figures = statistics.of("task", "progress")
    for value in range(1, 101):
        figures.sent += 1
        figures.ok += 1
        figures.took(value + offset)
    figures.took_late(10)
    figures.took_in_all(5_000)
    figures.was_delivered(70)
    figures.errors["timeout"] += 1
    figures.broken["lost"] += 2
    statistics.of("socket", "connect").took(7)
    return statistics


def test_service_and_response_are_told_apart() -> None:
    """What was sent in time counts for both; what was sent late has a time of its own for each."""
    histograms = filled(0).of("task", "progress").histograms
    assert histograms[SERVICE].total == histograms[RESPONSE].total == 101
    assert (histograms[SERVICE].max_us, histograms[RESPONSE].max_us) == (100, 5_003)
    assert histograms[DELIVERY].total == 1


def test_json_loses_nothing() -> None:
    """Statistics that were written and read are the same."""
    written = json.dumps(filled(3).to_json())
    assert json.dumps(Statistics.from_json(json.loads(written)).to_json()) == written


def test_merged_processes_equal_pooled_samples() -> None:
    """Percentiles of two processes merged equal those of all samples together."""
    merged, pooled = Statistics(), Statistics()
    for offset in (0, 900):
        merged.merge(Statistics.from_json(json.loads(json.dumps(filled(offset).to_json()))))
    figures = pooled.of("task", "progress")
    for value in [*range(1, 101), *range(901, 1_001), 10, 10]:
        figures.took(value)
    percents = (1, 50, 90, 99, 100)
    found = merged.of("task", "progress")
    assert list(found.histograms[SERVICE].percentiles(percents)) == list(
        figures.histograms[SERVICE].percentiles(percents)
    )
    assert (found.sent, found.ok, found.errors["timeout"], found.broken["lost"]) == (200, 200, 2, 4)


def test_a_load_begins_anew_but_joins_and_connects_stay() -> None:
    """Before the load only connecting and joining is measured; afterwards recorders still record."""
    statistics = filled(0)
    statistics.begin_anew()
    assert statistics.of("task", "progress").histograms[SERVICE].total == 0
    assert statistics.of("socket", "connect").histograms[SERVICE].total == 1
    statistics.of("task", "progress").took(5)
    assert statistics.of("task", "progress").histograms[SERVICE].total == 1


def test_what_is_answered_after_the_load_is_not_of_its_rate() -> None:
    """Late answers count, but not into the rate."""
    statistics = filled(0)
    statistics.load_is_over()
    figures = statistics.of("task", "progress")
    figures.ok += 5
    merged = Statistics()
    merged.merge(Statistics.from_json(statistics.to_json()))
    assert (merged.of("task", "progress").ok, merged.of("task", "progress").in_time) == (105, 100)


def test_what_was_answered_before_the_load_is_not_of_its_rate() -> None:
    """Joins and connects of the beginning are told of, but their rate is that of the load."""
    statistics = filled(0)
    joins = statistics.of("task", "phx_join")
    joins.ok = 40
    statistics.begin_anew()
    joins.ok += 3
    statistics.load_is_over()
    joins.ok += 1
    assert (joins.ok, joins.in_time) == (44, 3)


def test_what_begins_after_the_load_is_not_of_its_rate() -> None:
    """An event that nobody had seen until then has no rate; the load is over only once."""
    statistics = filled(0)
    statistics.load_is_over()
    late = statistics.of("task", "late")
    late.ok += 5
    statistics.load_is_over()
    assert (late.in_time, statistics.of("task", "progress").in_time) == (0, 100)


def test_the_latest_latencies_are_of_all_that_was_sent() -> None:
    """What was sent late counts in a second's percentiles by its share: few are no p99, many are."""
    statistics = Statistics()
    for late, p99_us in ((5, 1_000), (500, 5_001_000)):
        figures = statistics.of("task", f"late-{late}")
        for _ in range(2_000):
            figures.took(1_000)
        for _ in range(late):
            figures.took_late(1_000)
            figures.took_in_all(5_001_000)
        figures.flush()
        response = figures.recent_json()["response"]
        assert (response["p50_us"], response["p99_us"]) == (1_000, p99_us)
        assert response["sketch_us"][-1] == 5_001_000


def test_recent_figures_are_told_once() -> None:
    """A second's row holds what is new since the one before."""
    figures = filled(0).of("task", "progress")
    figures.flush()
    assert figures.recent_json()["ok"] == 100
    assert not figures.has_recent


def test_the_fastest_event_is_known_by_its_slowest_answers() -> None:
    """Of the events of the endpoint the one with the lowest p99 counts; connections, whole acts and what was before the load do not."""
    statistics = filled(1_000)
    statistics.of("task", "phx_join").took(7)
    assert Statistics().least_p99_us() is None
    statistics.of("task", "fast").took(300)
    assert statistics.least_p99_us() == 300


def test_what_nobody_counts_is_nothing() -> None:
    """Figures that were asked for and never used say nothing; a latency alone says something."""
    figures = Figures("payment", "close")
    assert not figures.has_any
    figures.took(5)
    assert figures.has_any
    figures.clear()
    figures.errors["not connected"] += 1
    assert figures.has_any
