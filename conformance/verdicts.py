"""Turns what happened in the attempts at a case into its verdict and findings.

A breach of a MUST whose basis is not `interpreted` is a failure, any other an advisory; with `--strict` all are failures.
A failure counts once it has been seen again on fresh fixtures; else the case is flaky.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from pydantic import JsonValue, PrivateAttr

from conformance.case import Case
from conformance.client.doubts import Kind
from conformance.client.steps import Step
from conformance.endpoint import Profile
from conformance.faults import Breach
from reports.record import CaseResult, Finding, TranscriptEntry, Verdict
from specs.model import Api


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a case on fixtures of its own."""

    breaches: tuple[Breach, ...]
    transcript: tuple[TranscriptEntry, ...]
    ended: Verdict | None = None
    """`inconclusive`, `error` or `not run` where the case could not be carried through."""
    reason: str | None = None
    program: JsonValue = None
    """The symbolic steps of a case that draws its own; see `Lab.program`."""
    is_unanswered: bool = False
    """Whether it came to nothing and nothing was received in it."""
    steps: tuple[Step, ...] = ()
    """What was done and what came, with exact values."""
    places: Mapping[str, int] = field(default_factory=dict)
    """Number of steps up to a breach after which the case went on, by requirement."""
    number: int = 1
    """Which attempt at the case it is."""
    is_let_down: bool = False
    """Whether it was not run because the provisioner has given out."""
    may_tell_again: bool = False
    """Whether it could not tell for a reason that may be gone the next time."""
    hasty: frozenset[Kind] = frozenset()
    """What was waited for in vain, less long than usual, though no case has failed for it yet."""
    absent: frozenset[Kind] = frozenset()
    """What was waited for in vain, as long as usual."""


class JudgedCase(CaseResult):
    """A result that accuses, with the attempts that it rests on; they are no part of the record of a run."""

    _tried: tuple[Attempt, ...] = PrivateAttr(default=())

    @property
    def tried(self) -> tuple[Attempt, ...]:
        """The attempts, the first one first."""
        return self._tried

    @classmethod
    def of(cls, result: CaseResult, attempts: Sequence[Attempt]) -> JudgedCase:
        """Put attempts to a result."""
        judged = cls(**{name: getattr(result, name) for name in CaseResult.model_fields})
        judged._tried = tuple(attempts)
        return judged


class Told:
    """Which case of a run is the one to say what many would say: the first of the plan, whichever ran first."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}

    def once(self, case: Case, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Return the attempts at a case without what an earlier case has said; cases come in the order of the plan."""
        return [replace(one, breaches=tuple(self._new(case, one.breaches))) for one in attempts]

    def _new(self, case: Case, breaches: Iterable[Breach]) -> Iterator[Breach]:
        for breach in breaches:
            subject = breach.subject
            if subject is None or self._first.setdefault((breach.requirement, subject), case.id) == case.id:
                yield breach


@dataclass(frozen=True, slots=True)
class Judge:
    """The rules of one run."""

    api: Api
    profile: Profile
    is_strict: bool

    def counts_as_failure(self, breach: Breach) -> bool:
        """Tell whether a breach makes a case fail."""
        requirement = self.api.requirements[breach.requirement]
        if self.waiver(breach.requirement) is not None:
            return False
        return self.is_strict or (requirement.is_binding and not breach.is_advice)

    def waiver(self, requirement: str) -> str | None:
        """Return the reason of a waiver in force; None where there is none."""
        waiver = self.profile.waived.get(requirement)
        return waiver.reason if waiver is not None and waiver.is_in_force() else None

    def fails(self, attempt: Attempt) -> bool:
        """Tell whether an attempt holds a failure."""
        return any(self.counts_as_failure(breach) for breach in attempt.breaches)

    def has_failed(self, attempts: Sequence[Attempt]) -> bool:
        """Tell whether a failure was confirmed."""
        return self._verdict(list(attempts))[0] is Verdict.FAIL

    def result(self, case: Case, attempts: list[Attempt], duration_ms: float) -> CaseResult:
        """Return the result of a case from its attempts, the first one first."""
        verdict, reason = self._verdict(attempts)
        main = self.api.requirements[case.requirements[0]]
        findings = [self._finding(case, breach, attempts[0], verdict) for breach in attempts[0].breaches]
        if verdict is Verdict.FLAKY:
            for attempt in attempts[1:]:
                findings += self._seen_again(case, attempts[0], attempt)
        result = CaseResult(
            case=case.id,
            topic=case.topic,
            requirements=list(case.requirements),
            title=case.title,
            level=main.level,
            basis=main.basis,
            verdict=verdict,
            reason=reason,
            duration_ms=duration_ms,
            findings=findings,
            attempts=0 if verdict is Verdict.NOT_RUN else attempts[-1].number,
            phase=case.phase.value,
        )
        return JudgedCase.of(result, attempts) if verdict in {Verdict.FAIL, Verdict.FLAKY} else result

    def _verdict(self, attempts: list[Attempt]) -> tuple[Verdict, str | None]:
        first = attempts[0]
        if self.fails(first):
            if any(self._confirms(first, again) for again in attempts[1:]):
                return Verdict.FAIL, None
            reason = attempts[-1].reason or "the same was not seen again on fresh fixtures"
            return Verdict.FLAKY, f"not confirmed: {reason}"
        if first.ended is not None:
            return first.ended, first.reason
        if first.breaches:
            return Verdict.ADVISORY, None
        return Verdict.PASS, None

    def _confirms(self, first: Attempt, again: Attempt) -> bool:
        seen = {breach.requirement for breach in again.breaches if self.counts_as_failure(breach)}
        return any(breach.requirement in seen for breach in first.breaches if self.counts_as_failure(breach))

    def _seen_again(self, case: Case, first: Attempt, again: Attempt) -> list[Finding]:
        """Return what a later attempt at a flaky case shows, be it that nothing was wrong: its transcript is evidence."""
        seen = list(again.breaches)
        if not self.fails(again):
            missed = next(breach for breach in first.breaches if self.counts_as_failure(breach))
            seen.insert(0, replace(missed, observed=f"not seen again: {again.reason or 'nothing is wrong'}"))
        return [self._finding(case, breach, again, Verdict.FLAKY) for breach in seen]

    def _finding(self, case: Case, breach: Breach, attempt: Attempt, verdict: Verdict) -> Finding:
        requirement = self.api.requirements[breach.requirement]
        own = verdict if self.counts_as_failure(breach) else Verdict.ADVISORY
        waiver = self.waiver(breach.requirement)
        observed = f"{breach.observed} (waived: {waiver})" if waiver else breach.observed
        return Finding(
            requirement=breach.requirement,
            case=case.id,
            verdict=own,
            level=requirement.level,
            basis=requirement.basis,
            statement=requirement.text,
            expected=breach.expected,
            observed=observed,
            transcript=list(attempt.transcript),
            attempt=attempt.number,
        )


def profile_as_json(profile: Profile) -> dict[str, Any]:
    """Return a profile as it goes into the record of a run."""
    return _plain(profile.model_dump(mode="json"))  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    return value.isoformat() if isinstance(value, date) else value
