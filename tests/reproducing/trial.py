"""Whether the findings of a deviation can be seen again: by `replay`, and by their standalone files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.check import Plan, header_of
from conformance.endpoint import Endpoint, Profile, Timeouts
from conformance.engine import admit, run_cases, run_once
from conformance.faults import CannotTest
from conformance.findings.execution import Place
from conformance.findings.recording import Recorded, record
from conformance.findings.reproducers import Bounds, Workshop
from conformance.fixtures.lab import Bench
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.control import ControlProvisioner
from conformance.verdicts import Judge
from reference_server.deviations.deviation import Deviation
from reports.record import CaseResult, Verdict
from tests.deviations.trial import Fate, Suite, Trial

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
class Reproduced(Trial):
    """A deviation, and what became of its findings."""

    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Reproducing(Suite):
    """The suite as it meets every deviation, with what follows a finding."""

    reference_url: str = ""
    reference_token: str = ""
    findings: int = 3
    """How many of a deviation are tried."""

    def try_out(self, deviation: Deviation, url: str, token: str) -> Trial:
        """Run the covering cases against a server with the deviation, and see their findings again."""
        cases = self.covering(deviation)
        endpoint = Endpoint(
            url=url,
            profile=Profile(timeouts=Timeouts(reply_s=self.reply_s)),
            provisioner=ControlSettings.model_validate({"token": token}),
        )
        try:
            rows = self._rows(endpoint, cases, Place(url, f"{url}{CONTROL}", token))
        except CannotTest as exc:
            return Reproduced(deviation.name, deviation.breaks[0], Fate.NOT_TESTED, observed=str(exc))
        fate = Fate.KILLED if rows else Fate.SURVIVED
        return Reproduced(deviation.name, deviation.breaks[0], fate, cases_run=len(cases), rows=tuple(rows))

    def _rows(self, endpoint: Endpoint, cases: Sequence[Any], place: Place) -> list[Row]:
        provisioner = ControlProvisioner(endpoint, self.api)
        provisioner.open()
        plan = Plan(self.api, endpoint, list(cases), self.seed, is_strict=True)
        try:
            bench = Bench(self.api, endpoint, provisioner, self.seed, "reproducing")
            admit(bench)
            results: list[CaseResult] = []
            for result in run_cases(bench, Judge(self.api, endpoint.profile, is_strict=True), cases):
                results.append(result)
                if sum(one.verdict is Verdict.FAIL for one in results) == self.findings:
                    break
            with tempfile.TemporaryDirectory() as folder:
                found = record(Path(folder), results, header_of(plan), self.api, endpoint, is_own=False)
                confirmed = [one for one in found if one.is_confirmed][: self.findings]
                return [self._row(one, bench, place) for one in confirmed]
        finally:
            provisioner.close()

    def _row(self, one: Recorded, bench: Bench, place: Place) -> Row:
        replayed = sum(self._is_replayed(one, bench, number) for number in range(TIMES))
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

    def _is_replayed(self, one: Recorded, bench: Bench, number: int) -> bool:
        fresh = Bench(
            self.api, bench.endpoint, bench.provisioner, self.seed, f"replay {number} {one.path.stem}"
        )
        case = next(case for case in self.cases if case.id == one.finding.case)
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
