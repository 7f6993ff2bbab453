"""Judges one server: the cases of a trial as `wireproof check --strict` would run them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

from conformance.budget import Budget, is_over
from conformance.endpoint import Endpoint
from conformance.engine import admit, reach, run_cases
from conformance.faults import CannotTest
from conformance.fixtures.lab import Bench
from conformance.provisioning.opening import provisioning
from conformance.selfcheck.trial import Outcome, Trial
from conformance.verdicts import Judge
from specs.model import Api

LABEL = "selfcheck"


@dataclass(frozen=True, slots=True)
class Means:
    """What is the same for all trials."""

    api: Api
    token: str
    seed: int
    reply_s: float


def put_on_trial(trial: Trial, url: str, means: Means, tell: Callable[[Outcome], None]) -> str | None:
    """Run the cases of a trial against a server, and tell the outcome of each at once.

    Returns:
        Why it could not be carried through; None where it was.

    """
    endpoint = Endpoint.model_validate(
        {
            "url": url,
            "profile": {"timeouts": {"reply_s": means.reply_s}},
            "provisioner": {"kind": "control", "token": means.token},
        }
    )
    outcomes: list[Outcome] = []
    until_s = None if trial.budget_s is None else Budget(trial.budget_s, time.monotonic()).until_s
    try:
        reach(endpoint, means.api)
        with provisioning(endpoint, means.api) as provisioner:
            bench = Bench(means.api, endpoint, provisioner, means.seed, LABEL)
            admit(bench)
            judge = Judge(means.api, endpoint.profile, is_strict=True)
            in_time = takewhile(lambda _: not is_over(until_s), trial.cases(outcomes))
            for result in run_cases(bench, judge, in_time):
                if is_over(until_s):
                    break
                outcomes.append(Outcome.of(result))
                tell(outcomes[-1])
    except CannotTest as exc:
        return str(exc)
    return None
