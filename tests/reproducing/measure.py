"""How many findings can be seen again: `python -m tests.reproducing.measure [GLOB...]`, from the root of the repository.

Takes a sample of the deviations, evenly over their kinds, and of each the findings of the cases that cover its requirement. Every
finding is replayed three times, and its standalone file run three times there and once at an honest server.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict
from fnmatch import fnmatchcase

from conformance.catalogue import all_cases
from conformance.faults import CannotTest
from conformance.findings.execution import Place
from conformance.selfcheck.servers import Servers, usual_command
from conformance.selfcheck.trial import Deviation
from specs.loader import load
from specs.model import Api
from tests.reproducing.trial import CONTROL, TIMES, Row, Trial

TOKEN = "operator-token-of-the-trials"
ENOUGH = 0.95
MOST_FRAMES = 6
_TRIALS: list[Trial] = []
"""The trial of a process of the pool."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, and show the shares; exit code 1 where they are below what is demanded."""
    options = _parser().parse_args(arguments)
    api, rows = load(), []
    with Servers(usual_command(None, options.seed), TOKEN) as servers:
        trial = Trial(
            api,
            all_cases(api),
            options.seed,
            options.reply_s,
            options.findings,
        )
        chosen = _chosen(servers.deviations.values(), api, options)
        for deviation, found in _tried(trial, servers, chosen, options.jobs):
            rows += found if isinstance(found, list) else []
            if not found or isinstance(found, str):
                print(f"no finding  {deviation.name} ({deviation.requirement}) {found or ''}", flush=True)
                continue
            for row in found:
                if options.verbose or not _is_good(row):
                    print(f"{deviation.name}: {json.dumps(asdict(row), ensure_ascii=False)}", flush=True)
    return _show(rows)


def _tried(
    trial: Trial, servers: Servers, deviations: Iterable[Deviation], jobs: int
) -> Iterator[tuple[Deviation, list[Row] | str]]:
    """Try deviations out, several at a time, and yield what became of their findings, or why there is nothing."""
    waiting, running = list(reversed(list(deviations))), {}
    started: dict[str, list[int]] = {}
    fork = multiprocessing.get_context("fork")
    # Cases are closures, which can be inherited and not sent.
    with ProcessPoolExecutor(jobs, fork, initializer=_TRIALS.append, initargs=(trial,)) as pool:
        while waiting or running:
            while waiting and len(running) < jobs:
                deviation = waiting.pop()
                # Each has an honest server of its own: all who are in discovery hear of each other.
                numbers = started[deviation.name] = [servers.start([deviation.name]), servers.start(())]
                places = _places(servers, numbers)
                running[pool.submit(_rows, deviation.requirement, *places)] = deviation
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                deviation = running.pop(ended)
                for number in started.pop(deviation.name):
                    servers.stop(number)
                yield deviation, ended.result()


def _rows(requirement: str, place: Place, honest: Place) -> list[Row] | str:
    try:
        return _TRIALS[0].rows(requirement, place, honest)
    except CannotTest as exc:
        return str(exc)


def _places(servers: Servers, numbers: Sequence[int]) -> list[Place]:
    """Return where servers listen, once all of them do."""
    places: dict[int, Place] = {}
    while not places.keys() >= set(numbers):
        for answer in servers.answers():
            if "error" in answer:
                raise CannotTest(answer["error"])
            if "url" in answer:
                places[answer["id"]] = Place(answer["url"], f"{answer['url']}{CONTROL}", TOKEN)
    return [places[number] for number in numbers]


def _chosen(deviations: Iterable[Deviation], api: Api, options: argparse.Namespace) -> list[Deviation]:
    known = [one for one in deviations if api.requirements[one.requirement].excluded is None]
    if options.globs:
        known = [
            one
            for one in known
            if any(fnmatchcase(name, glob) for name in (one.name, *one.breaks) for glob in options.globs)
        ]
    return _sample(known, options.sample, options.seed) if options.sample else known


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="measure", description=__doc__)
    parser.add_argument("globs", nargs="*", metavar="GLOB", help="names or requirements; all by default")
    parser.add_argument("--sample", type=int, default=60, help="how many deviations; 0 for all")
    parser.add_argument("--findings", type=int, default=2, help="of each")
    parser.add_argument("--seed", type=int, default=1, help="of the sample and of keys and ids")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("-v", "--verbose", action="store_true", help="show every finding")
    parser.add_argument("--reply-s", type=float, default=1.0, help="how long to wait for an answer")
    return parser


def _sample(deviations: Sequence[Deviation], count: int, seed: int) -> list[Deviation]:
    """Return some of every kind: each topic and what is done to it, and those written by hand."""
    kinds = defaultdict(list)
    for one in random.Random(seed).sample(list(deviations), len(deviations)):  # noqa: S311
        parts = one.name.split("/")
        kinds[parts[-1].split("@")[0] if len(parts) > 1 else "written"].append(one)
    chosen: list[Deviation] = []
    written = kinds.pop("written", [])
    while len(chosen) < min(count, len(deviations)):
        # One written by hand beside each kind, and those alone where no kind is left.
        for kind in [kind for kind in kinds.values() if kind] or [[]]:
            chosen += [some.pop() for some in (kind, written) if some]
    return chosen[:count]


def _is_good(row: Row) -> bool:
    return row.replayed == row.reproduced == TIMES and row.is_silent


def _show(rows: Sequence[Row]) -> int:
    if not rows:
        print("no finding was made")
        return 1
    replayed = sum(row.replayed == TIMES for row in rows) / len(rows)
    reproduced = sum(row.reproduced == TIMES for row in rows) / len(rows)
    silent = sum(row.is_silent for row in rows) / len(rows)
    lengths = [row.frames for row in rows if row.frames]
    before = [row.frames_before for row in rows if row.frames]
    print(f"{len(rows)} findings")
    print(f"replay three times of three: {replayed:.1%}")
    print(
        f"standalone file three times of three: {reproduced:.1%}; reproduces at an honest server: {1 - silent:.1%}"
    )
    median = statistics.median(lengths) if lengths else 0
    print(
        f"frames of a participant: median {median} (before: {statistics.median(before or [0])}), most {max(lengths, default=0)}"
    )
    print(f"seconds to make a file: median {statistics.median(row.making_s for row in rows)}")
    is_enough = min(replayed, reproduced) >= ENOUGH and silent == 1 and median <= MOST_FRAMES
    return int(not is_enough)


if __name__ == "__main__":
    sys.exit(main())
