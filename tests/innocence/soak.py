"""Whether the suite ever accuses an honest server: `python -m tests.innocence.soak`, from the root of the repository.

Full runs with a seed each against servers that are honest: as they are, with 20 ms of latency, and spoken to in serializer
1.0.0; if wanted with every core kept busy. One line a run; exit code 1 when a run has anything but passes and cases that did
not run, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tests.innocence.delay import delayed

ROOT = Path(__file__).parents[2]
READY = "wireproof serve: listening on "
TOKEN = "operator-token-of-the-soak"
LATENCY_S = 0.02
KINDS = ("plain", "latency", "serializer-1")
INNOCENT = {"pass", "not_run"}
LONGEST_RUN_S = 900.0


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
    command = ["check", "--seed", str(seed), "--json"]
    command += ["--vsn", "1.0.0"] if kind == "serializer-1" else []
    command += ["--workers", str(options.workers)] if options.workers else []
    command += [argument for glob in options.include for argument in ("--include", glob)]
    with tempfile.TemporaryDirectory() as folder, _server(seed) as url:
        slow = delayed(url, LATENCY_S) if kind == "latency" else nullcontext(url)
        with slow as reached:
            done = subprocess.run(
                [*_wireproof(*command), reached, "--run-dir", str(Path(folder) / "run")],
                capture_output=True,
                text=True,
                env=_environment(),
                cwd=ROOT,
                timeout=LONGEST_RUN_S,
                check=False,
            )
    summary = json.loads(done.stdout) if done.stdout else {}
    return done.returncode, summary, " ".join(done.stderr.split())


@contextmanager
def _server(seed: int) -> Iterator[str]:
    """Give the URL of an honest server for the length of a `with` block."""
    command = _wireproof("serve", "--port", "0", "--seed", str(seed), "--log-level", "error")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=_environment(), cwd=ROOT
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith(READY):
                raise RuntimeError(f"the server did not start: {line!r}")
            yield line.removeprefix(READY).strip()
        finally:
            process.terminate()


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


def _wireproof(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "wireproof", *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "WIREPROOF_CONTROL_TOKEN": TOKEN}


if __name__ == "__main__":
    sys.exit(main())
