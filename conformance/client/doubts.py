"""What has not worked in earlier cases of a run, so that later ones need not wait for it in vain."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

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


class News(NamedTuple):
    """What one of several workers tells the others of a kind of effect."""

    kind: Kind
    missed: int
    """How often in a row it has been waited for in vain; 0 where it has come."""
    is_accused: bool = False


KEPT_TIMES = 100
PROMPT_S = 0.01
"""What an answer takes at most where the endpoint is near."""
PATIENT_STRETCH = 2
"""How many times as long a case may take that waits for what is in doubt as if it were not."""
MOST_STRETCH = 4
"""How many times as long as there a case may take at most."""


@dataclass(slots=True)
class Doubts:
    """What has not worked in earlier cases of a run, so that later ones need not wait for it in vain.

    It never makes a case pass: a case that rests on a control that keeps failing cannot tell, now or after a time-out,
    and an effect that stayed out with full patience several times in a row is waited for less long from then on.
    Nor does it accuse: what an attempt finds after such a haste is looked for once more with full patience, but for effects
    whose absence has been part of an accusation before.
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
    accused: set[Kind] = field(default_factory=set)
    """Effects that stayed out, with full patience, in every attempt at a case that failed."""
    advised: set[Kind] = field(default_factory=set)
    """Effects that stayed out, with full patience, in an attempt that gave advice."""
    is_patient: bool = False
    """Whether the attempt waits as long as usual for whatever else is in doubt."""
    hasty: set[Kind] = field(default_factory=set)
    """What the attempt has waited for in vain, less long than usual, though nothing has been accused for it."""
    absent: set[Kind] = field(default_factory=set)
    """What the attempt has waited for in vain, as long as usual."""
    news: list[News] = field(default_factory=list)
    """Kinds that have come into doubt or out of it, with the waits in vain, for others who work at the same run."""

    vain_chances: int = 0
    """How many cases in a row could not tell the second time, either."""

    def begin(self, *, is_patient: bool) -> None:
        """Begin an attempt."""
        self.is_patient = is_patient
        self.hasty.clear()
        self.absent.clear()

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
        kind = (family, effect)
        missed = self.missing_effects.get(kind, 0)
        if missed < self._enough() or _is_probe(missed) or (self.is_patient and kind not in self.accused):
            return usual_s
        return min(usual_s, self.allowance_s(DOUBTFUL_S))

    def allowance_s(self, shortest_s: float) -> float:
        """Return how long to wait for what should come at once: longer where answers of this endpoint take longer."""
        return max(shortest_s, SLOWEST_FACTOR * self.slow_answer_s())

    def _enough(self) -> int:
        """Return how many waits in vain bring an effect into doubt: few, where the endpoint leaves out so much else."""
        most = 2 * FAILURES_IN_A_ROW
        return 1 if sum(missed >= most for missed in self.missing_effects.values()) >= WIDESPREAD else most

    def learn(self, news: Iterable[News]) -> None:
        """Take over what others have come to doubt, and what has come to them after all."""
        for kind, missed, is_accused in news:
            known = self.missing_effects.get(kind, 0)
            self.missing_effects[kind] = max(known, missed) if missed else 0
            if not missed:
                self.accused.discard(kind)
            elif is_accused:
                self.accused.add(kind)

    def stretch(self) -> float:
        """Return how many times as long as with an endpoint that is near a case may take: it waits for many answers.

        It is more in an attempt that waits with full patience for what is in doubt: out of time it would show nothing.
        """
        is_in_doubt = any(missed >= self._enough() for missed in self.missing_effects.values())
        patient = PATIENT_STRETCH if self.is_patient and is_in_doubt else 1
        return min(MOST_STRETCH, patient * max(1.0, self.slow_answer_s() / PROMPT_S))

    def slow_answer_s(self) -> float:
        """Return the time within which 95 of 100 answers have come; 0 before the first."""
        ordered = sorted(self.answer_times_s)
        return ordered[int(len(ordered) * 0.95)] if ordered else 0.0

    def note_effect(self, family: str, effect: str, *, has_come: bool, is_hasty: bool = False) -> None:
        """Remember whether an effect has come; `is_hasty` where it was waited for less long than usual."""
        kind, enough = (family, effect), self._enough()
        before = self.missing_effects.get(kind, 0)
        missed = self.missing_effects[kind] = 0 if has_come else before + 1
        if (before >= enough) != (missed >= enough) or (has_come and kind in self.accused):
            self.news.append(News(kind, missed))
        if has_come:
            for kinds in (self.accused, self.advised, self.absent):
                kinds.discard(kind)
        elif is_hasty:
            self.note_haste(family, effect)
        else:
            self.absent.add(kind)

    def note_haste(self, family: str, effect: str) -> None:
        """Remember that an effect has been waited for in vain, less long than usual."""
        if (family, effect) not in self.accused:
            self.hasty.add((family, effect))

    def note_advised(self, kinds: Iterable[Kind]) -> None:
        """Remember effects that stayed out in an attempt that gives advice: other advice need not wait for them as long."""
        self.advised |= frozenset(kinds)

    def note_accused(self, kinds: Iterable[Kind]) -> None:
        """Remember effects that stayed out in every attempt at a case that fails: nothing need wait for them as long again."""
        for kind in kinds:
            missed = self.missing_effects.get(kind, 0)
            if missed and kind not in self.accused:
                self.accused.add(kind)
                self.news.append(News(kind, missed, is_accused=True))

    def note_control(self, family: str, event: str, *, was_accepted: bool) -> None:
        """Remember how a control went."""
        count = self.failed_controls.get((family, event), 0)
        self.failed_controls[family, event] = 0 if was_accepted else count + 1


def _is_probe(missed: int) -> bool:
    """Tell whether a number is 8, 16, 32, 64 and so on."""
    return missed >= FIRST_PROBE and missed & (missed - 1) == 0
