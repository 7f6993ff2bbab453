"""Which frame meets which fault: drawn from a stream of random numbers that belongs to one connection.

The stream is derived from the seed and the number of the connection, so what happens on other connections changes nothing, and the
same frames meet the same faults. There is no clock here.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from reference_server.chaos.rules import Delay, Truncate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference_server.chaos.rules import FrameRule, Refuse, Rules

_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Carried:
    """What a frame carries, as far as rules ask."""

    topic: str | None
    family: str | None
    """Its topic family; None where the topic has none."""
    event: str
    is_reply: bool = False
    """Whether it is a reply or the protocol's own."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A rule that applies to a frame."""

    rule: FrameRule
    amount: float = 0.0
    """What was drawn from the rule's span: seconds of a delay, or the fraction that a truncation keeps."""


class FaultStream:
    """The faults of one connection.

    Args:
        rules: What may happen.
        seed: Of the server.
        number: Of the connection.

    """

    def __init__(self, rules: Rules, seed: int, number: int) -> None:
        # Nobody is kept out by these numbers: they must only be the same again.
        self._random = Random(f"{seed}/{number}")  # noqa: S311
        self._rules = rules
        self._struck: dict[int, int] = {}
        self.number = number

    def next(self, carried: Carried) -> Strike | None:
        """Return what happens to the next frame of the connection."""
        for index, rule in enumerate(self._rules.about_frames):
            struck = self._struck.get(index, 0)
            if not is_about(rule, carried) or struck == rule.at_most:
                continue
            if self._random.random() < rule.probability:
                self._struck[index] = struck + 1
                return Strike(rule, self._amount(rule))
        return None

    def refusals(self) -> Iterator[tuple[Refuse, float]]:
        """Yield the refusals that follow a cut, with how many seconds each lasts."""
        for rule in self._rules.about_reconnects:
            if self._random.random() < rule.probability:
                yield rule, round(self._random.uniform(*rule.for_s), _DIGITS)

    def _amount(self, rule: FrameRule) -> float:
        if isinstance(rule, Delay):
            return round(self._random.uniform(*rule.delay_s), _DIGITS)
        return self._random.uniform(*rule.keep) if isinstance(rule, Truncate) else 0.0


def is_about(rule: FrameRule, carried: Carried) -> bool:
    """Tell whether a rule is about a frame."""
    return (
        (rule.replies or not carried.is_reply)
        and (not rule.topics or carried.family in rule.topics)
        and (not rule.events or carried.event in rule.events)
    )
