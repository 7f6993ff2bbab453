"""Tests of `reference_server.traffic`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reference_server.traffic import Backlog, FrameBudget, Queues, Upload, Uploads

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


def test_a_backlog_bounds_what_others_let_wait() -> None:
    """What requests of the client's own have brought, or was there when it fell behind, is not held against it."""
    backlog = Backlog(queues := Queues(), 100, 1000)
    assert not backlog.is_too_much(100, is_own=False)
    assert backlog.is_too_much(101, is_own=False)
    assert not backlog.is_too_much(500, is_own=True)
    assert not backlog.is_too_much(600, is_own=False)
    assert backlog.is_too_much(601, is_own=False)
    backlog.drain()
    assert queues.waiting_bytes == 0
    backlog.fill_up(50)
    assert not backlog.is_too_much(150, is_own=False)
    assert backlog.is_too_much(151, is_own=False)


def test_what_waits_for_all_is_bounded_whoever_brings_it() -> None:
    """Also by requests of their own."""
    queues = Queues()
    one, two = Backlog(queues, 1000, 100), Backlog(queues, 1000, 100)
    assert not one.is_too_much(60, is_own=True)
    assert two.is_too_much(60, is_own=True)
    one.drain()
    assert not two.is_too_much(60, is_own=True)


def test_who_began_first_goes_first() -> None:
    """What is ended or gone counts no more, and is not dropped for others."""
    uploads, dropped = Uploads(), []
    first, second, third = (
        Upload(uploads, 100, lambda number=number: dropped.append(number)) for number in (1, 2, 3)
    )
    first.note(40)
    second.note(40)
    first.note(60)
    assert dropped == []
    first.note(0)
    third.note(50)
    assert (dropped, uploads.waiting_bytes) == ([], 90)
    first.note(20)
    assert (dropped, uploads.waiting_bytes) == ([2], 70)
    third.note(101)
    assert (dropped, uploads.waiting_bytes, uploads.begun) == ([2, 3], 20, {first: None})


def test_one_that_is_too_much_alone_is_dropped() -> None:
    """Whoever is in front."""
    uploads, dropped = Uploads(), []
    Upload(uploads, 100, lambda: dropped.append(1)).note(101)
    assert (dropped, uploads.waiting_bytes, uploads.begun) == ([1], 0, {})
