"""A run in the forms that other tools read: CSV, and the log of HdrHistogram, one file for each latency."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from loadgen.engine.conductor import PROGRESS_FILE
from loadgen.measure.histogram import DIGITS, HIGHEST_US
from loadgen.measure.statistics import INTEGRITY, MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadgen.measure.histogram import Histogram
    from loadgen.results import Results

EVENTS_FILE: Final = "events.csv"
SECONDS_FILE: Final = "seconds.csv"
HISTOGRAMS_FOLDER: Final = "histograms"

_LATENCY: Final = (
    "count",
    "mean_ms",
    "p50_ms",
    "p90_ms",
    "p95_ms",
    "p99_ms",
    "p99.9_ms",
    "p99.99_ms",
    "max_ms",
)
_COUNTS: Final = ("sent", "ok", "errors", "rate_per_s", "relays", "delivered", *INTEGRITY)
_SECOND: Final = (
    "at_s",
    "worker",
    "event",
    "sent",
    "ok",
    "errors",
    "p50_ms",
    "p99_ms",
    "connections",
    "cpu",
    "phase",
    "load_s",
)
"""`at_s` is the monotonic clock of the machine; `load_s` counts from the begin of the load, and so is below 0 while agents connect."""


def export(results: Results, folder: Path) -> None:
    """Write all forms into the run folder."""
    _write(folder / EVENTS_FILE, ("event", *_COUNTS, "measure", *_LATENCY), _events(results.to_json()))
    _write(folder / SECONDS_FILE, _SECOND, _seconds(folder / PROGRESS_FILE))
    histograms = folder / HISTOGRAMS_FOLDER
    histograms.mkdir(exist_ok=True)
    for figures in results.statistics:
        for measure, histogram in figures.histograms.items():
            if histogram.total:
                # A user's own scenario may push an event whose name is no name of a file.
                path = histograms / f"{quote(figures.name, safe='')}.{measure}.hlog"
                path.write_text(histogram_log(histogram, results.load_s), encoding="ascii")


def histogram_log(histogram: Histogram, span_s: float) -> str:
    """Return the log of one interval, format 1.2; values are microseconds, the interval's maximum is in milliseconds.

    Args:
        histogram: What was recorded.
        span_s: The length of the interval.

    """
    known = HdrHistogram(1, HIGHEST_US, DIGITS)
    for value, count in histogram.counts.items():
        known.record_value(value, count)
    lines = [
        "#[Logged with wireproof load; values are microseconds]",
        "#[Histogram log format version 1.2]",
        "#[StartTime: 0.000 (seconds since epoch), relative]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
        f"0.000,{span_s:.3f},{histogram.max_us / 1000:.3f},{known.encode().decode('ascii')}",
    ]
    return "\n".join(lines) + "\n"


def _events(summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for event in summary["events"]:
        row = {"event": event["name"], **{name: event.get(name, "") for name in _COUNTS}}
        row["errors"] = sum(event["errors"].values())
        measures = [name for name in MEASURES if name in event]
        for measure in measures or [""]:
            yield {**row, "measure": measure, **event.get(measure, {})}


def _seconds(path: Path) -> Iterator[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    began_s = next((row["at_s"] for row in rows if row.get("phase") == "load"), None)
    phase = ""
    for row in rows:
        phase = row.get("phase", phase)
        for event in row.get("events", ()):
            latency = event.get("response") or event.get("delivery") or {}
            shown = {f"{name}_ms": latency[f"{name}_us"] / 1000 for name in ("p50", "p99") if latency}
            counts = {name: event[name] for name in ("sent", "ok", "errors")}
            known = {
                "at_s": row["at_s"],
                "worker": row["worker"],
                "connections": row["connections"],
                "cpu": row["health"]["cpu"],
                "phase": phase,
                "load_s": "" if began_s is None else round(row["at_s"] - began_s, 3),
            }
            yield {**known, "event": event["name"], **counts, **shown}


def _write(path: Path, names: tuple[str, ...], rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
