"""Trials of servers that deviate, for what is measured besides the kill matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from conformance.selfcheck.judging import Means, put_on_trial
from conformance.selfcheck.servers import Servers, usual_command
from conformance.selfcheck.trial import Ended, Outcome, Trial
from conformance.selfcheck.trials import Trials
from specs.loader import load

TOKEN = "operator-token-of-the-trials"


def judged(
    trials: Iterable[Trial],
    *,
    seed: int = 1,
    jobs: int = 2,
    reply_s: float = 1.0,
    silence_s: float = 90.0,
    judge: Callable[[Trial, str, Means, Callable[[Outcome], None]], str | None] = put_on_trial,
) -> Iterator[Ended]:
    """Carry out trials, several at a time, and yield how each ended, as they end."""
    means = Means(load(), TOKEN, seed, reply_s)
    with Servers(usual_command(None, seed), TOKEN) as servers:
        yield from Trials(servers, means, jobs=jobs, silence_s=silence_s, judge=judge).run(trials)
