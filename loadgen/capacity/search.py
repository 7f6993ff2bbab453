"""Which rate is tried next, and between which rates the edge lies: steps upwards, then bisection, then both sides of the edge again.

Nothing here runs anything. A rate may be tried more than once; more than half of its verdicts decide, and nothing else does near the edge.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

SMALLEST_PER_S: Final = 0.1
"""Below it no load is sought."""
UNFIT_RUNS: Final = 3
"""So often the generator may be the bottleneck at one rate before that counts as its limit: others may disturb it once or twice."""


class Verdict(StrEnum):
    """What one run at a rate comes to."""

    HOLDS = "holds"
    GIVES_WAY = "gives way"
    #: The generator was the bottleneck: nothing is said about the server.
    UNFIT = "cannot tell"


@dataclass
class Search:
    """Seeks the edge.

    Attributes:
        first_per_s: Where it begins.
        most_per_s: Beyond it nothing is tried.
        growth: From one step to the next.
        precision: How far apart, as a share, the two sides of the edge may be at last.
        repeats: How often each side of the edge is tried at most; more than half of them decide.

    """

    first_per_s: float
    most_per_s: float
    growth: float = 2.0
    precision: float = 0.02
    repeats: int = 3
    _votes: dict[float, Counter[Verdict]] = field(default_factory=dict)

    def take(self, rate_per_s: float, verdict: Verdict) -> None:
        """Take the verdict of a run."""
        self._votes.setdefault(rate_per_s, Counter())[verdict] += 1

    def revise(self, rate_per_s: float, was: Verdict, now: Verdict) -> None:
        """Put another verdict of the same run in place of the one that was taken."""
        self._votes[rate_per_s][was] -= 1
        self._votes[rate_per_s][now] += 1

    @property
    def holds_per_s(self) -> float | None:
        """The largest rate that holds and lies below all that do not."""
        limit = self.gives_way_per_s
        return max((rate for rate in self._all(Verdict.HOLDS) if limit is None or rate < limit), default=None)

    @property
    def gives_way_per_s(self) -> float | None:
        """The smallest rate that does not hold."""
        return min(self._all(Verdict.GIVES_WAY), default=None)

    @property
    def unfit_per_s(self) -> float | None:
        """The rate that the generator cannot offer, if that has ended the search."""
        return min(
            (rate for rate, votes in self._votes.items() if votes[Verdict.UNFIT] >= UNFIT_RUNS), default=None
        )

    def next_rate(self) -> float | None:
        """Return what to try next; None where the edge is found or cannot be."""
        if self.unfit_per_s is not None:
            return None
        # Opinions differ, or there is none yet.
        open_ = [
            rate for rate, votes in self._votes.items() if votes[Verdict.HOLDS] == votes[Verdict.GIVES_WAY]
        ]
        if open_:
            return min(open_)
        low, high = self.holds_per_s, self.gives_way_per_s
        if high is None:
            return self._upwards(low)
        if low is None:
            lower = rounded(high / self.growth)
            return lower if lower >= SMALLEST_PER_S else None
        middle = rounded((low + high) / 2)
        if high > low * (1 + self.precision) and low < middle < high:
            return middle
        return next((rate for rate in (low, high) if not self._is_decided(rate)), None)

    def _upwards(self, low: float | None) -> float | None:
        if low is None:
            return rounded(min(self.first_per_s, self.most_per_s))
        if low < self.most_per_s:
            return rounded(min(low * self.growth, self.most_per_s))
        return None if self._is_decided(low) else low

    def _is_decided(self, rate: float) -> bool:
        votes = self._votes[rate]
        return max(votes[Verdict.HOLDS], votes[Verdict.GIVES_WAY]) > self.repeats // 2

    def _all(self, verdict: Verdict) -> list[float]:
        other = Verdict.GIVES_WAY if verdict is Verdict.HOLDS else Verdict.HOLDS
        return [rate for rate, votes in self._votes.items() if votes[verdict] > votes[other]]


def rounded(rate_per_s: float) -> float:
    """Return a rate to four digits: more cannot be told, and fewer are easier to read."""
    return float(f"{rate_per_s:.4g}")
