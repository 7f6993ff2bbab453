"""Puts what comes of the cases of a run into the order of its plan, and notices when nothing comes of them any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from conformance.case import Case
from conformance.engine import Outcome
from conformance.verdicts import Judge, Told
from reports.record import CaseResult

MOST_UNANSWERED: Final = 12


class Results:
    """Judges outcomes in the order of the plan, in whatever order they come.

    Args:
        cases: The plan.
        judge: The rules.
        take: Called with each result as soon as those of all cases before it are there.

    """

    def __init__(self, cases: Sequence[Case], judge: Judge, take: Callable[[CaseResult], None]) -> None:
        self._cases = cases
        self._judge = judge
        self._take = take
        self._told = Told()
        self._waiting: dict[int, Outcome] = {}
        self._next = 0
        self.ended: list[CaseResult] = []
        """What was judged so far."""

    def add(self, number: int, outcome: Outcome) -> None:
        """Take the outcome of a case, by its number in the plan."""
        self._waiting[number] = outcome
        while self._next in self._waiting:
            self._conclude(self._next)
            self._next += 1

    def finish(self) -> None:
        """Judge what has come although a case before it has not."""
        for number in sorted(self._waiting):
            self._conclude(number)

    def _conclude(self, number: int) -> None:
        case, outcome = self._cases[number], self._waiting.pop(number)
        result = self._judge.result(case, self._told.once(case, outcome.attempts), outcome.duration_ms)
        self.ended.append(result)
        self._take(result)


class Troubles:
    """Notices an endpoint that has stopped to answer at all, or whose provisioner has given out.

    Then not every case of a run waits in vain, and what was not looked at is not called conformant.
    """

    def __init__(self) -> None:
        self._unanswered = 0
        self._let_down = 0
        self._let_down_in_a_row = 0
        self._reason: str | None = None

    def note(self, outcome: Outcome) -> str | None:
        """Take note of an outcome; return why the run is of no use any more where that is so."""
        attempts = outcome.attempts
        if all(attempt.is_unanswered for attempt in attempts):
            self._unanswered += 1
        elif attempts[0].ended is None:
            self._unanswered = 0
        if self._unanswered >= MOST_UNANSWERED:
            return f"nothing is answered any more: {self._unanswered} cases in a row; the last one: {attempts[0].reason}"
        if attempts[0].is_let_down:
            self._let_down += 1
            self._let_down_in_a_row += 1
            self._reason = attempts[0].reason
        elif attempts[0].ended is None:
            self._let_down_in_a_row = 0
        return self.at_last() if self._let_down_in_a_row >= MOST_UNANSWERED else None

    def at_last(self) -> str | None:
        """Return what has kept cases from being run that ought to be, if anything has."""
        cases = "case was" if self._let_down == 1 else "cases were"
        return f"{self._let_down} {cases} not run: {self._reason}" if self._let_down else None
