"""Load: whether reported latencies are true, beside what the server itself has logged.

The server answers after lognormal delays with a median of 5 ms and logs what each really was; arrivals do not wait for answers. Another one
stands still for 500 ms every 5 s: of even arrivals a tenth meets a stall, so that the true 99th percentile is 450 ms. A closed loop
beside it shows what coordinated omission makes of that.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from load_pairs import PEERS, TARGET
from report import Row, finish, parser
from target import ROOT, CannotMeasure, running

DELAYING = (str(PEERS / "delaying_server.py"),)
PERCENTS = (50.0, 99.0, 99.9)
STALL_S, EVERY_S = 0.5, 5.0
TRUE_STALL_P99_MS = 450.0


def measured(options: argparse.Namespace) -> list[Row]:
    """Measure at each rate, then before the server that stalls."""
    rows = []
    for rate in options.rates:
        rounds = [_delayed(rate, options) for _ in range(options.rounds)]
        for percent in PERCENTS:
            name = f"p{percent:g} at {rate:,}/s, reported to logged"
            ratios = [each["reported"][percent] / each["logged"][percent] for each in rounds]
            logged = ", ".join(f"{each['logged'][percent]:.2f}" for each in rounds)
            rows.append(Row(name, "x", ratios, "0.98 to 1.02", {"logged ms": logged}))
        bound = [each["achieved"] for each in rounds]
        valid = sum(each["is_valid"] for each in rounds)
        rows.append(
            Row(f"achieved of {rate:,}/s", "x", bound, "at least 0.999", {"latency valid in rounds": valid})
        )
    for arrivals, bar in (("1000/s", "441 to 459 ms"), ("closed:10ms", "what a closed loop says")):
        told = [_stalled(arrivals, options) for _ in range(options.rounds)]
        rows.append(Row(f"p99 of a server that stalls, {arrivals}", "ms", told, bar))
    return rows


def _delayed(rate: int, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "delays"
        with running((*DELAYING, "--delay-ms", "5", "--log", str(log))) as target:
            told = _load(target.url, f"{rate}/s", options.round_s, folder)
        delays = array("L", log.read_bytes())
    response = _response(told)
    logged = sorted(delays)
    # Rounded, for 99.9 / 100 of 8,000 is a little more than 7,992 in binary.
    ranks = {percent: max(1, math.ceil(round(percent / 100 * len(logged), 6))) for percent in PERCENTS}
    return {
        "reported": {percent: response[f"p{percent:g}_ms"] for percent in PERCENTS},
        "logged": {percent: logged[rank - 1] / 1000 for percent, rank in ranks.items()},
        "achieved": told["achieved"],
        "is_valid": told["is_latency_valid"],
    }


def _stalled(arrivals: str, options: argparse.Namespace) -> float:
    stalls = ("--stall-every-s", f"{EVERY_S}", "--stall-s", f"{STALL_S}")
    with tempfile.TemporaryDirectory() as folder, running((*TARGET, *stalls)) as target:
        told = _load(target.url, arrivals, options.stall_periods * EVERY_S, folder)
    return float(_response(told)["p99_ms"])


def _load(url: str, arrivals: str, duration_s: float, folder: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "wireproof", "load", url, "--scenario", "pushes", "--arrivals", arrivals]
    command += ["--agents", "200", "--duration", f"{duration_s}s", "--provision", "invented", "--no-judge"]
    command += ["--run-dir", str(Path(folder) / "run"), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=600
    )
    if done.returncode != 0:
        raise CannotMeasure(f"the load has ended with {done.returncode}: {done.stderr[-300:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _response(told: dict[str, Any]) -> dict[str, float]:
    [event] = [event for event in told["events"] if event["name"] == "task.checkpoint"]
    response: dict[str, float] = event["response"]
    return response


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__)
    options.add_argument("--rates", type=int, nargs="+", default=[1_000, 10_000])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--round-s", type=float, default=10.0)
    options.add_argument("--stall-periods", type=int, default=4)
    chosen = options.parse_args(arguments)

    async def measure() -> list[Row]:
        return measured(chosen)

    finish(chosen, measure)


if __name__ == "__main__":
    main()
