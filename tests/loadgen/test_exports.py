"""Runs in the forms that other tools read."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadgen.exports import EVENTS_FILE, HISTOGRAMS_FOLDER, SECONDS_FILE, export
from loadgen.measure.histogram import Histogram
from tests.loadgen.test_capacity import results

VALUES = {1: 3, 2_047: 1, 2_048: 2, 4_711: 90, 1_234_567: 3, 3_600_000_000: 1}


def exported(folder: Path) -> Path:
    """Export a run in which one event has these service times."""
    made = results()
    figures = made.statistics.of("task", "progress")
    for value, count in VALUES.items():
        for _ in range(count):
            figures.took(value)
    figures.sent = figures.ok = sum(VALUES.values())
    figures.errors.update(Counter(timeout=2))
    second = {
        "name": "task.progress",
        "sent": 9,
        "ok": 8,
        "errors": 1,
        "response": {"p50_us": 500, "p99_us": 900},
    }
    row = {"at_s": 1.5, "worker": "local", "connections": 4, "health": {"cpu": 0.25}, "events": [second]}
    lines = [{"at_s": 1.0, "phase": "load"}, row]
    (folder / "progress.jsonl").write_text("\n".join(map(json.dumps, lines)))
    export(made, folder)
    return folder


def test_a_histogram_log_is_read_by_the_reader_of_the_format(tmp_path: Path) -> None:
    """Another reader finds the same counts and percentiles, and the length of the interval."""
    path = exported(tmp_path) / HISTOGRAMS_FOLDER / "task.progress.service.hlog"
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000, 3))
    read = reader.get_next_interval_histogram()
    assert read.get_total_count() == sum(VALUES.values())
    assert read.get_end_time_stamp() - read.get_start_time_stamp() == 10_000
    own = Histogram()
    own.count_all(VALUES)
    for percent in (1, 3, 50, 90, 96, 99, 100):
        assert read.get_value_at_percentile(percent) == own.percentile(percent)
    assert reader.get_next_interval_histogram() is None
    reader.close()


def test_any_event_has_a_file_of_its_own(tmp_path: Path) -> None:
    """The name of an event need not be one of a file, and takes no other result with it."""
    made = results()
    made.statistics.of("task", "../odd").took(5)
    (tmp_path / "progress.jsonl").write_text("")
    export(made, tmp_path)
    [path] = (tmp_path / HISTOGRAMS_FOLDER).glob("*odd.service*")
    assert path.name == "task...%2Fodd.service.hlog"


def test_events_are_a_table(tmp_path: Path) -> None:
    """One row for each latency of an event, with the figures of the summary."""
    with (exported(tmp_path) / EVENTS_FILE).open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["event"] == "task.progress"]
    assert [row["measure"] for row in rows] == ["service", "response"]
    assert (rows[0]["sent"], rows[0]["errors"], rows[0]["count"], rows[0]["p50_ms"]) == (
        "100",
        "2",
        "100",
        "4.711",
    )


def test_seconds_are_a_table(tmp_path: Path) -> None:
    """One row a second, worker and event."""
    with (exported(tmp_path) / SECONDS_FILE).open(newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["at_s"], row["event"], row["ok"], row["p99_ms"], row["cpu"]) == (
        "1.5",
        "task.progress",
        "8",
        "0.9",
        "0.25",
    )
    assert (row["phase"], row["load_s"]) == ("load", "0.5")
