"""Tests of `reference_server.traffic`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reference_server.traffic import FrameBudget, Queues

PER_S, BURST = 8, 20


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), max_size=30))
def test_a_budget_is_a_bucket_that_fills_with_time(segments: list[tuple[int, int]]) -> None:
    """It never allows more than the burst and what the time since any earlier moment brings, and never less at rest.

    Args:
        segments: Eighths of a second that pass, then frames that come.

    """
    budget, now_s, model = FrameBudget(PER_S, BURST, 0.0), 0.0, float(BURST)
    for eighths, frames in segments:
        now_s += eighths / 8
        model = min(BURST, model + eighths)
        budget.refill(now_s)
        budget.left -= frames
        model -= frames
        assert budget.left == model


def test_queues_add_up_what_each_client_reports() -> None:
    """A client that reports less, or nothing any more, is counted with that."""
    queues = Queues()
    one, two = queues.note(0, 100), queues.note(0, 30)
    assert queues.waiting_bytes == 130
    one = queues.note(one, 20)
    assert queues.waiting_bytes == 50
    queues.note(one, 0)
    queues.note(two, 0)
    assert queues.waiting_bytes == 0
