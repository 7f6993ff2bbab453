"""What has not worked in earlier cases of a run, so that later ones need not wait for it in vain."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

FAILURES_IN_A_ROW = 2
DOUBTFUL_S = 0.05
"""The shortest wait for an effect that has stayed out several times, after the reply to what should cause it."""
SLOWEST_FACTOR = 4
"""How many times as long as the endpoint's slow answers such an effect is waited for at least."""
FIRST_PROBE = 8
"""After how many waits in vain one has full patience again, and then each time after twice as many, so that an effect that
has come back is seen."""
WIDESPREAD = 5
"""How many kinds of effect may stay out before a single wait in vain is enough for each other kind."""

VAIN_CHANCES = 4
"""How many second chances in a row may come to nothing until no case gets one."""

Kind: TypeAlias = tuple[str, str]
"""Family and event of an effect."""


KEPT_TIMES = 100
PROMPT_S = 0.01
"""What an answer takes at most where the endpoint is near."""
MOST_STRETCH = 4
"""How many times as long as there a case may take at most."""


@dataclass(slots=True)
class Doubts:
    """What has not worked in earlier cases of a run, so that later ones need not wait for it in vain.

    It never makes a case pass: a case that rests on a control that keeps failing cannot tell, now or after a time-out,
    and an effect that stayed out with full patience several times in a row is waited for less long from then on.
    """

    failed_controls: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often in a row the valid twin of an event (family, event) was not accepted."""
    missing_effects: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often in a row an effect (family, event) has been waited for in vain."""

    answer_times_s: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_TIMES))
    """How long the latest answers have taken: a distant endpoint is not to be taken for one that does not answer."""
    case: str = ""
    """The case that is being run."""
    told: dict[tuple[str, str], str] = field(default_factory=dict)
    """Which case of the run was the first to give an advice (requirement, subject)."""
    news: list[tuple[Kind, int]] = field(default_factory=list)
    """Kinds that have come into doubt or out of it, with the waits in vain, for others who work at the same run."""

    vain_chances: int = 0
    """How many cases in a row could not tell the second time, either."""

    @property
    def gives_chances(self) -> bool:
        """Whether a case that could not tell is tried again: not where that keeps being in vain."""
        return self.vain_chances < VAIN_CHANCES

    def note_chance(self, *, was_in_vain: bool) -> None:
        """Remember what has come of a second chance."""
        self.vain_chances = self.vain_chances + 1 if was_in_vain else 0

    def is_new(self, requirement: str, subject: str) -> bool:
        """Tell whether no other case has given this advice before, and remember it.

        The case that has may give it again: a second attempt at it must be able to confirm the first.
        """
        return self.told.setdefault((requirement, subject), self.case) == self.case

    def keeps_failing(self, family: str, event: str) -> bool:
        """Tell whether the control of an event has failed in two cases in a row."""
        return self.failed_controls.get((family, event), 0) >= FAILURES_IN_A_ROW

    def patience_s(self, family: str, effect: str, usual_s: float) -> float:
        """Return how long to wait for an effect: as usual, until it has failed to come several times in a row.

        From then on it is a multiple of what slow answers of this endpoint take, and now and then as usual again.
        """
        missed = self.missing_effects.get((family, effect), 0)
        if missed < self._enough() or _is_probe(missed):
            return usual_s
        return min(usual_s, self.allowance_s(DOUBTFUL_S))

    def allowance_s(self, shortest_s: float) -> float:
        """Return how long to wait for what should come at once: longer where answers of this endpoint take longer."""
        return max(shortest_s, SLOWEST_FACTOR * self.slow_answer_s())

    def _enough(self) -> int:
        """Return how many waits in vain bring an effect into doubt: few, where the endpoint leaves out so much else."""
        most = 2 * FAILURES_IN_A_ROW
        return 1 if sum(missed >= most for missed in self.missing_effects.values()) >= WIDESPREAD else most

    def learn(self, news: Iterable[tuple[Kind, int]]) -> None:
        """Take over what others have come to doubt, and what has come to them after all."""
        for kind, missed in news:
            known = self.missing_effects.get(kind, 0)
            self.missing_effects[kind] = max(known, missed) if missed else 0

    def stretch(self) -> float:
        """Return how many times as long as with an endpoint that is near a case may take: it waits for many answers."""
        return min(MOST_STRETCH, max(1.0, self.slow_answer_s() / PROMPT_S))

    def slow_answer_s(self) -> float:
        """Return the time within which 95 of 100 answers have come; 0 before the first."""
        ordered = sorted(self.answer_times_s)
        return ordered[int(len(ordered) * 0.95)] if ordered else 0.0

    def note_effect(self, family: str, effect: str, *, has_come: bool) -> None:
        """Remember whether an effect has come."""
        kind, enough = (family, effect), self._enough()
        before = self.missing_effects.get(kind, 0)
        missed = self.missing_effects[kind] = 0 if has_come else before + 1
        if (before >= enough) != (missed >= enough):
            self.news.append((kind, missed))

    def note_control(self, family: str, event: str, *, was_accepted: bool) -> None:
        """Remember how a control went."""
        count = self.failed_controls.get((family, event), 0)
        self.failed_controls[family, event] = 0 if was_accepted else count + 1


def _is_probe(missed: int) -> bool:
    """Tell whether a number is 8, 16, 32, 64 and so on."""
    return missed >= FIRST_PROBE and missed & (missed - 1) == 0
