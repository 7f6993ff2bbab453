"""Every way in which one topic may stand, after all that was observed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations
from typing import Generic, TypeVar

from conformance.models.expectation import Expectation, Kind, Model, Push

M = TypeVar("M", bound=Model)

MANY = 64
"""Beyond so many worlds nothing more is concluded."""


class Outcome(StrEnum):
    """What was observed of a push."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """No answer came: it may have been accepted, or not."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """An outcome that no world explains."""

    requirement: str
    expected: str
    push: Push
    outcome: Outcome


class Worlds(Generic[M]):
    """The set of models that explain what was observed."""

    def __init__(self, *models: M) -> None:
        self._models: tuple[M, ...] = models
        self.is_lost = False
        """Whether too much is possible for anything to be concluded."""

    @property
    def likely(self) -> M:
        """One of the models."""
        return self._models[0]

    @property
    def models(self) -> tuple[M, ...]:
        """All of the models."""
        return self._models

    def change(self, into: Callable[[M], M]) -> None:
        """Let something happen that is no push."""
        self._models = tuple(dict.fromkeys(map(into, self._models)))

    def expects(self, push: Push) -> set[Kind]:
        """Return what a push may meet."""
        return {model.expects(push).kind for model in self._models}

    def observe(self, *observed: tuple[Push, Outcome]) -> Contradiction | None:
        """Take the outcomes of pushes that were on their way at the same time; of one, usually.

        Returns:
            The first of them that no order explains, taken in the order given; then the worlds are left as they were.

        """
        if self.is_lost:
            return None
        explained: dict[M, None] = {}
        for order in permutations(observed):
            explained.update(dict.fromkeys(_follow(self._models, order)))
        if not explained:
            return self._first_unexplained(observed)
        self._models = tuple(explained)
        self.is_lost = len(self._models) > MANY
        return None

    def insist(self, *observed: tuple[Push, Outcome]) -> None:
        """Take outcomes that nothing explains for what they are, to go on from there."""
        for push, outcome in observed:
            is_accepted = outcome is Outcome.ACCEPTED
            models = (model.after(push) if is_accepted else model.refused(push) for model in self._models)
            self._models = tuple(dict.fromkeys(models))

    def _first_unexplained(self, observed: Sequence[tuple[Push, Outcome]]) -> Contradiction | None:
        models = self._models
        for push, outcome in observed:
            then = tuple(dict.fromkeys(_step(models, push, outcome)))
            if not then:
                return _contradiction(models[0].expects(push), push, outcome)
            models = then
        return None


def _follow(models: Iterable[M], order: Sequence[tuple[Push, Outcome]]) -> Iterable[M]:
    for push, outcome in order:
        models = _step(models, push, outcome)
    return models


def _step(models: Iterable[M], push: Push, outcome: Outcome) -> Iterable[M]:
    for model in models:
        kind = model.expects(push).kind
        if outcome is not Outcome.REFUSED and kind is not Kind.REFUSE:
            yield model.after(push)
        if outcome is Outcome.UNKNOWN or (outcome is Outcome.REFUSED and kind is not Kind.ACCEPT):
            yield model.refused(push)


def _contradiction(expectation: Expectation, push: Push, outcome: Outcome) -> Contradiction:
    verb = "accepted" if expectation.kind is Kind.ACCEPT else "refused"
    expected = f"{push.event} by {push.by} is {verb}: it {expectation.why}"
    return Contradiction(expectation.requirement, expected, push, outcome)
