"""A million inputs and more, and what they have done: `python -m tests.fuzz.nightly`, from the root of the repository.

Targets within a process run under atheris where that is installed, else on altered seeds alone. Exit code 0 where no input does
harm, 1 where one does, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.conftest import ROOT, running
from tests.fuzz import properties
from tests.fuzz.conversations import UNLIMITED, Fuzzer
from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import TARGETS

RUNS = {
    "json_codec": 210_000,
    "serializer_v1": 160_000,
    "serializer_v2": 210_000,
    "binary_layouts": 130_000,
    "query": 100_000,
    "request": 50_000,
    "wire": 60_000,
    "connection": 20_000,
}
EXAMPLES = {"bytes": 1000, "messages": 3000, "frames": 3000, "conversations": 3000}
SOCKET_INPUTS, LEDGER_INPUTS = 100_000, 30_000
"""To a server that keeps everything in memory, and to one that keeps it on disk."""
NEEDED = 1_000_000
_GROWTH_MB = 150
_DONE = re.compile(r"Done (\d+) (?:runs )?in")
_RESIDENT = re.compile(r"rss: (\d+)Mb")


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one target."""

    name: str
    how: str
    inputs: int
    duration_s: float
    fault: str | None

    def __str__(self) -> str:
        """Return one line of the table, and what went wrong below it."""
        verdict = "no harm" if self.fault is None else "HARM"
        line = f"{self.name:<38}{self.how:<12}{self.inputs:>10,}{self.duration_s:>9.1f} s  {verdict}"
        return line if self.fault is None else f"{line}\n{self.fault}"


def main(arguments: list[str] | None = None) -> int:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(prog="nightly", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual numbers of inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-j", "--jobs", type=int, default=2, help="processes at a time")
    options = parser.parse_args(arguments)
    if not options.scale > 0:
        parser.error("--scale must be above 0")
    ended = []
    for one in _all(options.scale, options.seed, options.jobs):
        print(one, flush=True)
        ended.append(one)
    total = sum(one.inputs for one in ended)
    print(f"{total:,} inputs, {sum(one.fault is not None for one in ended)} targets harmed")
    if options.scale >= 1 and total < NEEDED:
        print(f"fewer than {NEEDED:,}")
        return 1
    return int(any(one.fault is not None for one in ended))


def _all(scale: float, seed: int, jobs: int) -> Iterator[Ended]:
    guide = _guided if importlib.util.find_spec("atheris") else _altered
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda name: guide(name, _scaled(RUNS[name], scale), seed), TARGETS)
    for name, examples in EXAMPLES.items():
        yield _timed(
            f"made-up {name}", "hypothesis", lambda name=name, n=examples: _made_up(name, _scaled(n, scale))
        )
    yield from _over_sockets("memory", _scaled(SOCKET_INPUTS, scale), seed)
    with tempfile.TemporaryDirectory() as folder:
        inputs = _scaled(LEDGER_INPUTS, scale)
        yield from _over_sockets("ledger", inputs, seed + 1, "--data", f"{folder}/data")


def _scaled(number: int, scale: float) -> int:
    return max(1, int(number * scale))


def _timed(name: str, how: str, run: Callable[[], tuple[int, str | None]]) -> Ended:
    start_s = time.monotonic()
    inputs, fault = run()
    return Ended(name, how, inputs, time.monotonic() - start_s, fault)


def _guided(name: str, runs: int, seed: int) -> Ended:
    """Run a target in a process of its own, under atheris."""

    def run() -> tuple[int, str | None]:
        with tempfile.TemporaryDirectory() as corpus:
            command = [sys.executable, "-m", "tests.fuzz.guided", name, str(runs), str(seed), corpus]
            ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        done = _DONE.search(ended.stderr)
        if ended.returncode or done is None:
            return 0, f"exit code {ended.returncode}\n{(ended.stdout + ended.stderr)[-4000:]}"
        resident = [int(size) for size in _RESIDENT.findall(ended.stderr)]
        growth = resident[-1] - resident[len(resident) // 4]
        return int(done[1]), f"grew by {growth} MB" if growth > _GROWTH_MB else None

    return _timed(name, "atheris", run)


def _altered(name: str, runs: int, seed: int) -> Ended:
    """Run a target on altered seeds in this process."""
    target, seeds = TARGETS[name]
    mutator = Mutator(seed)

    def run() -> tuple[int, str | None]:
        for number in range(runs):
            data = mutator.of(seeds())
            try:
                target(data)
            except Exception as exc:  # noqa: BLE001 - what the target raises is the finding
                return number, f"{data!r}: {exc!r}"
        return runs, None

    return _timed(name, "mutation", run)


def _made_up(name: str, examples: int) -> tuple[int, str | None]:
    try:
        return properties.run(name, examples), None
    except Exception as exc:  # noqa: BLE001
        notes = "\n".join(getattr(exc, "__notes__", ()))
        return 0, f"{exc!r}\n{notes}"


def _over_sockets(store: str, inputs: int, seed: int, *options: str) -> Iterator[Ended]:
    start_s = time.monotonic()
    with running(["-m", "wireproof", "serve"], *UNLIMITED, *options) as server:
        fuzzer = Fuzzer(server, seed)
        report = fuzzer.run(inputs)
        faults = fuzzer.faults()
    duration_s = time.monotonic() - start_s
    for kind, number in report.inputs.items():
        share_s = duration_s * number / max(1, report.total)
        yield Ended(f"{kind}, {store}", "sockets", number, share_s, None)
    mib = (report.warm_bytes / 2**20, report.end_bytes / 2**20)
    print(
        f"beside them {report.relays:,} relays, server {mib[0]:.1f} MiB when warm, {mib[1]:.1f} MiB at the end"
    )
    if faults:
        yield Ended(f"server, {store}", "sockets", 0, 0, "\n".join(faults))


if __name__ == "__main__":
    sys.exit(main())
