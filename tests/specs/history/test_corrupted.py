"""Honest histories accuse nobody, and what is found in those that were tampered with stays what it is.

How many findings there are of each requirement stands in `corrupted.json`. A change that is meant to judge otherwise writes it anew:
`python -m tests.specs.history.test_corrupted > tests/specs/history/corrupted.json`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from specs.history.checker import Checker
from specs.history.facts import Fact
from tests.specs.history.histories import FAMILIES, corrupted, honest
from tests.specs.history.story import shipped

PINNED = Path(__file__).with_name("corrupted.json")
SEEDS = 60


def found(facts: list[Fact]) -> Counter[str]:
    """Return how many findings there are of each requirement."""
    return Counter(finding.requirement for finding in Checker(shipped()).feed_all(facts))


def found_in_corrupted(family: str) -> dict[str, int]:
    """Return what is found in the corrupted histories of a family, in order of the requirements."""
    every: Counter[str] = Counter()
    for seed in range(SEEDS):
        draw = Random(f"{family} {seed}")  # noqa: S311 - no secret
        facts = honest(family, draw)
        every += found(corrupted(facts, draw, draw.randrange(1, 12)))
    return dict(sorted(every.items()))


@pytest.mark.parametrize("family", FAMILIES)
def test_honest_histories_have_no_finding(family: str) -> None:
    """Whatever the order of answers and arrivals."""
    for seed in range(SEEDS // 2):
        draw = Random(f"{family} {seed}")  # noqa: S311 - no secret
        assert found(honest(family, draw)) == {}


@pytest.mark.parametrize("family", FAMILIES)
def test_corrupted_histories_have_the_findings_that_they_had(family: str) -> None:
    """Facts left out, doubled, moved and altered: each requirement is named as often as it was."""
    pinned = json.loads(PINNED.read_text())[family]
    assert len(pinned) > 4
    assert found_in_corrupted(family) == pinned


if __name__ == "__main__":
    print(json.dumps({family: found_in_corrupted(family) for family in FAMILIES}, indent=2))
