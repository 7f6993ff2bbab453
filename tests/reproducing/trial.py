"""Whether the findings at a server can be seen again: by `replay`, and by their standalone files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.case import Case
from conformance.check import Plan, header_of
from conformance.endpoint import Endpoint
from conformance.engine import admit, run_cases, run_once
from conformance.findings.execution import Place
from conformance.findings.recording import Recorded, record
from conformance.findings.reproducers import Bounds, Workshop
from conformance.findings.standalone.core import COULD_NOT_RUN, NOT_REPRODUCED, REPRODUCED
from conformance.fixtures.lab import Bench
from conformance.provisioning.opening import provisioning
from conformance.verdicts import Judge
from reports.record import CaseResult, Verdict
from specs.model import Api

TIMES = 3
CONTROL = "/control/websocket?token="
MAKING_S = 120


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
class Trial:
    """What is the same for all servers."""

    api: Api
    cases: Sequence[Case]
    seed: int
    reply_s: float
    findings: int
    """How many of a server are tried."""

    def rows(self, requirement: str, place: Place, honest: Place) -> list[Row]:
        """Run the cases that cover a requirement, and see their findings again; an honest server shows what is right."""
        endpoint = Endpoint.model_validate(
            {
                "url": place.url,
                "profile": {"timeouts": {"reply_s": self.reply_s}},
                "provisioner": {"kind": "control", "token": place.token},
            }
        )
        cases = [case for case in self.cases if requirement in case.requirements]
        with provisioning(endpoint, self.api) as provisioner, tempfile.TemporaryDirectory() as folder:
            bench = Bench(self.api, endpoint, provisioner, self.seed, "reproducing")
            admit(bench)
            header = header_of(Plan(self.api, endpoint, cases, self.seed, is_strict=True))
            found = record(
                Path(folder), self._results(bench, cases), header, self.api, endpoint, is_own=False
            )
            confirmed = [one for one in found if one.is_confirmed]
            return [self._row(one, bench, place, honest) for one in confirmed[: self.findings]]

    def _results(self, bench: Bench, cases: Sequence[Case]) -> list[CaseResult]:
        results: list[CaseResult] = []
        judge = Judge(self.api, bench.endpoint.profile, is_strict=True)
        for result in run_cases(bench, judge, cases):
            results.append(result)
            if sum(one.verdict is Verdict.FAIL for one in results) == self.findings:
                break
        return results

    def _row(self, one: Recorded, bench: Bench, place: Place, honest: Place) -> Row:
        replayed = sum(self._is_replayed(one, bench, number) for number in range(TIMES))
        began_s, path = time.monotonic(), one.path.with_suffix(".py")
        workshop = Workshop(place, honest, Bounds(began_s + MAKING_S))
        made = workshop.make(one.file, one.attempts, path)
        making_s = time.monotonic() - began_s
        runs = [_run(path, place) for _ in range(TIMES)] if made.file else []
        elsewhere = _run(path, honest, honest.url) if made.file else NOT_REPRODUCED
        return Row(
            one.finding.case,
            one.finding.requirement,
            one.finding.observed[:200],
            replayed,
            runs.count(REPRODUCED),
            elsewhere == NOT_REPRODUCED,
            max(made.frames.values(), default=0),
            max(made.frames_before.values(), default=0),
            made.evidence or "",
            made.reason or "",
            round(making_s, 1),
        )

    def _is_replayed(self, one: Recorded, bench: Bench, number: int) -> bool:
        label = f"replay {number} {one.path.stem}"
        fresh = Bench(self.api, bench.endpoint, bench.provisioner, self.seed, label)
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
    has_said_so = done.stdout.rstrip().endswith(b" now: reproduced")
    return done.returncode if has_said_so or done.returncode != REPRODUCED else COULD_NOT_RUN
