"""How many findings can be seen again: `python -m tests.reproducing.measure [GLOB...]`, from the root of the repository.

Takes a sample of the deviations, evenly over their kinds, and of each the findings of the cases that cover its requirement. Every
finding is replayed three times, and its standalone file run three times there and once at an honest server.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

from conformance.catalogue import all_cases
from conformance.own_server import own_server
from conformance.selfcheck.trial import Deviation as Told
from conformance.selfcheck.trial import Ended, Reach, trial_of
from reference_server.deviations.catalogue import catalogue, select
from reference_server.deviations.deviation import Deviation
from specs.loader import load
from tests.deviations.judged import judged
from tests.reproducing.trial import TIMES, Reproduced, Reproducing, Row

ENOUGH = 0.95
MOST_FRAMES = 6


def main(arguments: list[str] | None = None) -> int:
    """Measure, and show the shares; exit code 1 where they are below what is demanded."""
    options = _parser().parse_args(arguments)
    api = load()
    chosen = [
        one
        for one in select(catalogue(api).values(), options.globs)
        if api.requirements[one.breaks[0]].excluded is None
    ]
    if options.sample:
        chosen = _sample(chosen, options.sample, options.seed)
    rows: list[Row] = []
    with own_server(None, 0) as honest:
        judge = Reproducing(honest.url, honest.token, options.findings)
        cases = all_cases(api)
        trials = [trial_of(Told(one.name, one.breaks, one.shows), cases, Reach.COVERING) for one in chosen]
        for ended in judged(
            trials,
            seed=options.seed,
            jobs=options.jobs,
            reply_s=options.reply_s,
            silence_s=options.time_limit_s,
            judge=judge,
        ):
            rows += _shown(ended, verbose=options.verbose)
    return _show(rows)


def _shown(ended: Ended, *, verbose: bool) -> list[Row]:
    """Show what became of the findings of a deviation, and return them."""
    deviation = ended.trial.deviation
    name = deviation.name if deviation else "honest"
    found = [one.row for one in ended.outcomes if isinstance(one, Reproduced) and one.row]
    if not found:
        print(f"no finding  {name}: {ended.trouble or 'nothing was reported'}", flush=True)
    for row in found:
        if verbose or not _is_good(row):
            print(f"{name}: {json.dumps(asdict(row), ensure_ascii=False)}", flush=True)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="measure", description=__doc__)
    parser.add_argument("globs", nargs="*", metavar="GLOB", help="names or requirements; all by default")
    parser.add_argument("--sample", type=int, default=60, help="how many deviations; 0 for all")
    parser.add_argument("--findings", type=int, default=2, help="of each")
    parser.add_argument("--seed", type=int, default=1, help="of the sample and of keys and ids")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("-v", "--verbose", action="store_true", help="show every finding")
    parser.add_argument("--reply-s", type=float, default=1.0, help="how long to wait for an answer")
    parser.add_argument("--time-limit-s", type=float, default=400.0, help="for one finding")
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
        for kind in [*kinds.values()]:
            if kind and len(chosen) < count:
                chosen.append(kind.pop())
            if written and len(chosen) < count:
                chosen.append(written.pop())
    return chosen


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
        f"standalone file three times of three: {reproduced:.1%}; says so at an honest server: {1 - silent:.1%}"
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
