"""Makes a standalone file of a finding: writes its script, finds what shows it, makes it shorter, and runs the file before it is offered."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.client.steps import AgentMade
from conformance.findings.evidence import Evidence, candidates
from conformance.findings.execution import Execution, Place, execute
from conformance.findings.finding_file import FindingFile, Reproducer
from conformance.findings.relevance import by_relevance, told_of
from conformance.findings.rendering import file_text, statements
from conformance.findings.scripting import Line, Told, tell
from conformance.findings.shrinking import Budget, frames_of, shrink
from conformance.findings.standalone.core import COULD_NOT_RUN, REPRODUCED
from conformance.findings.standalone.reading import without
from conformance.findings.symbols import SHORTEST, NotSymbolic
from conformance.provisioner_settings import TOKEN_VARIABLE
from conformance.verdicts import Attempt

PATIENCE_S = 1.0
LOOKING_PATIENCE_S = 0.5
"""How long to wait where all that comes is looked at: what is late there is found out when it is tried."""
_TRIED_CANDIDATES = 6
_LONGEST_SCRIPT = 600
_FILE_S = 60.0
_NO_DIFFERENCE = "the frames of the conversation are the same at the reference server"


class CannotReproduce(Exception):
    """No standalone file can be made; the message says why."""


@dataclass(slots=True)
class Bounds:
    """How much may be done for the standalone files of a run."""

    until_s: float
    runs: int = 2
    """How often each file is run before it is offered."""
    executions: int = 80
    """How many shorter scripts are tried for one finding; 0 for none."""
    shrink_s: float = 12.0

    @property
    def is_spent(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.until_s


@dataclass(slots=True)
class Workshop:
    """Where standalone files are made: the endpoint, and an honest reference server to compare it with."""

    endpoint: Place
    reference: Place
    bounds: Bounds
    environment: dict[str, str] = field(default_factory=dict)
    """Of the files when they are run."""
    has_operator: bool = True
    """Whether the endpoint makes agents and resources on demand, so that scripts can be carried out there."""

    def make(self, finding: FindingFile, attempts: Sequence[Attempt], path: Path) -> Reproducer:
        """Write the standalone file of a finding, and run it.

        Args:
            finding: What was found.
            attempts: In which it was seen.
            path: Where the file goes.

        """
        try:
            told = self._told(finding.requirement.id, attempts)
            if not self.has_operator:
                return self._unrun(finding, told, attempts, path)
            lines, evidence = self._shown(told[0].lines, finding)
            self._check(lines, evidence, attempts)
        except CannotReproduce as exc:
            return Reproducer(reason=str(exc))
        before = frames_of(lines)
        lines = self._shorter(lines, evidence, told_of(lines, finding.observed))
        path.write_text(self._text(finding, lines, evidence, path.name), encoding="utf-8")
        results = [self._run(path) for _ in range(self.bounds.runs)]
        return Reproducer(
            file=path.name,
            runs=len(results),
            reproduced=results.count(REPRODUCED),
            evidence=evidence.words,
            frames=frames_of(lines),
            frames_before=before,
            script=lines,
        )

    def _unrun(
        self, finding: FindingFile, told: list[Told], attempts: Sequence[Attempt], path: Path
    ) -> Reproducer:
        """Write a file that cannot be run here, since what it needs can be used but once; what shows it is what came then.

        Raises:
            CannotReproduce: If nothing came that does not come from the reference server, or a file would hold a credential.

        """
        lines = [line for line in told[0].lines if line["do"] != "pause"]
        came = [Execution(seen=one.seen) for one in told]
        (honest,) = self._look(lines, self.reference)
        for evidence in by_relevance(candidates(came, honest), finding.observed, finding.expected):
            if not execute(lines, self.reference, is_seen=evidence.code, patience_s=PATIENCE_S).is_seen:
                self._check(lines, evidence, attempts)
                path.write_text(self._text(finding, lines, evidence, path.name), encoding="utf-8")
                frames = frames_of(lines)
                return Reproducer(
                    file=path.name, evidence=evidence.words, frames=frames, frames_before=frames, script=lines
                )
        raise CannotReproduce(_NO_DIFFERENCE)

    def _check(self, lines: list[Line], evidence: Evidence, attempts: Sequence[Attempt]) -> None:
        """Make sure that neither a script nor what shows the finding holds a credential that was used.

        Raises:
            CannotReproduce: If one of them does.

        """
        made = [step for attempt in attempts for step in attempt.steps if isinstance(step, AgentMade)]
        used = [self.endpoint.token, *(secret for step in made for secret in step.secrets)]
        held = [secret for secret in used if len(secret) >= SHORTEST]
        text = "\n".join([*statements(lines), evidence.code, evidence.words])
        if without(held, text) != text:
            raise CannotReproduce("it would hold a credential")

    # The script

    def _told(self, requirement: str, attempts: Sequence[Attempt]) -> list[Told]:
        """Return the attempts that saw a breach as scripts, the one with the fewest steps to it first.

        Raises:
            CannotReproduce: If the first cannot be told symbolically.

        """
        cut = [
            attempt.steps[: attempt.places.get(requirement, len(attempt.steps))]
            for attempt in attempts
            if any(breach.requirement == requirement for breach in attempt.breaches)
        ]
        told = []
        for steps in sorted(cut, key=len):
            try:
                told.append(tell(steps, self.endpoint.url))
            except NotSymbolic as exc:
                raise CannotReproduce(f"what was sent cannot be sent by another: {exc}") from exc
        if not told or not told[0].lines:
            raise CannotReproduce("nothing was sent")
        if len(told[0].lines) > _LONGEST_SCRIPT:
            raise CannotReproduce(f"the conversation has {len(told[0].lines)} steps")
        return told

    # What shows it

    def _shown(self, lines: list[Line], finding: FindingFile) -> tuple[list[Line], Evidence]:
        """Return a script and what shows the finding when it is carried out.

        Raises:
            CannotReproduce: If nothing is seen at the endpoint that is not seen at the reference server.

        """
        prompt = [line for line in lines if line["do"] != "pause"]
        for script in [prompt] if len(prompt) == len(lines) else [prompt, lines]:
            steady = self._steady(script)
            # Turn about: what only grows with time is then never the same twice here and another thing twice there.
            there, honest = self._look(steady, self.endpoint, self.reference)
            found = candidates(there, honest)
            likely = by_relevance(found, finding.observed, finding.expected)
            for evidence in likely[:_TRIED_CANDIDATES]:
                if self.bounds.is_spent:
                    raise CannotReproduce("the time for standalone files was up")
                if self._shows(steady, evidence, times=2):
                    return steady, evidence
        raise CannotReproduce(_NO_DIFFERENCE)

    def _steady(self, lines: list[Line]) -> list[Line]:
        """Return a script without waits for what does not come every time."""
        (done,) = self._look(lines, self.endpoint)
        missing = {number for one in done for number in one.missing}
        return [line for number, line in enumerate(lines) if number not in missing or line.get("keep")]

    def _look(self, lines: list[Line], *places: Place) -> list[list[Execution]]:
        """Carry out a script twice at each place, whatever comes.

        Raises:
            CannotReproduce: If it cannot be carried out there.

        """
        done: list[list[Execution]] = [[] for _ in places]
        for _ in range(2):
            for place, executions in zip(places, done, strict=True):
                one = execute(lines, place, is_lenient=True, patience_s=LOOKING_PATIENCE_S)
                if one.failure is not None:
                    where = "the endpoint" if place is self.endpoint else "the reference server"
                    raise CannotReproduce(f"it cannot be carried out at {where}: {one.failure}")
                executions.append(one)
        return done

    def _shows(
        self, lines: list[Line], evidence: Evidence, *, times: int = 1, patience_s: float = PATIENCE_S
    ) -> bool:
        """Tell whether a script shows the finding at the endpoint each time, and never at the reference server."""
        for _ in range(times):
            if not execute(lines, self.endpoint, is_seen=evidence.code, patience_s=patience_s).is_seen:
                return False
            honest = execute(lines, self.reference, is_seen=evidence.code, patience_s=patience_s)
            if honest.is_seen or honest.failure is not None:
                return False
        return True

    # Shorter

    def _shorter(self, lines: list[Line], evidence: Evidence, told: list[Line]) -> list[Line]:
        bounds = self.bounds
        if not bounds.executions:
            return lines
        budget = Budget(min(bounds.until_s, time.monotonic() + bounds.shrink_s), bounds.executions)
        needed = set(re.findall(r"[A-Za-z_]\w*", evidence.code)) & _names(lines)

        def shows(some: list[Line]) -> bool:
            return self._shows(some, evidence, patience_s=LOOKING_PATIENCE_S)

        shorter = shrink(lines, needed, told, shows, budget)
        return shorter if shorter is lines or self._shows(shorter, evidence, times=2) else lines

    # The file

    def _text(self, finding: FindingFile, lines: list[Line], evidence: Evidence, name: str) -> str:
        requirement = finding.requirement
        head = f"""{requirement.id}: {requirement.text}

{requirement.level}, {requirement.basis}. Found by wireproof {finding.tool_version}, case {finding.case}.

Expected: {finding.expected}
Observed: {finding.observed}
Shown by: {evidence.words}

Run it:   {TOKEN_VARIABLE}=... python {name} [ws://host:port]
Needs:    pip install "websockets>=15" "pynacl>=1.5"
Exits:    1 reproduced, 0 not reproduced, 3 could not run
"""
        body = [*statements(lines), f"# {evidence.words}"]
        told = {
            "requirement": requirement.id,
            "expected": finding.expected,
            "observed": finding.observed,
            "shown by": evidence.words,
        }
        constants = {"finding": told, "url": self.endpoint.url, "control": self.endpoint.control}
        return file_text(head, constants, body, evidence.code)

    def _run(self, path: Path) -> int:
        """Run a file and return what has come of it: its exit code, where it says the same in words."""
        environment = {**os.environ, **self.environment, TOKEN_VARIABLE: self.endpoint.token}
        try:
            done = subprocess.run(  # noqa: S603 - the file that was just written
                [sys.executable, path.name],
                cwd=path.parent,
                env=environment,
                capture_output=True,
                timeout=_FILE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return COULD_NOT_RUN
        last = done.stdout.rstrip().rpartition(b"\n")[2].strip()
        if done.returncode == REPRODUCED and last != b"now: reproduced":
            return COULD_NOT_RUN
        return done.returncode


def _names(lines: list[Line]) -> set[str]:
    return {line["as"] for line in lines if "as" in line} | {
        one["as"] for line in lines for one in line.get("keep", ())
    }


@contextmanager
def trusting(ca: Path | None) -> Iterator[dict[str, str]]:
    """Let scripts and files trust the certificates of a file for the length of a `with` block."""
    if ca is None:
        yield {}
        return
    before: Any = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(ca)
    try:
        yield {"SSL_CERT_FILE": str(ca)}
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before
