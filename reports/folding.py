"""Findings grouped by requirement and verdict, and cases that did not run grouped by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .record import RED, CaseResult, Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


@dataclass(frozen=True, slots=True)
class Fold:
    """All findings of one verdict against one requirement."""

    requirement: str
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
        The folds; those with the most serious verdict first, then in the order of the run.

    """
    grouped: dict[tuple[str, Verdict], list[Finding]] = {}
    for finding in sorted(findings, key=_seriousness):
        grouped.setdefault((finding.requirement, finding.verdict), []).append(finding)
    return [Fold(requirement, tuple(found)) for (requirement, _), found in grouped.items()]


def reasons_not_run(cases: Iterable[CaseResult]) -> list[tuple[str, int]]:
    """Count the cases that did not run by their reason, the most frequent reason first."""
    missing = (case for case in cases if case.verdict is Verdict.NOT_RUN)
    return Counter(case.reason or "no reason was recorded" for case in missing).most_common()


def _seriousness(finding: Finding) -> int:
    return RED.index(finding.verdict) if finding.verdict in RED else len(RED)
