"""Whether the findings of a deviation can be seen again: by `replay`, and by their standalone files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.case import Case
from conformance.check import Plan, header_of
from conformance.endpoint import Endpoint
from conformance.engine import admit, run_cases, run_once
from conformance.faults import CannotTest
from conformance.findings.execution import Place
from conformance.findings.recording import Recorded, record
from conformance.findings.reproducers import Bounds, Workshop
from conformance.fixtures.lab import Bench
from conformance.provisioning.opening import provisioning
from conformance.selfcheck.judging import Means
from conformance.selfcheck.trial import Outcome, Trial
from conformance.verdicts import Judge
from reports.record import CaseResult, Verdict

TIMES = 3
CONTROL = "/control/websocket?token="


@dataclass(frozen=True, slots=True)
class Row:
    """One finding, seen again or not."""

    case: str
    requirement: str
    observed: str
    replayed: int
    """How often `replay` has seen it, of three."""
    reproduced: int
    """How often its standalone file has, of three."""
    is_silent: bool
    """Whether the file says that it is not reproduced at an honest server."""
    frames: int
    """The most frames that a participant sends in the file."""
    frames_before: int
    """The same before it was made shorter."""
    shown_by: str
    reason: str
    """Why there is no file."""
    making_s: float


@dataclass(frozen=True, slots=True)
class Reproduced(Outcome):
    """A finding, and what became of it."""

    row: Row | None = None


@dataclass(frozen=True, slots=True)
class Reproducing:
    """Judges a server that deviates by whether its findings can be seen again."""

    reference_url: str
    reference_token: str
    findings: int = 3
    """How many of a deviation are tried."""

    def __call__(self, trial: Trial, url: str, means: Means, tell: Callable[[Outcome], None]) -> str | None:
        """Run the cases against a server, see their findings again, and tell of each."""
        endpoint = Endpoint.model_validate(
            {
                "url": url,
                "profile": {"timeouts": {"reply_s": means.reply_s}},
                "provisioner": {"kind": "control", "token": means.token},
            }
        )
        try:
            for row in self._rows(endpoint, trial.first, means, Place(url, f"{url}{CONTROL}", means.token)):
                tell(Reproduced(row.case, Verdict.FAIL, 0.0, {row.requirement: row.observed}, row=row))
        except CannotTest as exc:
            return str(exc)
        return None

    def _rows(self, endpoint: Endpoint, cases: Sequence[Case], means: Means, place: Place) -> Iterator[Row]:
        plan = Plan(means.api, endpoint, list(cases), means.seed, is_strict=True)
        with provisioning(endpoint, means.api) as provisioner:
            bench = Bench(means.api, endpoint, provisioner, means.seed, "reproducing")
            admit(bench)
            results: list[CaseResult] = []
            for result in run_cases(bench, Judge(means.api, endpoint.profile, is_strict=True), cases):
                results.append(result)
                if sum(one.verdict is Verdict.FAIL for one in results) == self.findings:
                    break
            with tempfile.TemporaryDirectory() as folder:
                found = record(Path(folder), results, header_of(plan), means.api, endpoint, is_own=False)
                confirmed = [one for one in found if one.finding.verdict is Verdict.FAIL][: self.findings]
                for one in confirmed:
                    case = next(case for case in cases if case.id == one.finding.case)
                    yield self._row(one, case, bench, place)

    def _row(self, one: Recorded, case: Case, bench: Bench, place: Place) -> Row:
        replayed = sum(_is_replayed(one, case, bench, number) for number in range(TIMES))
        began_s = time.monotonic()
        reference = Place(self.reference_url, f"{self.reference_url}{CONTROL}", self.reference_token)
        workshop = Workshop(place, reference, Bounds(began_s + 120))
        path = one.path.with_suffix(".py")
        made = workshop.make(one.file, one.attempts, path)
        making_s = time.monotonic() - began_s
        runs = [_run(path, place) for _ in range(TIMES)] if made.file else []
        silent = _run(path, reference, reference.url) if made.file else 0
        return Row(
            one.finding.case,
            one.finding.requirement,
            one.finding.observed[:200],
            replayed,
            runs.count(1),
            silent == 0,
            max(made.frames.values(), default=0),
            max(made.frames_before.values(), default=0),
            made.evidence or "",
            made.reason or "",
            round(making_s, 1),
        )


def _is_replayed(one: Recorded, case: Case, bench: Bench, number: int) -> bool:
    label = f"replay {number} {one.path.stem}"
    fresh = Bench(bench.api, bench.endpoint, bench.provisioner, bench.seed, label)
    attempt = run_once(fresh, case, number, one.file.program)
    return any(breach.requirement == one.finding.requirement for breach in attempt.breaches)


def _run(path: Path, place: Place, *arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, path, *arguments],
        env={**os.environ, "WIREPROOF_CONTROL_TOKEN": place.token},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode
