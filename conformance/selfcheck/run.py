"""One self-check from start to matrix: the work behind `wireproof selfcheck`."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from conformance.case import Case
from conformance.check import version_of
from conformance.faults import CannotTest
from conformance.selfcheck.invisible import faults_of
from conformance.selfcheck.matrix import (
    ControlRow,
    Matrix,
    MatrixFolder,
    MatrixFooter,
    MatrixHeader,
    MatrixRow,
    tally,
)
from conformance.selfcheck.trial import Deviation, Ended, Fate, Reach, Trial, trial_in_budget, trial_of
from conformance.selfcheck.trials import Trials
from reports.exit_codes import ExitCode
from reports.record import RED, Verdict
from specs.model import Api

ACCUSING = frozenset(RED) - {Verdict.INCONCLUSIVE}
ENOUGH_IN_BUDGET = 0.8
"""Of how many deviations the suite must notice something where its time is short."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be tried, and how."""

    api: Api
    cases: Sequence[Case]
    catalogue: Sequence[str]
    """Names of all deviations, tried or not."""
    chosen: Sequence[Deviation]
    reach: Reach
    seed: int
    jobs: int
    reply_s: float
    exceptions: dict[str, str] = field(default_factory=dict)
    """Proof by name of the deviation."""
    are_exceptions_whole: bool = False
    """Whether an exception must be in the catalogue: it is the one that the exceptions were listed for."""
    budget_s: float | None = None
    """How long the suite may take for each, where the question is what it notices in that time."""

    def trials(self) -> list[Trial]:
        """Return what the chosen deviations are put through."""
        if self.budget_s is None:
            return [trial_of(one, self.cases, self.reach) for one in self.chosen]
        return [trial_in_budget(one, self.cases, self.budget_s) for one in self.chosen]

    def is_met(self, row: MatrixRow) -> bool:
        """Tell whether the suite has done with a deviation what it should."""
        return row.is_good if self.budget_s is None else row.is_seen


@dataclass(frozen=True, slots=True)
class End:
    """How the trials came to an end."""

    interrupted: bool = False
    trouble: str | None = None
    """Why no server could be had any more."""


class Watch(Protocol):
    """Somebody who watches."""

    def expect(self, what: str, count: int) -> None:
        """Be told what comes next."""

    def control(self) -> None:
        """See an honest server pass."""

    def row(self, row: MatrixRow, *, is_good: bool) -> None:
        """See what became of a deviation, and whether the suite has done with it what it should."""

    def tick(self) -> None:
        """See the time go by."""


def run_selfcheck(plan: Plan, trials: Trials, folder: MatrixFolder, watch: Watch) -> Matrix:
    """Try out the chosen deviations, write the run folder, and return the matrix.

    An interruption (Ctrl-C) ends it in order: what was found so far is in the folder and in the result.

    Raises:
        CannotTest: If an honest server of the same fleet does not pass, so that nothing could be believed.

    """
    started_s = time.monotonic()
    header = _header(plan)
    folder.write(header)
    planned = plan.trials()
    rows: list[MatrixRow] = []
    controls = _controlled(_needed(planned, plan), plan, trials, folder, watch)
    end = End()
    try:
        watch.expect("deviations", len(planned))
        for ended in trials.run(planned, watch.tick):
            rows.append(_row(ended, plan))
            folder.write(rows[-1])
            watch.row(rows[-1], is_good=plan.is_met(rows[-1]))
    except KeyboardInterrupt:
        end = End(interrupted=True)
    except CannotTest as exc:
        end = End(trouble=str(exc))
    else:
        controls, end = _proven(rows, controls, plan, trials, folder, watch)
    footer = _footer(plan, rows, time.monotonic() - started_s, end)
    folder.write(footer)
    folder.write_table(rows)
    return Matrix(header=header, controls=controls, rows=rows, footer=footer)


def _proven(
    rows: list[MatrixRow],
    controls: list[ControlRow],
    plan: Plan,
    trials: Trials,
    folder: MatrixFolder,
    watch: Watch,
) -> tuple[list[ControlRow], End]:
    """Let the cases that have accused somebody without having passed with an honest server do so."""
    try:
        more = _controlled(_unproven(rows, controls, plan), plan, trials, folder, watch, is_last=True)
    except KeyboardInterrupt:
        return controls, End(interrupted=True)
    return controls + more, End()


def _needed(planned: Sequence[Trial], plan: Plan) -> list[Case]:
    """Return the cases that will be run for certain: of a trial that stops early, only the one that it begins with."""
    ids = {
        case.id
        for trial in planned
        for case in (trial.first[:1] if trial.stops_early else trial.first)
        + (trial.rest if trial.is_rest_due else ())
    }
    return [case for case in plan.cases if case.id in ids]


def _unproven(rows: Iterable[MatrixRow], controls: Iterable[ControlRow], plan: Plan) -> list[Case]:
    """Return the cases that have accused a deviating server, but have not been seen to accuse no honest one."""
    proven = {
        name
        for control in controls
        for name, case in control.cases.items()
        if case.verdict != Verdict.INCONCLUSIVE
    }
    accusing = {name for row in rows for name, case in row.cases.items() if case.reported}
    return [case for case in plan.cases if case.id in accusing - proven]


def _controlled(
    cases: Sequence[Case],
    plan: Plan,
    trials: Trials,
    folder: MatrixFolder,
    watch: Watch,
    *,
    is_last: bool = False,
) -> list[ControlRow]:
    """Let honest servers of the fleet show that the cases accuse nobody who is innocent.

    A case that could not tell, on a busy machine, say, must do so in the end if it has accused somebody meanwhile.
    """
    shards = [tuple(cases[start :: plan.jobs]) for start in range(plan.jobs)]
    controls = [Trial(None, shard) for shard in shards if shard]
    if not controls:
        return []
    watch.expect("honest servers", len(controls))
    rows = []
    for ended in trials.run(controls, watch.tick):
        _demand_innocence(ended, RED if is_last else ACCUSING)
        rows.append(ControlRow.of(ended))
        folder.write(rows[-1])
        watch.control()
    return rows


def _demand_innocence(ended: Ended, refused: Collection[Verdict]) -> None:
    if ended.trouble is not None:
        raise CannotTest(f"an honest server cannot be tested: {ended.trouble}")
    for one in ended.outcomes:
        if one.verdict in refused:
            told = next((f"{name}: {seen}" for name, seen in one.reported.items()), one.reason)
            raise CannotTest(
                f"the suite does not pass with an honest server, so nothing that it says of others counts: "
                f"{one.case}: {one.verdict.label}: {told}"
            )


def _row(ended: Ended, plan: Plan) -> MatrixRow:
    name = ended.trial.deviation.name if ended.trial.deviation else ""
    return MatrixRow.of(ended, is_listed=name in plan.exceptions)


def _header(plan: Plan) -> MatrixHeader:
    return MatrixHeader(
        tool_version=version_of("wireproof"),
        started_at=datetime.now(UTC).isoformat(),
        spec=plan.api.name,
        spec_version=plan.api.version,
        catalogue=len(plan.catalogue),
        chosen=len(plan.chosen),
        cases=len(plan.cases),
        reach=plan.reach,
        seed=plan.seed,
        jobs=plan.jobs,
        reply_s=plan.reply_s,
        budget_s=plan.budget_s,
    )


def _footer(plan: Plan, rows: list[MatrixRow], duration_s: float, end: End) -> MatrixFooter:
    faults = faults_of(plan.exceptions, plan.catalogue) if plan.are_exceptions_whole else []
    left = len(plan.chosen) - len(rows)
    notes = [f"{left} of {len(plan.chosen)} deviations were not reached"] if left else []
    notes += [end.trouble] if end.trouble else []
    is_whole = not left and not end.interrupted
    return MatrixFooter(
        finished_at=datetime.now(UTC).isoformat(),
        duration_s=round(duration_s, 3),
        counts=tally(rows),
        faults=faults,
        exit_code=int(_exit_code(plan, rows, faults, is_whole=is_whole)),
        interrupted=end.interrupted,
        note="; ".join(notes) or None,
    )


def _exit_code(plan: Plan, rows: list[MatrixRow], faults: list[str], *, is_whole: bool) -> ExitCode:
    if all(row.fate is Fate.UNTESTED for row in rows):
        return ExitCode.COULD_NOT_TEST
    enough = 1.0 if plan.budget_s is None else ENOUGH_IN_BUDGET
    if faults or sum(map(plan.is_met, rows)) < enough * len(rows):
        return ExitCode.FINDINGS
    # What was not looked at cannot be called killed.
    return ExitCode.CONFORMANT if is_whole else ExitCode.COULD_NOT_TEST
