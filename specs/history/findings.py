"""What a history cannot be explained by, and where it is put down."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable
from dataclasses import dataclass

from specs.history.facts import Fact


@dataclass(frozen=True, slots=True)
class Finding:
    """A requirement that no legal order of the observed facts is in keeping with."""

    requirement: str
    topic: str
    expected: str
    observed: str
    facts: tuple[Fact, ...]
    """Those that show it, the last observed one last."""

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.requirement} on {self.topic}: expected {self.expected}; observed {self.observed}"


class Findings:
    """Takes accusations, each once, and only of requirements that the documents have."""

    def __init__(self, requirements: Container[str], sink: Callable[[Finding], object]) -> None:
        self._requirements = requirements
        self._sink = sink
        self._accused: set[tuple[str, str, Hashable]] = set()

    def accuse(
        self,
        requirement: str | None,
        topic: str,
        expected: str,
        observed: str,
        *facts: Fact | None,
        about: Hashable = None,
    ) -> None:
        """Put down a finding, unless the same one `about` the same thing is there, or nobody requires it."""
        if requirement is None or requirement not in self._requirements:
            return
        accusation = (requirement, topic, about)
        if accusation in self._accused:
            return
        self._accused.add(accusation)
        shown = tuple(fact for fact in facts if fact is not None)
        self._sink(Finding(requirement, topic, expected, observed, shown))
