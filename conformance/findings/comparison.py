"""Compares the findings of a run with those that are known: what is new, what is gone, and what that makes of the run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from conformance.findings.baseline import Baseline, KnownFinding, entry_for
from reports.fingerprint import fingerprint
from reports.record import CaseResult, Finding, Verdict

ACCUSING: Final = frozenset({Verdict.FAIL, Verdict.FLAKY})
_CARRIED_OUT = frozenset({Verdict.PASS, Verdict.ADVISORY, Verdict.FAIL, Verdict.FLAKY})
"""Verdicts of cases that would have found again what is known."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The findings of a run beside the known ones."""

    known: tuple[KnownFinding, ...]
    """Found again, with a reason and in force."""
    new: tuple[Finding, ...]
    """In no entry, or in one without a reason."""
    expired: tuple[KnownFinding, ...]
    """Found again, but past their last day."""
    stale: tuple[KnownFinding, ...]
    """Not found, although their case was carried out, or exists no more."""
    waiting: tuple[KnownFinding, ...]
    """Neither found nor stale: their case did not run or could not tell, or they come and go."""
    unexplained: tuple[KnownFinding, ...] = ()
    """Found again, but without a reason, so that what was found counts as new."""

    @property
    def is_as_known(self) -> bool:
        """Whether nothing is new, gone or past its day."""
        return not (self.new or self.expired or self.stale)

    def note(self) -> str:
        """Say in one line how a run stands to what is known."""
        rows = {"known": self.known, "new": self.new, "stale": self.stale, "expired": self.expired}
        told = ", ".join(f"{len(row)} {name}" for name, row in rows.items())
        return f"baseline: {told}" + (f", {len(self.waiting)} not looked at" if self.waiting else "")

    def updated(self, baseline: Baseline) -> list[KnownFinding]:
        """Return the entries with what is new in them, without what is gone or looks different now."""
        replaced = {(finding.requirement, finding.case) for finding in self.new}
        gone = {*self.stale, *(one for one in self.waiting if (one.requirement, one.case) in replaced)}
        kept = {entry.key: entry for entry in baseline.known if entry not in gone}
        for finding in self.new:
            if baseline.entry_of(finding) is None:
                entry = entry_for(finding)
                kept.setdefault(entry.key, entry)
        return list(kept.values())

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        entries = {
            "known": self.known,
            "expired": self.expired,
            "stale": self.stale,
            "waiting": self.waiting,
        }
        told: dict[str, Any] = {
            name: [entry.model_dump(mode="json") for entry in row] for name, row in entries.items()
        }
        told["new"] = [
            {"requirement": one.requirement, "case": one.case, "fingerprint": fingerprint(one)}
            for one in self.new
        ]
        return told


def compare(
    baseline: Baseline, cases: Iterable[CaseResult], existing: Collection[str], today: date
) -> Comparison:
    """Compare the results of a run with the known findings.

    Args:
        baseline: The known findings.
        cases: The results.
        existing: Ids of all cases that there are, chosen for this run or not.
        today: The day by which entries expire.

    """
    results = {case.case: case for case in cases}
    found: dict[Any, KnownFinding] = {}
    new: dict[Any, Finding] = {}
    for finding in accusing(results.values()):
        entry = baseline.entry_of(finding)
        if entry is None or not entry.reason.strip():
            new.setdefault((finding.requirement, finding.case, fingerprint(finding)), finding)
        if entry is not None:
            found[entry.key] = entry
    surprising = {finding.case for finding in new.values()}
    missing = [entry for entry in baseline.known if entry.key not in found]
    stale = tuple(entry for entry in missing if _is_stale(entry, results, existing, surprising))
    explained = [entry for entry in found.values() if entry.reason.strip()]
    return Comparison(
        known=tuple(entry for entry in explained if not entry.is_expired(today)),
        new=tuple(new.values()),
        expired=tuple(entry for entry in explained if entry.is_expired(today)),
        stale=stale,
        waiting=tuple(entry for entry in missing if entry not in stale),
        unexplained=tuple(entry for entry in found.values() if not entry.reason.strip()),
    )


def accusing(cases: Iterable[CaseResult]) -> Iterable[Finding]:
    """Yield the findings of results by which a run fails."""
    for case in cases:
        yield from (finding for finding in case.evidence() if finding.verdict in ACCUSING)


def _is_stale(
    entry: KnownFinding,
    results: Mapping[str, CaseResult],
    existing: Collection[str],
    surprising: Collection[str],
) -> bool:
    """Tell whether a finding that is missing is gone; a case that has found something new may not have come so far."""
    if entry.case not in existing:
        return True
    result = results.get(entry.case)
    if result is None or entry.flaky or entry.case in surprising:
        return False
    return result.verdict in _CARRIED_OUT


def lines(comparison: Comparison) -> list[str]:
    """Return what a report says of it, the most serious first."""
    told = [f"new      {_found(one, comparison.unexplained)}" for one in comparison.new]
    told += [f"expired  {_entry(entry)} since {entry.expires}" for entry in comparison.expired]
    told += [f"stale    {_entry(entry)}: no longer found" for entry in comparison.stale]
    told += [f"known    {_entry(entry)}: {entry.reason}" for entry in comparison.known]
    return told


def _found(finding: Finding, unexplained: Iterable[KnownFinding]) -> str:
    shown = _shown(finding.requirement, finding.case)
    is_listed = any(entry.covers(finding) for entry in unexplained)
    return f"{shown}: listed, but without a reason" if is_listed else shown


def _entry(entry: KnownFinding) -> str:
    link = f" ({entry.link})" if entry.link else ""
    return _shown(entry.requirement, entry.case) + link


def _shown(requirement: str, case: str) -> str:
    return f"{requirement} in {case}"
