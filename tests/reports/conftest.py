"""Builders of records for the tests of `reports`."""

from __future__ import annotations

from typing import Any

import pytest

from reports.exit_codes import decide
from reports.record import CaseResult, Finding, Run, RunFooter, RunHeader, TranscriptEntry, Verdict, tally


class Builder:
    """Makes records whose every field can be overridden."""

    def entry(self, text: str = '["1","2","task:t","progress",{}]', **fields: Any) -> TranscriptEntry:
        """Make one entry of a transcript."""
        return TranscriptEntry(
            **{"at_ms": 12.34, "who": "client", "direction": "sent", "text": text, **fields}
        )

    def finding(self, case: str = "task/one", verdict: Verdict = Verdict.FAIL, **fields: Any) -> Finding:
        """Make a finding; a failure unless said otherwise."""
        defaults = {
            "requirement": "task/progress-relayed",
            "case": case,
            "verdict": verdict,
            "level": "MUST",
            "basis": "stated",
            "statement": "Progress is relayed to the other participant.",
            "expected": "the relay",
            "observed": "nothing before the barrier",
            "transcript": [self.entry()],
        }
        return Finding(**{**defaults, **fields})

    def case(self, case: str = "task/one", verdict: Verdict = Verdict.PASS, **fields: Any) -> CaseResult:
        """Make a result; one that accuses gets a finding."""
        accused = verdict not in (Verdict.PASS, Verdict.NOT_RUN)
        defaults = {
            "case": case,
            "topic": "task:{task_id}",
            "requirements": ["task/progress-relayed"],
            "title": "Progress reaches the client",
            "level": "MUST",
            "basis": "stated",
            "verdict": verdict,
            "reason": None,
            "duration_ms": 1500.0,
            "findings": [self.finding(case, verdict)] if accused else [],
            "attempts": 1,
        }
        return CaseResult(**{**defaults, **fields})

    def header(self, **fields: Any) -> RunHeader:
        """Make a header."""
        defaults = {
            "format": 1,
            "tool_version": "0.1.0",
            "started_at": "2026-11-22T10:00:00Z",
            "url": "ws://127.0.0.1:4000",
            "spec": "Agrenting",
            "spec_version": "1.0",
            "profile": {"amounts": "string"},
            "seed": 42,
            "strict": False,
            "include": [],
            "exclude": [],
            "versions": {"python": "3.11"},
        }
        return RunHeader(**{**defaults, **fields})

    def footer(self, cases: list[CaseResult], **fields: Any) -> RunFooter:
        """Make the footer that fits the cases."""
        counts = tally(cases)
        defaults = {
            "finished_at": "2026-11-22T10:00:30.5+00:00",
            "duration_s": 30.5,
            "counts": counts,
            "exit_code": int(decide(counts)),
            "interrupted": False,
            "note": None,
        }
        return RunFooter(**{**defaults, **fields})

    def run(self, *cases: CaseResult, **footer: Any) -> Run:
        """Make a whole run of these cases; keywords go to the footer."""
        return Run(header=self.header(), cases=list(cases), footer=self.footer(list(cases), **footer))

    def run_with_every_verdict(self) -> Run:
        """Make a run with one case of each verdict."""
        return self.run(*(self.case(f"task/{verdict}", verdict, reason="because") for verdict in Verdict))


@pytest.fixture
def build() -> Builder:
    """Give a builder of records."""
    return Builder()
