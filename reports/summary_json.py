"""A run as one JSON object, for programs that want the result and not the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .fingerprint import fingerprint
from .folding import findings_of, fold, reasons_not_run
from .record import RED, Finding, Run, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection


def summary(run: Run) -> dict[str, Any]:
    """Summarise a run.

    Args:
        run: A whole run.

    Returns:
        `url`, `seed`, `exit_code`; `counts` by verdict (all seven); `cases`, their number; `findings` (failed, flaky,
        error and inconclusive) and `advisories`, each with `requirement`, `case`, `verdict`, `expected`, `observed`,
        `level`, `basis`, `statement`, `fingerprint`; `causes`, the findings folded, the strongest first, each with
        `requirement`, `verdict`, `fingerprint`, `observed` and `cases`, their ids; `not_run`, each with `reason` and `cases`,
        the number of cases it kept from running; `phases`, each with `phase`, `cases`, `ran` and `reason`; `partial`, why
        only a part was run; `note`, what else there is to say.

    """
    return {
        "url": run.header.url,
        "seed": run.header.seed,
        "exit_code": run.footer.exit_code,
        "counts": dict(run.footer.counts),
        "cases": len(run.cases),
        "findings": _findings(run, RED),
        "advisories": _findings(run, (Verdict.ADVISORY,)),
        "causes": _causes(run),
        "not_run": [{"reason": reason, "cases": count} for reason, count in reasons_not_run(run.cases)],
        "phases": [
            {"phase": phase.phase, "cases": phase.cases, "ran": phase.ran, "reason": phase.reason}
            for phase in run.footer.phases
        ],
        "partial": list(run.footer.partial),
        "note": run.footer.note,
    }


def _findings(run: Run, verdicts: Collection[Verdict]) -> list[dict[str, str]]:
    return [_plain(finding) for finding in findings_of(run.cases, verdicts)]


def _plain(finding: Finding) -> dict[str, str]:
    return {
        "requirement": finding.requirement,
        "case": finding.case,
        "verdict": finding.verdict.value,
        "expected": finding.expected,
        "observed": finding.observed,
        "level": finding.level,
        "basis": finding.basis,
        "statement": finding.statement,
        "fingerprint": fingerprint(finding),
    }


def _causes(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "requirement": found.requirement,
            "verdict": cause.first.verdict.value,
            "fingerprint": cause.fingerprint,
            "observed": cause.first.observed,
            "cases": list(cause.cases),
        }
        for found in fold(findings_of(run.cases, RED))
        for cause in found.causes
    ]
