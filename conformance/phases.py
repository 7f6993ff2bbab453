"""How each part of a run went, as the record tells it: what was run of it, and why not all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from conformance.case import Case, Phase
from reports.record import CaseResult, PhaseResult, Verdict

BEFORE: Final = (Phase.REACH, Phase.PROVISION, Phase.CONTROLS)
"""The phases that have no cases."""
_MOST_REASONS: Final = 2


class PhaseLog:
    """Collects how the parts of a run went."""

    def __init__(self) -> None:
        self._before: dict[Phase, PhaseResult] = {}

    @contextmanager
    def of(self, phase: Phase) -> Iterator[None]:
        """Note how long a phase without cases takes, and why it failed where it does."""
        started_s, reason = time.monotonic(), None
        try:
            yield
        except Exception as exc:
            reason = f"failed: {exc}"
            raise
        finally:
            took_s = round(time.monotonic() - started_s, 3)
            self._before[phase] = PhaseResult(
                phase=phase.value, cases=0, ran=0, duration_s=took_s, reason=reason
            )

    def results(
        self,
        available: Mapping[Phase, int],
        planned: Sequence[Case],
        results: Iterable[CaseResult],
        left: Mapping[Phase, int],
    ) -> list[PhaseResult]:
        """Return how every phase went.

        Args:
            available: How many cases of each phase there are before any is chosen.
            planned: The cases that were chosen.
            results: What has come of them; a case without a result was not reached.
            left: How many cases of each phase the filters leave to all shards.

        """
        ended = list(results)
        rows = [self._before.get(phase, _not_begun(phase)) for phase in BEFORE]
        for phase in (phase for phase in Phase if phase not in BEFORE):
            own = [result for result in ended if result.phase == phase]
            count = sum(case.phase is phase for case in planned)
            ran = sum(result.verdict is not Verdict.NOT_RUN for result in own)
            rows.append(
                PhaseResult(
                    phase=phase.value,
                    cases=count,
                    ran=ran,
                    duration_s=round(sum(result.duration_ms for result in own) / 1000, 3),
                    reason=_reason(available.get(phase, 0), left.get(phase, 0), count, own),
                )
            )
        return rows


def _not_begun(phase: Phase) -> PhaseResult:
    return PhaseResult(phase=phase.value, cases=0, ran=0, duration_s=0.0, reason="not begun")


def _reason(available: int, left: int, planned: int, results: list[CaseResult]) -> str | None:
    """Return why a phase was not run as a whole; None where it was."""
    if not planned:
        if not available:
            return "no cases"
        return "none in this shard" if left else "filtered out"
    reasons = Counter(one.reason or "no reason" for one in results if one.verdict is Verdict.NOT_RUN)
    if planned > len(results):
        reasons["not reached"] = planned - len(results)
    told = [reason for reason, _ in reasons.most_common(_MOST_REASONS)]
    if len(reasons) > _MOST_REASONS:
        told.append("...")
    return "; ".join(told) or None
