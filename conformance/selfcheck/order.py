"""The order in which cases find most in little time, from kill matrices: `python -m conformance.selfcheck.order MATRIX...`.

It is written into `conformance/kill_power.json`, for runs with a budget. Each next case is the one that kills most deviations a
millisecond, of those that no case before it has killed; where none is left, all are to be killed once more by the cases that remain.
A matrix is a run folder of `wireproof selfcheck --reach covering` or `--reach suite`; several are laid over each other.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from conformance.faults import ConfigurationFaulty
from conformance.selfcheck.matrix import CaseTime, Matrix, read_matrix
from conformance.selfcheck.trial import Reach
from reports.exit_codes import ExitCode
from reports.record import Verdict

KILL_POWER = Path(__file__).parents[1] / "kill_power.json"
FORMAT = 1
LEAST_MS = 1.0


@dataclass(slots=True)
class Power:
    """What is known of a case."""

    kills: set[str] = field(default_factory=set)
    """The deviations with which it reports anything."""
    passes_ms: list[float] = field(default_factory=list)
    fails_ms: list[float] = field(default_factory=list)

    @property
    def cost_ms(self) -> float:
        """How long it takes where it finds nothing, which is what it mostly does."""
        return max(LEAST_MS, median(self.passes_ms or self.fails_ms or [LEAST_MS]))


def powers(matrices: Iterable[Matrix]) -> dict[str, Power]:
    """Return what matrices tell of each case."""
    found: dict[str, Power] = defaultdict(Power)
    for matrix in matrices:
        for control in matrix.controls:
            _count(found, control.cases, None)
        for row in matrix.rows:
            _count(found, row.cases, row.deviation)
    return dict(found)


def _count(found: dict[str, Power], cases: Mapping[str, CaseTime], deviation: str | None) -> None:
    for name, case in cases.items():
        power = found[name]
        if case.verdict == Verdict.PASS:
            power.passes_ms.append(case.ms)
        elif case.reported and deviation is not None:
            power.kills.add(deviation)
            power.fails_ms.append(case.ms)


def order_of(known: Mapping[str, Power]) -> list[str]:
    """Return the cases that kill anything, those first that kill most of what is left a millisecond."""
    waiting = {name for name, power in known.items() if power.kills}
    everything = set[str]().union(*(power.kills for power in known.values()))
    alive = set(everything)
    order: list[str] = []
    while waiting:
        best = max(sorted(waiting), key=lambda name: len(known[name].kills & alive) / known[name].cost_ms)
        if not known[best].kills & alive:
            alive = set(everything)
            continue
        alive -= known[best].kills
        waiting.remove(best)
        order.append(best)
    return order


def kill_power(matrices: Sequence[Matrix]) -> dict[str, Any]:
    """Return the content of the file.

    Raises:
        ConfigurationFaulty: If a matrix ends each trial with the first kill, so that it says little about cases.

    """
    for matrix in matrices:
        if matrix.header.reach is Reach.KILL:
            raise ConfigurationFaulty(
                "a matrix of --reach kill tells too little: use --reach covering or suite"
            )
    known = powers(matrices)
    measured = [
        {
            "spec_version": matrix.header.spec_version,
            "reach": matrix.header.reach.value,
            "deviations": len(matrix.rows),
            "cases": matrix.header.cases,
        }
        for matrix in matrices
    ]
    return {"format": FORMAT, "measured": measured, "order": order_of(known)}


def main(arguments: Sequence[str] | None = None, target: Path = KILL_POWER) -> int:
    """Write the file; returns the exit code."""
    paths = [Path(name) for name in (sys.argv[1:] if arguments is None else arguments)]
    if not paths or any(str(path).startswith("-") for path in paths):
        print("usage: python -m conformance.selfcheck.order MATRIX...", file=sys.stderr)  # noqa: T201
        return ExitCode.USAGE
    try:
        content = kill_power([read_matrix(path) for path in paths])
    except ConfigurationFaulty as exc:
        print(f"order: {exc}", file=sys.stderr)  # noqa: T201
        return ExitCode.USAGE
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{target.name}: {len(content['order'])} cases")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
