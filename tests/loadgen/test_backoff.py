"""Backoff: longer and longer, never all at once."""

from __future__ import annotations

from loadgen.client.backoff import Backoff


def test_waits_grow_up_to_a_bound() -> None:
    """Each wait lies in the upper half of a bound that doubles until it is the longest."""
    backoff = Backoff(first_s=1, longest_s=8)
    waits = [backoff.next_s() for _ in range(6)]
    for wait_s, bound_s in zip(waits, (1, 2, 4, 8, 8, 8), strict=True):
        assert bound_s / 2 <= wait_s <= bound_s


def test_waits_stay_at_their_bound() -> None:
    """After days without a server the next wait is as long as the ones before."""
    backoff = Backoff(first_s=1, longest_s=8)
    assert all(4 <= wait_s <= 8 for wait_s in [backoff.next_s() for _ in range(2_000)][3:])


def test_agents_do_not_wait_equally_long() -> None:
    """Jitter tells apart who lost their connections at the same time."""
    assert len({Backoff().next_s() for _ in range(20)}) > 10
