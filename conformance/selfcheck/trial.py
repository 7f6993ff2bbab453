"""What one deviation is put through: the cases in their order, when to stop, and what became of it.

Knows nothing of processes and servers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from conformance.case import Case, Phase
from reports.record import CaseResult, Verdict

SLOWNESS = {Phase.RACE: 1, Phase.WIRE: 1, Phase.MACHINE: 2}
"""Phases whose cases take many times as long as others."""


class Reach(StrEnum):
    """Which cases are run against a deviation."""

    KILL = "kill"
    """Those that cover its requirement, up to the one that kills it; where none does, all others up to the first finding."""
    COVERING = "covering"
    """All that cover its requirement; where none kills it, all others up to the first finding."""
    SUITE = "suite"
    """All of the suite: what else it breaks."""


class Fate(StrEnum):
    """What becomes of a deviation."""

    KILLED = "killed"
    """The requirement that it breaks was reported, and again on fresh fixtures."""
    BY_OTHERS = "killed by others"
    """Only other requirements were reported."""
    SILENT = "silent"
    """The suite saw nothing."""
    INVISIBLE = "no change visible"
    """The suite saw nothing, and a listed proof says that no client can."""
    UNTESTED = "could not test"
    """The server died, hung or could not be tested at all."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """A fault that the server can be given."""

    name: str
    breaks: tuple[str, ...]
    """Ids of the requirements that it breaks; the first is the one that it is about."""
    shows: str
    """What a client would see."""

    @property
    def requirement(self) -> str:
        """The requirement that it is about."""
        return self.breaks[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one case came to."""

    case: str
    verdict: Verdict
    duration_ms: float
    reported: dict[str, str] = field(default_factory=dict)
    """What was observed against each requirement, where the case failed."""
    reason: str | None = None

    @classmethod
    def of(cls, result: CaseResult) -> Outcome:
        """Return what is kept of a result."""
        found = result.findings if result.verdict is Verdict.FAIL else []
        reported = {finding.requirement: finding.observed for finding in found}
        return cls(result.case, result.verdict, result.duration_ms, reported, result.reason)


@dataclass(frozen=True, slots=True)
class Trial:
    """What one server is put through: an honest one where there is no deviation."""

    deviation: Deviation | None
    first: tuple[Case, ...]
    rest: tuple[Case, ...] = ()
    stops_early: bool = False
    """Whether `first` ends with the first report of the requirement, and `rest` with the first report of anything."""
    is_rest_due: bool = False
    """Whether `rest` is run whatever `first` has shown."""
    budget_s: float | None = None
    """How long all of it may take; None for however long."""

    def cases(self, outcomes: Sequence[Outcome]) -> Iterator[Case]:
        """Yield the cases to run, with an eye on the outcomes so far, which grow meanwhile."""
        for case in self.first:
            yield case
            if self.stops_early and self.is_killed(outcomes):
                return
        for case in self.rest:
            if not self.is_rest_due and any(one.reported for one in outcomes):
                return
            yield case

    def is_killed(self, outcomes: Sequence[Outcome]) -> bool:
        """Tell whether the requirement of the deviation has been reported."""
        return self.deviation is not None and any(
            self.deviation.requirement in one.reported for one in outcomes
        )


def trial_of(deviation: Deviation, cases: Sequence[Case], reach: Reach) -> Trial:
    """Return what a deviation is put through: the cases of its requirement first, of these the quick ones and those most like it."""
    words = _words(deviation.name)
    own = [case for case in cases if deviation.requirement in case.requirements]
    others = [case for case in cases if deviation.requirement not in case.requirements]
    return Trial(
        deviation,
        tuple(sorted(own, key=lambda case: (SLOWNESS.get(case.phase, 0), -len(words & _words(case.id))))),
        tuple(others),
        stops_early=reach is Reach.KILL,
        is_rest_due=reach is Reach.SUITE,
    )


def trial_in_budget(deviation: Deviation, cases: Sequence[Case], budget_s: float) -> Trial:
    """Return a trial by the whole suite with little time, which ends with the first report of anything."""
    return Trial(deviation, (), tuple(cases), budget_s=budget_s)


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial that is over."""

    trial: Trial
    outcomes: tuple[Outcome, ...]
    duration_s: float
    trouble: str | None = None
    """Why it could not be carried through."""
    has_died: bool = False
    """Whether the server ended by itself; nothing that was observed then is about the deviation alone."""

    @property
    def killers(self) -> list[Outcome]:
        """The outcomes that report the requirement of the deviation."""
        deviation = self.trial.deviation
        return [one for one in self.outcomes if deviation and deviation.requirement in one.reported]

    @property
    def others(self) -> tuple[str, ...]:
        """Other requirements that were reported, in order."""
        own = self.trial.deviation.requirement if self.trial.deviation else None
        return tuple(sorted({name for one in self.outcomes for name in one.reported} - {own}))

    def fate(self, *, is_listed: bool = False) -> Fate:
        """Say what became of the deviation; `is_listed` where a proof says that no client can see it."""
        if self.has_died:
            return Fate.UNTESTED
        if self.killers:
            return Fate.KILLED
        if self.others:
            return Fate.BY_OTHERS
        if self.trouble is not None:
            return Fate.UNTESTED
        return Fate.INVISIBLE if is_listed else Fate.SILENT

    def why(self) -> str:
        """Say in a line what the suite saw, or why it saw nothing."""
        if self.has_died and self.trouble:
            return self.trouble
        if self.killers and self.trial.deviation:
            return self.killers[0].reported[self.trial.deviation.requirement]
        found = next((one for one in self.outcomes if one.reported), None)
        if found is not None:
            requirement, observed = next(iter(found.reported.items()))
            return f"{requirement}: {observed}"
        if self.trouble is not None:
            return self.trouble
        counts = Counter(one.verdict.label for one in self.outcomes)
        reasons = Counter(one.reason for one in self.outcomes if one.reason)
        told = ", ".join(f"{count} {label}" for label, count in counts.items())
        return "; ".join([told, *(reason for reason, _ in reasons.most_common(2))])


def _words(slug: str) -> set[str]:
    return set(re.split(r"[/@.:\-]", slug)) | set(slug.split("/"))
