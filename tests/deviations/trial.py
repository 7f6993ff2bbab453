"""Whether the suite notices a deviation: the cases that cover the requirement it breaks, run until one reports it.

Knows nothing of processes; `forking` starts the server that deviates and keeps the time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from conformance.case import Case
from conformance.endpoint import Endpoint, Profile, Timeouts
from conformance.engine import admit, run_cases
from conformance.engine import reach as reach_endpoint
from conformance.faults import CannotTest
from conformance.fixtures.lab import Bench
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.control import ControlProvisioner
from conformance.verdicts import Judge
from reference_server.deviations.deviation import Deviation
from reports.record import CaseResult, Verdict
from specs.model import Api


class Reach(StrEnum):
    """Which cases are run against a deviation."""

    KILL = "kill"
    """The covering ones up to that which kills it."""
    COVERING = "covering"
    """All covering ones."""
    SUITE = "suite"
    """All covering ones, then all others: what else it breaks."""


class Fate(StrEnum):
    """What becomes of a deviation."""

    KILLED = "killed"
    """A case that covers its requirement reports that requirement, and again on fresh fixtures."""
    SURVIVED = "survived"
    NOT_TESTED = "not tested"
    """No case covers the requirement, or the suite cannot begin with such a server."""
    SERVER_DIED = "server died"
    OUT_OF_TIME = "out of time"


@dataclass(frozen=True, slots=True)
class Trial:
    """One deviation before the suite."""

    deviation: str
    requirement: str
    fate: Fate
    case: str | None = None
    """The case that killed it."""
    observed: str = ""
    """What that case saw; otherwise why none did."""
    cases_run: int = 0
    duration_s: float = 0.0
    others: tuple[str, ...] = ()
    """Other requirements that the same cases reported."""


@dataclass(frozen=True, slots=True)
class Suite:
    """The suite as it meets every deviation."""

    api: Api
    cases: tuple[Case, ...]
    seed: int = 1
    reply_s: float = 1.0
    reach: Reach = Reach.KILL

    def covering(self, deviation: Deviation) -> list[Case]:
        """Return the cases of the requirement that a deviation is about, those most like it first."""
        words = _words(deviation.name)
        own = [case for case in self.cases if deviation.breaks[0] in case.requirements]
        return sorted(own, key=lambda case: -len(words & _words(case.id)))

    def try_out(self, deviation: Deviation, url: str, token: str) -> Trial:
        """Run the covering cases against a server with the deviation until one reports the requirement."""
        requirement = deviation.breaks[0]
        cases = self.covering(deviation)
        if not cases:
            return Trial(deviation.name, requirement, Fate.NOT_TESTED, observed="no case covers it")
        if self.reach is Reach.SUITE:
            cases += [case for case in self.cases if requirement not in case.requirements]
        endpoint = Endpoint(
            url=url,
            profile=Profile(timeouts=Timeouts(reply_s=self.reply_s)),
            provisioner=ControlSettings.model_validate({"token": token}),
        )
        try:
            results = self._run(endpoint, cases, requirement)
        except CannotTest as exc:
            return Trial(deviation.name, requirement, Fate.NOT_TESTED, observed=str(exc))
        return _trial(deviation.name, requirement, results)

    def _run(self, endpoint: Endpoint, cases: Iterable[Case], requirement: str) -> list[CaseResult]:
        reach_endpoint(endpoint, self.api)
        provisioner = ControlProvisioner(endpoint, self.api)
        provisioner.open()
        try:
            bench = Bench(self.api, endpoint, provisioner, self.seed, "kill")
            admit(bench)
            results = []
            for result in run_cases(bench, Judge(self.api, endpoint.profile, is_strict=True), cases):
                results.append(result)
                if self.reach is Reach.KILL and requirement in _reported(result):
                    break
            return results
        finally:
            provisioner.close()


def _trial(name: str, requirement: str, results: list[CaseResult]) -> Trial:
    found = (
        (result.case, finding.observed)
        for result in results
        for finding in result.findings
        if requirement in _reported(result) and finding.requirement == requirement
    )
    case, observed = next(found, (None, _why_not(results)))
    return Trial(
        name,
        requirement,
        Fate.SURVIVED if case is None else Fate.KILLED,
        case,
        observed,
        len(results),
        others=tuple(sorted({one for result in results for one in _reported(result)} - {requirement})),
    )


def _reported(result: CaseResult) -> set[str]:
    return {finding.requirement for finding in result.findings} if result.verdict is Verdict.FAIL else set()


def _why_not(results: list[CaseResult]) -> str:
    counts = Counter(result.verdict.value for result in results)
    reasons = Counter(result.reason for result in results if result.reason)
    told = [f"{count} {verdict}" for verdict, count in counts.items()]
    return "; ".join([", ".join(told), *(f"{reason}" for reason, _ in reasons.most_common(2))])


def _words(slug: str) -> set[str]:
    return set(re.split(r"[/@.:\-]", slug)) | set(slug.split("/"))
