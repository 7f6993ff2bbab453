"""What the machines find, each by itself: `python -m tests.deviations.machines [NAME...]`, from the root of the repository.

The machine of a family alone is run against servers with faults that show only after a while. Exit code 0 when every one is reported
by the requirement that it breaks, and again when the shortened program is carried out on fresh fixtures.
"""

from __future__ import annotations

import argparse
import sys

from conformance.machines.offered import machine_cases
from conformance.machines.search import Effort
from conformance.selfcheck.trial import Deviation, Trial
from reference_server.deviations.catalogue import catalogue
from specs.loader import load
from tests.deviations.judged import judged

FOUND_BY = {
    "loses-money-by-rounding": "payment",
    "shrugs-at-seq-conflict": "task",
    "tells-agreement-twice": "negotiation",
    "settles-twice": "messages",
    "announces-without-storing": "discovery",
}
"""A family whose machine finds a deviation, by the name of the deviation."""

# Counted, not timed: how busy the machine is must make no difference.
EFFORT = Effort(examples=60, drawing_s=300.0, shortening_s=300.0)
SILENCE_S = 900.0


def main(arguments: list[str] | None = None) -> int:
    """Run and show what each machine has found."""
    parser = argparse.ArgumentParser(prog="machines", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="deviations; all of the list by default")
    options = parser.parse_args(arguments)
    known = catalogue(load())
    cases = {case.topic: case for case in machine_cases(EFFORT)}
    trials = [
        Trial(Deviation(name, known[name].breaks, known[name].shows), (cases[FOUND_BY[name]],))
        for name in options.names or FOUND_BY
    ]
    missed = 0
    for ended in judged(trials, silence_s=SILENCE_S):
        name = ended.trial.deviation.name if ended.trial.deviation else ""
        missed += not ended.killers
        print(f"{'found' if ended.killers else 'MISSED'} {name}: {ended.why()[:160]}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
