"""Whether the suite ever accuses an honest server: `python -m tests.innocence.soak`, from the root of the repository.

Full runs with a seed each against servers that are honest: as they are, with 20 ms of latency each way, and both spoken to in
serializer 1.0.0; if wanted with every core kept busy. One line a run; exit code 1 when a run has anything but passes and cases that did
not run, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, running
from tests.delaying_proxy.check import distant

LATENCY_MS = 20.0
KINDS = ("plain", "latency", "serializer-1", "latency-serializer-1")
DISTANT = {"latency", "latency-serializer-1"}
OLD_SERIALIZER = {"serializer-1", "latency-serializer-1"}
INNOCENT = {"pass", "not_run"}
LONGEST_RUN_S = 1800.0


def main(arguments: list[str] | None = None) -> int:
    """Run the suite as often as asked for and tell of each run."""
    options = _parser().parse_args(arguments)
    accused = 0
    with ExitStack() as stack:
        if options.burn:
            stack.enter_context(_burners(options.burn))
        for number in range(options.runs):
            for kind in options.kind or KINDS:
                accused += _told(kind, options.seed + number, options)
    total = options.runs * len(options.kind or KINDS)
    print(f"{total} runs, {accused} of them with an accusation", flush=True)
    return int(accused > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument(
        "-n", "--runs", type=int, default=50, help="how often each kind, each with another seed"
    )
    parser.add_argument("--kind", action="append", choices=KINDS, help="may be repeated; all by default")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--workers", type=int, help="as for wireproof check")
    parser.add_argument("--burn", type=int, default=0, metavar="N", help="processes that do nothing but work")
    parser.add_argument(
        "--include", action="append", default=[], metavar="GLOB", help="as for wireproof check"
    )
    return parser


def _told(kind: str, seed: int, options: argparse.Namespace) -> bool:
    """Run the suite once, print what came of it, and tell whether anybody was accused."""
    started_s = time.monotonic()
    code, summary, complaint = _run(kind, seed, options)
    counts = {name: count for name, count in summary.get("counts", {}).items() if count}
    is_accused = code != 0 or bool(set(counts) - INNOCENT)
    shown = ", ".join(f"{count} {name}" for name, count in counts.items()) or complaint
    verdict = "ACCUSED" if is_accused else "ok"
    print(
        f"{verdict} {kind} seed {seed}: exit code {code}, {shown}, {time.monotonic() - started_s:.1f} s",
        flush=True,
    )
    for finding in [*summary.get("findings", ()), *summary.get("advisories", ())]:
        print(f"    {finding['verdict']} {finding['case']} {finding['requirement']}: {finding['observed']}")
    return is_accused


def _run(kind: str, seed: int, options: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-m", "wireproof", "check", "--seed", str(seed), "--json"]
    command += ["--vsn", "1.0.0"] if kind in OLD_SERIALIZER else []
    command += ["--workers", str(options.workers)] if options.workers else []
    command += [argument for glob in options.include for argument in ("--include", glob)]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(running(["-m", "wireproof", "serve"], "--seed", str(seed)))
        reached = stack.enter_context(distant(server, LATENCY_MS)) if kind in DISTANT else server
        command += [reached.url, "--control", server.url, "--run-dir", str(Path(folder) / "run")]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, "WIREPROOF_CONTROL_TOKEN": server.token},
            cwd=ROOT,
            timeout=LONGEST_RUN_S,
            check=False,
        )
    summary = json.loads(done.stdout) if done.stdout else {}
    return done.returncode, summary, " ".join(done.stderr.split())


@contextmanager
def _burners(count: int) -> Iterator[None]:
    """Keep so many cores busy for the length of a `with` block."""
    processes = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def _burn() -> None:
    while True:
        sum(range(10_000))


if __name__ == "__main__":
    # Whoever ends a soak of hours ends its servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
