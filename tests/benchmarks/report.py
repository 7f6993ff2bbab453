"""How a benchmark is called, how it repeats itself, and how it tells its figures and those of the machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from target import CannotMeasure, Target

from reference_server.server import run

CANNOT_MEASURE_EXIT_CODE = 3
_LIBRARIES = ("websockets", "msgspec", "jsonschema-rs", "uvloop")


@dataclass(frozen=True)
class Row:
    """One thing measured: its median over all rounds."""

    name: str
    unit: str
    rounds: list[float]
    bar: str = ""
    """What it is held against, in words."""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rounds)


@dataclass(frozen=True)
class Pace:
    """How long something is measured."""

    warm_up_s: float
    round_s: float
    rounds: int

    async def measure(self, target: Target, count: Callable[[], int]) -> list[float]:
        """Return how much `count` rises in a CPU second of the server, once a round, while a load goes on."""
        await asyncio.sleep(self.warm_up_s)
        rates = []
        for _ in range(self.rounds):
            count_before, cpu_before_s = count(), target.cpu_s()
            await asyncio.sleep(self.round_s)
            taken_s = target.cpu_s() - cpu_before_s
            if taken_s <= 0 or count() == count_before:
                raise CannotMeasure("the server did nothing in a whole round")
            rates.append((count() - count_before) / taken_s)
        return rates


def parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser with what all benchmarks take."""
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--json", action="store_true", help="print one JSON object in place of the table")
    return made


def add_pace(made: argparse.ArgumentParser) -> None:
    """Let the pace be chosen."""
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--round-s", type=float, default=2.0)
    made.add_argument("--warm-up-s", type=float, default=1.5)


def pace_of(options: argparse.Namespace) -> Pace:
    """Return the pace that was chosen."""
    return Pace(options.warm_up_s, options.round_s, options.rounds)


def machine() -> dict[str, Any]:
    """Describe what a figure depends on besides the code."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def finish(options: argparse.Namespace, measure: Callable[[], Coroutine[Any, Any, Sequence[Row]]]) -> None:
    """Measure, tell the figures, and end the process."""
    try:
        rows = run(measure)
    except CannotMeasure as exc:
        print(f"cannot measure: {exc}", file=sys.stderr)
        sys.exit(CANNOT_MEASURE_EXIT_CODE)
    if options.json:
        told = [{**asdict(row), "median": row.median} for row in rows]
        print(json.dumps({"machine": machine(), "rows": told}, indent=2))
    else:
        _print_table(rows)


def _print_table(rows: Sequence[Row]) -> None:
    here = machine()
    libraries = ", ".join(f"{name} {version}" for name, version in here["libraries"].items())
    console = Console(width=max(Console().width, 110))
    console.print(
        f"{here['cpu']}, {here['cores']} cores, load {here['load']:.1f}; {here['python']}; {libraries}"
    )
    table = Table("measured", "median", "unit", "rounds", "bar", "notes")
    for row in rows:
        rounds = " ".join(_shown(value, row.median) for value in row.rounds)
        notes = ", ".join(f"{name} {value}" for name, value in row.notes.items())
        table.add_row(row.name, _shown(row.median, row.median), row.unit, rounds, row.bar, notes)
    console.print(table)


def _shown(value: float, median: float) -> str:
    """Show a value to as many digits as its kind needs: ratios are held against bars of one in a hundred."""
    digits = 3 if median < 10 else 1 if median < 1000 else 0
    return f"{value:,.{digits}f}"


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"
