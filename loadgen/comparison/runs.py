"""What is read of a run folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from loadgen.engine.conductor import PROGRESS_FILE, RESULT_FILE
from loadgen.faults import ConfigurationFaulty
from loadgen.measure.statistics import Figures, Statistics
from loadgen.results import FORMAT
from loadgen.run_folder import SUMMARY_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is over.

    Attributes:
        summary: As it was told.
        figures: By name.
        seconds: The rows of its load, by process.

    """

    summary: dict[str, Any]
    figures: dict[str, Figures]
    seconds: dict[str, list[dict[str, Any]]]

    def sketches(self, name: str, measure: str) -> list[list[list[float]]]:
        """Return the latencies of each second as their sketch, by process."""
        return [
            [event[measure]["sketch_us"] for event in self._events(rows, name) if measure in event]
            for rows in self.seconds.values()
        ]

    def answered(self, name: str) -> list[float]:
        """Return how many were answered by ok in each second, by all processes together."""
        each = [self._rates(rows, name) for rows in self.seconds.values()]
        shortest = min((len(rates) for rates in each), default=0)
        return [sum(rates[at] for rates in each) for at in range(shortest)]

    def failed(self, name: str) -> list[tuple[float, float]]:
        """Return of each second how many were not answered by ok, and of how many, by all processes together."""
        each = [
            [next(self._events([row], name), {"errors": 0, "ok": 0}) for row in rows]
            for rows in self.seconds.values()
        ]
        seconds = zip(*each, strict=False)
        return [
            (sum(event["errors"] for event in events), sum(event["errors"] + event["ok"] for event in events))
            for events in seconds
        ]

    def _rates(self, rows: list[dict[str, Any]], name: str) -> list[float]:
        return [
            next((event["ok"] for event in self._events([row], name)), 0) / row["health"]["span_s"]
            for row in rows
        ]

    def _events(self, rows: list[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
        return (event for row in rows for event in row["events"] if event["name"] == name)


def read_run(folder: Path) -> Run:
    """Read a run.

    Raises:
        ConfigurationFaulty: If there is no load test in the folder, or it is one of another version.

    """
    try:
        summary = msgspec.json.decode((folder / SUMMARY_FILE).read_bytes())
        outcome = msgspec.json.decode((folder / RESULT_FILE).read_bytes())
        lines = (folder / PROGRESS_FILE).read_bytes().splitlines()
        if summary["format"] != FORMAT:
            raise ConfigurationFaulty(f"{folder}: a run of another version, format {summary['format']}")
        statistics = Statistics()
        for process in outcome["processes"]:
            statistics.merge(Statistics.from_json(process["statistics"]))
        return Run(
            summary, {each.name: each for each in statistics}, _seconds(map(msgspec.json.decode, lines))
        )
    except OSError as fault:
        raise ConfigurationFaulty(f"{folder}: no run of `wireproof load` ({fault.strerror})") from fault
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as fault:
        raise ConfigurationFaulty(f"{folder}: the run cannot be read: {fault}") from fault


def _seconds(rows: Iterator[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    seconds: dict[str, list[dict[str, Any]]] = {}
    is_load = False
    for row in rows:
        if "phase" in row:
            is_load = row["phase"] == "load"
        elif is_load and "events" in row:
            seconds.setdefault(row["worker"], []).append(row)
    # The first one of each process reaches back into the time before the load.
    return {worker: each[1:] for worker, each in seconds.items()}
