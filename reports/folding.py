"""Findings grouped by requirement and then by cause, and cases that did not run grouped by reason.

A cause is what findings against one requirement have in common: what was expected and observed, without what varies from
case to case (`fingerprint`). A server with one fault that breaks forty cases has one fold with one cause.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .fingerprint import fingerprint
from .record import LEVELS, RED, CaseResult, Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


@dataclass(frozen=True, slots=True)
class Cause:
    """Findings that expected and observed the same."""

    fingerprint: str
    findings: tuple[Finding, ...]
    """In the order of the run; never empty."""

    @property
    def first(self) -> Finding:
        """The finding to show."""
        return self.findings[0]

    @property
    def cases(self) -> tuple[str, ...]:
        """Ids of the cases, each once, the case of `first` first."""
        return tuple(dict.fromkeys(finding.case for finding in self.findings))

    @property
    def attempts(self) -> tuple[Finding, ...]:
        """What is shown of the first case: one finding of each attempt, more than one where it is flaky."""
        shown: dict[int, Finding] = {}
        for finding in self.findings:
            if finding.case == self.first.case:
                shown.setdefault(finding.attempt, finding)
        return tuple(shown.values())


@dataclass(frozen=True, slots=True)
class Fold:
    """All findings of one verdict against one requirement."""

    requirement: str
    causes: tuple[Cause, ...]
    """The one with the most cases first; never empty."""

    @property
    def first(self) -> Finding:
        """The finding to show."""
        return self.causes[0].first

    @property
    def cases(self) -> tuple[str, ...]:
        """Ids of the cases, each once, the case of `first` first."""
        return tuple(dict.fromkeys(case for cause in self.causes for case in cause.cases))


def findings_of(cases: Iterable[CaseResult], verdicts: Collection[Verdict]) -> list[Finding]:
    """List the findings that have one of the verdicts, in the order of the run.

    Args:
        cases: Results of a run.
        verdicts: Which to take: `RED`, or `ADVISORY` alone.

    Returns:
        The findings, and for each such case without a finding one made of its reason.

    """
    return [finding for case in cases for finding in case.evidence() if finding.verdict in verdicts]


def fold(findings: Iterable[Finding]) -> list[Fold]:
    """Group findings by requirement and verdict, so that a fault of our own is not hidden behind a failure.

    Args:
        findings: In the order of the run.

    Returns:
        The folds, the strongest first: by verdict, then level, then the number of cases, then the order of the run.

    """
    grouped: dict[tuple[str, Verdict], list[Finding]] = {}
    for finding in findings:
        grouped.setdefault((finding.requirement, finding.verdict), []).append(finding)
    folds = [Fold(requirement, _causes(found)) for (requirement, _), found in grouped.items()]
    return sorted(folds, key=_strength)


def reasons_not_run(cases: Iterable[CaseResult]) -> list[tuple[str, int]]:
    """Count the cases that did not run by their reason, the most frequent reason first."""
    missing = (case for case in cases if case.verdict is Verdict.NOT_RUN)
    return Counter(case.reason or "no reason was recorded" for case in missing).most_common()


def _causes(findings: Iterable[Finding]) -> tuple[Cause, ...]:
    """Group findings by what the first of their case looks like: what later attempts saw belongs to it."""
    prints: dict[str, str] = {}
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        own = fingerprint(finding)
        if finding.attempt > 1:
            own = prints.get(finding.case, own)
        prints.setdefault(finding.case, own)
        grouped.setdefault(own, []).append(finding)
    causes = [Cause(mark, tuple(found)) for mark, found in grouped.items()]
    return tuple(sorted(causes, key=lambda cause: -len(cause.cases)))


def _strength(found: Fold) -> tuple[int, int, int]:
    first = found.first
    seriousness = RED.index(first.verdict) if first.verdict in RED else len(RED)
    return seriousness, LEVELS.index(first.level), -len(found.cases)
