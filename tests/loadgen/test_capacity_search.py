"""How the edge is sought."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from loadgen.capacity.search import Search, Verdict


def sought(search: Search, verdict: Callable[[float], Verdict]) -> list[float]:
    """Seek, and return the rates that were tried."""
    tried: list[float] = []
    while (rate := search.next_rate()) is not None:
        tried.append(rate)
        search.take(rate, verdict(rate))
        assert len(tried) < 100
    return tried


def limit(per_s: float) -> Callable[[float], Verdict]:
    return lambda rate: Verdict.HOLDS if rate <= per_s else Verdict.GIVES_WAY


@pytest.mark.parametrize("per_s", [0.7, 3, 49, 50, 500, 77_777])
def test_a_sharp_edge_is_found(per_s: float) -> None:
    """Wherever it lies, both sides of it are within the precision, and each was tried twice."""
    search = Search(50, 100_000)
    tried = sought(search, limit(per_s))
    low, high = search.holds_per_s, search.gives_way_per_s
    assert low is not None
    assert high is not None
    assert low <= per_s < high <= low * 1.021
    assert tried.count(low) == tried.count(high) == 2
    assert len(tried) < 30


def test_chance_does_not_decide() -> None:
    """Though one run in twenty is wrong, the edge is found within 5 % in nearly all searches: near it the majority decides."""
    found = 0
    for seed in range(100):
        search = Search(50, 100_000)
        random = Random(seed)  # noqa: S311 - no secret

        def verdict(rate: float, random: Random = random) -> Verdict:
            is_wrong = random.random() < 0.05
            return Verdict.HOLDS if (rate <= 500) != is_wrong else Verdict.GIVES_WAY

        sought(search, verdict)
        found += abs((search.holds_per_s or 0) - 500) <= 25
    assert found >= 90


def test_no_load_holds() -> None:
    """Downwards the search ends, too."""
    search = Search(50, 1_000)
    sought(search, limit(0))
    assert (search.holds_per_s, search.unfit_per_s) == (None, None)


def test_the_most_is_not_exceeded() -> None:
    """What holds up to the most that may be tried has no edge, and was tried twice."""
    search = Search(50, 300)
    assert sought(search, limit(1_000)) == [50, 100, 200, 300, 300]
    assert (search.holds_per_s, search.gives_way_per_s) == (300, None)


def test_a_generator_at_its_limit_ends_the_search() -> None:
    """A rate that the generator cannot offer, again and again, is neither held nor given way to."""
    search = Search(50, 1_000)
    tried = sought(search, lambda rate: Verdict.HOLDS if rate < 200 else Verdict.UNFIT)
    assert tried == [50, 100, 200, 200, 200]
    assert (search.holds_per_s, search.gives_way_per_s, search.unfit_per_s) == (100, None, 200)


def test_a_verdict_may_be_revised() -> None:
    """What proves to say nothing of the server is tried again, the smallest first."""
    search = Search(200, 1_000)
    for rate, verdict in ((200, Verdict.GIVES_WAY), (100, Verdict.GIVES_WAY), (50, Verdict.HOLDS)):
        assert search.next_rate() == rate
        search.take(rate, verdict)
    for rate in (200, 100):
        search.revise(rate, Verdict.GIVES_WAY, Verdict.UNFIT)
    assert (search.gives_way_per_s, search.next_rate()) == (None, 100)


def test_a_generator_that_was_disturbed_once_goes_on() -> None:
    """One run that says nothing is done again."""
    search, first = Search(50, 100), [Verdict.UNFIT]
    sought(search, lambda _rate: first.pop() if first else Verdict.HOLDS)
    assert search.holds_per_s == 100
