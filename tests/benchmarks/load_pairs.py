"""Load: pairs of a push and its reply in a CPU second of the generator, ours beside a bare picows loop and a naive Locust user.

All do the same work on the same bare server in the same run, turn about: each connection sends the next push once its reply has come.
Read ratios: a machine that is busy, or whose system calls are dear, slows all of them. What it costs to write down what is judged is less
than runs differ from each other; it is told from slices of one run, every other of which is judged.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from report import Row, finish, parser
from target import HERE, ROOT, CannotMeasure, running

PEERS = HERE / "load_peers"
TARGET = (str(PEERS / "target_server.py"),)


def measured(options: argparse.Namespace) -> list[Row]:
    """Measure all generators, turn about."""
    generators: dict[str, Callable[[str, argparse.Namespace], float]] = {
        "ours": ours,
        "picows": picows,
        "naive": naive,
    }
    rates: dict[str, list[float]] = {name: [] for name in generators}
    shares = []
    with running(TARGET) as target:
        for _ in range(options.rounds):
            for name, generator in generators.items():
                rates[name].append(generator(target.url, options))
            shares.append(judged(target.url, options))
    unit = "pairs/CPU s"
    return [
        Row("wireproof load, scenario pushes", unit, rates["ours"], "100,000"),
        Row("bare picows loop on uvloop", unit, rates["picows"]),
        Row("Locust user on websocket-client", unit, rates["naive"]),
        _ratio("ours to picows", rates["ours"], rates["picows"], "at least 0.9"),
        Row("judged to not judged", "x", shares, "at least 0.9"),
        _ratio("ours to the naive user", rates["ours"], rates["naive"], "at least 5"),
    ]


def _ratio(name: str, ours: list[float], theirs: list[float], bar: str) -> Row:
    """Hold rounds against each other; that of the best ones tells more where the machine is slow now and then."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Row(name, "x", ratios, bar, {"of the best rounds": round(max(ours) / max(theirs), 3)})


def judged(url: str, options: argparse.Namespace) -> float:
    """Return what is left of the rate where what is judged is written down: the median of pairs of slices that follow each other."""
    arguments = [url, "--connections", f"{options.connections}", "--turns", f"{options.turns}"]
    told = json.loads(_run([str(PEERS / "judged_by_turns.py"), *arguments]))
    return median(a / b for a, b in zip(told["judged"], told["not judged"], strict=True))


def ours(url: str, options: argparse.Namespace) -> float:
    """Run `wireproof load`; the CPU time is that of the process that has the connections."""
    arguments = ["--scenario", "pushes", "--agents", f"{options.connections}"]
    arguments += ["--duration", f"{options.round_s}s", "--set", "pushes=1000", "--agents-per-user", "50"]
    arguments += ["--provision", "invented", "--no-judge", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        _run(["-m", "wireproof", "load", url, *arguments, "--run-dir", str(run)])
        rows = [json.loads(line) for line in (run / "progress.jsonl").read_text().splitlines()]
    phases = [row.get("phase") for row in rows]
    load = [row for row in rows[phases.index("load") : phases.index("drain")] if "health" in row]
    # The first row reaches back into the time before the load.
    seconds = load[1:]
    pairs = sum(
        event["ok"] for row in seconds for event in row["events"] if event["name"] == "task.checkpoint"
    )
    cpu_s = sum((row["health"]["cpu"] + row["health"]["awake"]) * row["health"]["span_s"] for row in seconds)
    if not pairs:
        raise CannotMeasure("nothing was answered in a whole round")
    return float(pairs / cpu_s)


def picows(url: str, options: argparse.Namespace) -> float:
    """Run the bare loop."""
    arguments = [url, "--connections", f"{options.connections}", "--load-s", f"{options.round_s}"]
    return _rate(_run([str(PEERS / "picows_loop.py"), *arguments]))


def naive(url: str, options: argparse.Namespace) -> float:
    """Run the naive user."""
    users = f"{options.connections}"
    arguments = ["--headless", "--host", url, "--users", users, "--spawn-rate", users, "--only-summary"]
    arguments += ["--run-time", f"{round(options.round_s + 3)}s", "--loglevel", "ERROR"]
    return _rate(_run(["-m", "locust", "-f", str(PEERS / "naive_locustfile.py"), *arguments]))


def _run(command: list[str]) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}"}
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        check=False,
        timeout=300,
    )
    if not done.stdout.strip():
        raise CannotMeasure(f"{command[:4]} has ended with {done.returncode}: {done.stderr[-300:]}")
    return done.stdout


def _rate(output: str) -> float:
    told = next(json.loads(line) for line in output.splitlines() if line.startswith("{"))
    if not told["cpu_s"] or not told["pairs"]:
        raise CannotMeasure("nothing was answered in a whole round")
    return float(told["pairs"] / told["cpu_s"])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--connections", type=int, default=200)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--round-s", type=float, default=4.0)
    options.add_argument("--turns", type=int, default=30)
    chosen = options.parse_args()

    async def measure() -> list[Row]:
        return measured(chosen)

    finish(chosen, measure)


if __name__ == "__main__":
    main()
