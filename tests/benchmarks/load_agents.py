"""Load: what a joined agent takes of the generator's memory, and how long it takes until all are connected and joined.

Two agents share a task; every one sends heartbeats. The server is a bare one, which takes little of the machine itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from load_pairs import TARGET
from report import Row, finish, parser
from target import ROOT, CannotMeasure, allow_files, running


def measured(options: argparse.Namespace) -> list[Row]:
    """Measure each round with a generator and a server of its own."""
    allow_files(options.agents)
    memory, opening, heartbeats = [], [], []
    for _ in range(options.rounds):
        told = _round(options)
        [process] = told["generator"]
        memory.append(process["memory"]["agents_kib"] / options.agents)
        opening.append(told["opening_s"])
        heartbeats.append(
            sum(event["rate_per_s"] for event in told["events"] if event["name"] == "socket.heartbeat")
        )
    name = f"{options.agents:,} joined agents"
    return [
        Row(name, "KiB/agent", memory, "at most 12"),
        Row(f"{name}: until all are ready", "s", opening, "at most 20"),
        Row(
            f"{name}: heartbeats answered", "1/s", heartbeats, f"{options.agents / options.heartbeat_s:,.0f}"
        ),
    ]


def _round(options: argparse.Namespace) -> dict[str, object] | dict[str, list[dict[str, object]]]:
    with running(TARGET) as target, tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "wireproof",
            "load",
            target.url,
            "--scenario",
            "pushes",
            "--arrivals",
            "10/s",
        ]
        command += [
            "--agents",
            f"{options.agents}",
            "--duration",
            f"{options.round_s}s",
            "--provision",
            "invented",
        ]
        command += ["--connections-per-s", "2000", "--agents-per-user", "50", "--no-judge", "--json"]
        command += ["--run-dir", str(Path(folder) / "run")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=600
        )
        if done.returncode not in {0, 4}:
            raise CannotMeasure(f"the load has ended with {done.returncode}: {done.stderr[-300:]}")
        told = json.loads(done.stdout)
        if told["groups"]["opened"] * 2 != options.agents:
            raise CannotMeasure(f"not all agents were ready: {told['notes']}")
        return dict(told)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--agents", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--round-s", type=float, default=20.0)
    options.add_argument("--heartbeat-s", type=float, default=30.0, help=argparse.SUPPRESS)
    chosen = options.parse_args()

    async def measure() -> list[Row]:
        return measured(chosen)

    finish(chosen, measure)


if __name__ == "__main__":
    main()
