"""Which deviations the suite notices: `python -m tests.deviations.kill [GLOB...]`, from the root of the repository.

Each deviation gets a server of its own and the cases that cover the requirement it breaks, judged as with `--strict`. Exit
code 0 when all are killed, 1 when one is not, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from conformance.catalogue import all_cases
from reference_server.deviations.catalogue import UnknownDeviation, catalogue, select
from specs.loader import load
from tests.deviations.forking import trials
from tests.deviations.trial import Fate, Reach, Suite, Trial

USAGE_EXIT_CODE = 2


def main(arguments: list[str] | None = None) -> int:
    """Try deviations out and show what became of them."""
    options = _parser().parse_intermixed_args(arguments)
    api = load(options.spec)
    try:
        chosen = select(catalogue(api).values(), options.globs)
    except UnknownDeviation as exc:
        print(f"kill: {exc}", file=sys.stderr)
        return USAGE_EXIT_CODE
    # No case can ask for what they break, a restart of the server, say.
    chosen = [one for one in chosen if api.requirements[one.breaks[0]].excluded is None]
    if options.sample is not None:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))  # noqa: S311
    suite = Suite(api, tuple(all_cases(api)), options.seed, options.reply_s, options.reach)
    ended = []
    for trial in trials(suite, chosen, jobs=options.jobs, time_limit_s=options.time_limit_s):
        ended.append(trial)
        if not options.json and (options.verbose or trial.fate is not Fate.KILLED):
            print(_line(trial), flush=True)
    _show(ended, as_json=options.json)
    return int(any(trial.fate is not Fate.KILLED for trial in ended))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kill", description=__doc__)
    parser.add_argument("globs", nargs="*", metavar="GLOB", help="names or requirements; all by default")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("-v", "--verbose", action="store_true", help="show those that are killed, too")
    parser.add_argument(
        "--reach",
        type=Reach,
        choices=list(Reach),
        default=Reach.KILL,
        help="cases to run: until the kill, all covering ones, or the whole suite, to see what else is broken",
    )
    parser.add_argument("--sample", type=int, metavar="N", help="only so many, chosen by the seed")
    parser.add_argument("--seed", type=int, default=1, help="of keys, ids and the sample")
    parser.add_argument("--reply-s", type=float, default=1.0, help="how long to wait for an answer")
    parser.add_argument("--time-limit-s", type=float, default=60.0, help="for one deviation")
    parser.add_argument("--spec", type=Path, metavar="DIR", help="another set of documents")
    return parser


def _line(trial: Trial) -> str:
    by = f" by {trial.case}" if trial.case else ""
    others = f" [also: {', '.join(trial.others)}]" if trial.others else ""
    told = f"{trial.fate:<11} {trial.deviation} ({trial.requirement}){by}"
    return f"{told}, {trial.cases_run} cases, {trial.duration_s:.1f} s: {trial.observed}{others}"


def _show(ended: list[Trial], *, as_json: bool) -> None:
    counts = Counter(trial.fate.value for trial in ended)
    if as_json:
        rows = [asdict(trial) for trial in sorted(ended, key=lambda trial: trial.deviation)]
        print(json.dumps({"counts": counts, "deviations": rows}, indent=2))
        return
    print(f"{len(ended)} deviations: {', '.join(f'{count} {fate}' for fate, count in counts.items())}")


if __name__ == "__main__":
    sys.exit(main())
