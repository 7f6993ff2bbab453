"""Lets a run pass whose findings are all known: the baseline as a run of the suite uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from conformance.findings.baseline import Baseline, demand_writable, read, today, write
from conformance.findings.comparison import ACCUSING, Comparison, accusing, compare
from reports.exit_codes import ExitCode
from reports.record import CaseResult, RunFooter, Verdict

Ended = Callable[[list[CaseResult]], RunFooter]
"""Makes the footer of a run from the results of its cases."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Known findings, and what becomes of them after a run."""

    path: Path
    baseline: Baseline
    existing: frozenset[str]
    """Ids of all cases that there are."""
    is_updating: bool

    @classmethod
    def at(cls, path: Path, existing: Iterable[str], *, is_updating: bool) -> Gate:
        """Read a baseline; one that is to be updated need not be there yet.

        Raises:
            ConfigurationFaulty: If it cannot be read or is no baseline, or is to be updated and cannot be written.

        """
        if is_updating:
            demand_writable(path)
        return cls(path, read(path, may_be_missing=is_updating), frozenset(existing), is_updating)

    def comparison(self, results: Iterable[CaseResult]) -> Comparison:
        """Compare results with what is known."""
        return compare(self.baseline, results, self.existing, today())

    def excuses(self, result: CaseResult) -> bool:
        """Tell whether nothing about a result is new, so that it ends no run that ends at the first failure."""
        compared = compare(self.baseline, [result], self.existing, today())
        return not (compared.new or compared.expired)

    def reasons(self, results: Iterable[CaseResult]) -> dict[str, str]:
        """Return why cases may fail all of whose findings are known, by their ids."""
        failed = [one for one in results if one.verdict in ACCUSING and self.excuses(one)]
        return {one.case: "; ".join(self._reasons_of(one)) for one in failed}

    def footer(self, results: list[CaseResult], ended: Ended) -> RunFooter:
        """Return the footer of a run in view of what is known.

        Args:
            results: Of the run.
            ended: Makes the footer as it would be without a baseline.

        """
        footer, compared = ended(results), self.comparison(results)
        code = ended([_excused(result) for result in results]).exit_code
        if not (compared.is_as_known or self.is_updating):
            code = int(ExitCode.FINDINGS)
        note = f"{footer.note}; {compared.note()}" if footer.note else compared.note()
        return footer.model_copy(update={"exit_code": code, "note": note})

    def update(self, results: Iterable[CaseResult]) -> str:
        """Write what is known after a run, and say in one line how that has changed the file.

        Raises:
            ConfigurationFaulty: If the file cannot be written.

        """
        entries = self.comparison(results).updated(self.baseline)
        write(self.path, entries)
        before, after = ({entry.key for entry in row} for row in (self.baseline.known, entries))
        without = sum(not entry.reason.strip() for entry in entries)
        told = f"{self.path}: {len(after - before)} added, {len(before - after)} dropped, {len(after)} in all"
        return told + (f"; {without} without a reason, which excuse nothing yet" if without else "")

    def _reasons_of(self, result: CaseResult) -> Iterable[str]:
        entries = map(self.baseline.entry_of, accusing([result]))
        return dict.fromkeys(entry.reason for entry in entries if entry is not None)


def _excused(result: CaseResult) -> CaseResult:
    """Return a result as it counts once its findings are known."""
    return result.model_copy(update={"verdict": Verdict.ADVISORY}) if result.verdict in ACCUSING else result
