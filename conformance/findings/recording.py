"""Writes the findings of a run into its folder, each as a file that `wireproof replay` runs again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance.endpoint import Endpoint
from conformance.findings.documents import digest_of
from conformance.findings.finding_file import (
    CheckedEndpoint,
    Documents,
    FindingFile,
    RequirementText,
    read,
    write,
)
from conformance.verdicts import Attempt, JudgedCase, profile_as_json
from reports.fingerprint import fingerprint
from reports.record import CaseResult, Finding, RunHeader, Verdict
from specs.model import Api

FOLDER = "findings"
_LONGEST_NAME = 120
_NAMED = 10
"""How many files the summary names."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One finding, and where it was written."""

    finding: Finding
    file: FindingFile
    path: Path
    attempts: tuple[Attempt, ...]

    @property
    def is_confirmed(self) -> bool:
        """Whether this very requirement was seen not to be met a second time."""
        return self.file.verdict is Verdict.FAIL


def record(
    folder: Path,
    cases: Iterable[CaseResult],
    header: RunHeader,
    api: Api,
    endpoint: Endpoint,
    *,
    is_own: bool,
) -> list[Recorded]:
    """Write a file for every finding that fails a case, confirmed or flaky.

    Args:
        folder: The run folder.
        cases: The results of the run.
        header: Of the run.
        api: The documents.
        endpoint: What was checked.
        is_own: Whether that is a reference server which the run has started.

    Returns:
        The findings in the order of the run.

    """
    where = CheckedEndpoint(
        url=endpoint.url,
        is_own=is_own,
        profile=profile_as_json(endpoint.profile),
        provisioner=endpoint.provisioner.kind,
        control_url=getattr(endpoint.provisioner, "url", None),
    )
    documents = Documents(name=api.name, version=api.version, digest=digest_of(api))
    recorded: list[Recorded] = []
    for case, finding in _failures(cases):
        if not recorded:
            (folder / FOLDER).mkdir(exist_ok=True)
        path = folder / FOLDER / f"{_slug(finding, recorded)}.json"
        file = _file(case, finding, header, documents, where)
        write(path, file)
        recorded.append(Recorded(finding, file, path, case.tried))
    return recorded


def how_to_replay(folder: Path) -> list[str]:
    """Return the lines that name the finding files of a run folder, and the command for them; none where there are none."""
    files = sorted((folder / FOLDER).glob("*.json"))
    if not files:
        return []
    told = [line for path in files[:_NAMED] for line in _told(path)]
    more = [f"  and {len(files) - _NAMED} more"] if len(files) > _NAMED else []
    return [
        "Finding files:",
        *told,
        *more,
        "Run one again: wireproof replay FILE, or its .py without wireproof",
    ]


def _told(path: Path) -> list[str]:
    made = read(path).reproducer
    if made.file is None:
        return [f"  {path}"]
    return [f"  {path}", f"  {path.with_name(made.file)}  reproduced {made.reproduced} of {made.runs} times"]


def _failures(cases: Iterable[CaseResult]) -> Iterator[tuple[JudgedCase, Finding]]:
    """Yield what fails a case; of a flaky case each requirement once, its attempts belong together."""
    for case in cases:
        if not isinstance(case, JudgedCase):
            continue
        seen: set[str] = set()
        for finding in case.findings:
            if finding.verdict in {Verdict.FAIL, Verdict.FLAKY} and finding.requirement not in seen:
                seen.add(finding.requirement)
                yield case, finding


def _file(
    case: JudgedCase, finding: Finding, header: RunHeader, documents: Documents, where: CheckedEndpoint
) -> FindingFile:
    verdict = Verdict.FAIL if _is_confirmed(case, finding) else Verdict.FLAKY
    attempts = case.tried if verdict is Verdict.FLAKY else case.tried[:1]
    return FindingFile(
        tool_version=header.tool_version,
        found_at=header.started_at,
        documents=documents,
        endpoint=where,
        seed=header.seed,
        requirement=RequirementText(
            id=finding.requirement, level=finding.level, basis=finding.basis, text=finding.statement
        ),
        case=case.case,
        case_title=case.title,
        verdict=verdict,
        expected=finding.expected,
        observed=finding.observed,
        fingerprint=fingerprint(finding),
        transcripts=[list(attempt.transcript) for attempt in attempts],
        program=next((attempt.program for attempt in case.tried if attempt.program is not None), None),
    )


def _is_confirmed(case: JudgedCase, finding: Finding) -> bool:
    """Tell whether another attempt has seen the same; a case may fail by one requirement and waver by another."""
    seen_again = {breach.requirement for attempt in case.tried[1:] for breach in attempt.breaches}
    return finding.verdict is Verdict.FAIL and finding.requirement in seen_again


def _slug(finding: Finding, recorded: list[Recorded]) -> str:
    """Return a file name without suffix that no other finding of the run has."""
    name = "--".join(re.sub(r"[^A-Za-z0-9._@-]+", ".", part) for part in (finding.requirement, finding.case))
    name = name[:_LONGEST_NAME].rstrip(".")
    taken = {one.path.stem for one in recorded}
    number = 1
    while (slug := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return slug
