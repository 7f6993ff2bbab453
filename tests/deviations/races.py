"""How often the race cases find what only a race shows: `python -m tests.deviations.races`, from the root of the repository.

Each deviation gets a server of its own for each run, each run another seed, and the race cases alone. Exit code 0 when each is found,
and confirmed on fresh fixtures, in 19 of 20 runs at least; 1 when one is not.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace

from tests.deviations.forking import trials
from tests.deviations.trial import Fate, Suite

from conformance.case import Phase
from conformance.catalogue import all_cases
from reference_server.deviations.catalogue import catalogue
from specs.loader import load

RUNS = 20
LEAST_SHARE = 0.95

EXECUTES_ONCE = "payment/concurrent-acknowledge-executes-once"
ALL_COUNT = "payment/concurrent-transfers-all-count"
FAULTS = {
    "executes-overlapping-acknowledgements": EXECUTES_ONCE,
    "acknowledges-from-stale-copy": EXECUTES_ONCE,
    "loses-overlapping-transfers": ALL_COUNT,
    "loses-concurrent-updates": ALL_COUNT,
    "loses-update-of-balances": ALL_COUNT,
    "takes-nonce-twice-at-once": "payment/concurrent-nonce-taken-once",
    "executes-what-is-being-rejected": "payment/concurrent-decisions-exclude",
    "closes-while-something-is-proposed": "payment/concurrent-pushes-ordered",
    "agrees-while-being-rejected": "negotiation/concurrent-pushes-ordered",
    "agrees-on-former-average": "negotiation/concurrent-pushes-ordered",
    "completes-what-is-being-cancelled": "task/concurrent-pushes-ordered",
    "keeps-lower-of-overlapping-checkpoints": "task/concurrent-pushes-ordered",
    "takes-overlapping-chunks": "task/concurrent-pushes-ordered",
    "keeps-state-per-connection": "task/concurrent-pushes-ordered",
    "settles-message-twice-at-once": "messages/concurrent-settling-ordered",
    "subscribes-last-of-overlapping-joins": "joining/concurrent-joins-answered",
    "skips-receiver-while-somebody-leaves": "leaving/concurrent-leave-ordered",
    "repeats-last-relay-of-disconnected": "sockets/concurrent-disconnect-ordered",
}
"""Double executions and lost updates, by the requirement whose race cases must find them; the first five are the worst."""


def found(names: list[str], runs: int, *, jobs: int) -> Counter[str]:
    """Count in how many runs the race cases report the requirement of each deviation."""
    api = load()
    known = catalogue(api)
    chosen = [replace(known[name], breaks=(FAULTS[name],)) for name in names]
    cases = tuple(case for case in all_cases(api) if case.phase is Phase.RACE)
    counts = Counter(dict.fromkeys(names, 0))
    for seed in range(1, runs + 1):
        for trial in trials(Suite(api, cases, seed), chosen, jobs=jobs, time_limit_s=120):
            counts[trial.deviation] += trial.fate is Fate.KILLED
            if trial.fate is not Fate.KILLED:
                print(f"seed {seed}: {trial.deviation} {trial.fate}: {trial.observed}", file=sys.stderr)
    return counts


def main(arguments: list[str] | None = None) -> int:
    """Run and show the counts."""
    parser = argparse.ArgumentParser(prog="races", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="deviations; all by default")
    parser.add_argument("-n", "--runs", type=int, default=RUNS, help="of each")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="how many at a time")
    options = parser.parse_args(arguments)
    counts = found(options.names or list(FAULTS), options.runs, jobs=options.jobs)
    for name, count in counts.items():
        print(f"{count:3} of {options.runs}  {name} ({FAULTS[name]})")
    return int(any(count < LEAST_SHARE * options.runs for count in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
