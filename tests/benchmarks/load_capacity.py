"""Load: whether `wireproof capacity` finds the capacity of a server that is known to answer so many pushes a second, and no more.

One lets what is too much wait, one refuses it. Each search begins elsewhere, so that it does not come by the edge in the same steps.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from load_pairs import PEERS
from report import Row, finish, parser
from target import ROOT, CannotMeasure, running

SERVER = str(PEERS / "limited_server.py")
WITHIN = 0.05


def measured(options: argparse.Namespace) -> list[Row]:
    """Search the capacity of both servers."""
    rows = []
    for kind, flags in (("waits", ()), ("refuses", ("--refuses",))):
        answers = [_found(options, flags, 130.0 + 35 * number) for number in range(options.rounds)]
        ratios = [answer["capacity_per_s"] / options.rate for answer in answers]
        notes = {
            "within 5 %": sum(abs(ratio - 1) <= WITHIN for ratio in ratios),
            "steps": [len(answer["steps"]) for answer in answers],
        }
        name = f"capacity found to {options.rate:g}/s, what is too much {kind}"
        rows.append(Row(name, "x", ratios, "0.95 to 1.05 in every round", notes))
    return rows


def _found(options: argparse.Namespace, flags: tuple[str, ...], first: float) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running((SERVER, "--rate", f"{options.rate}", *flags)) as target,
    ):
        command = [
            sys.executable,
            "-m",
            "wireproof",
            "capacity",
            target.url,
            "--scenario",
            "pushes",
            "--from",
            f"{first}",
        ]
        command += ["--agents", "20", "--provision", "invented", "--no-judge", "--json"]
        command += ["--shortest-step", f"{options.step_s}s", "--longest-step", f"{options.step_s}s"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [*command, "--run-dir", str(Path(folder) / "run")],
            capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=1800,
        )  # fmt: skip
    if done.returncode != 0:
        raise CannotMeasure(
            f"the search has ended with {done.returncode}: {done.stderr[-300:] or done.stdout[-2000:]}"
        )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__)
    options.add_argument("--rate", type=float, default=500.0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--step-s", type=float, default=8.0)
    chosen = options.parse_args(arguments)

    async def measure() -> list[Row]:
        return measured(chosen)

    finish(chosen, measure)


if __name__ == "__main__":
    main()
