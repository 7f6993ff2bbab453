"""When agents were away."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen.gaps import Gap, gaps_of


def rows(*connections: int, unanswered: int = 0) -> list[dict[str, Any]]:
    """Progress of a load that begins at 100 s, with so many connections after each second."""
    event = {"name": "task.progress", "sent": 10, "ok": 10 - unanswered, "errors": 0}
    act = {"name": "act.pushes", "sent": 5, "ok": 0, "errors": 0}
    before = {"at_s": 99.0, "worker": "a", "connections": 1, "events": []}
    seconds = [
        {"at_s": 101.0 + second, "worker": "a", "connections": count, "events": [event, act]}
        for second, count in enumerate(connections)
    ]
    after = {"at_s": 200.0, "worker": "a", "connections": 0, "events": []}
    return [before, {"phase": "load", "at_s": 100.0}, *seconds, {"phase": "drain", "at_s": 150.0}, after]


@pytest.mark.parametrize(
    ("connections", "gaps"),
    [
        ((8, 8, 8), []),
        ((8, 8, 3, 0, 5, 8, 8), [Gap(2, 6, 0, 8, 6)]),
        ((8, 7, 8, 6, 6, 8), [Gap(1, 3, 7, 8, 2), Gap(3, 6, 6, 8, 4)]),
        ((8, 0, 4), [Gap(1, None, 0, 8, 4)]),
        ((), []),
    ],
)
def test_a_gap_lasts_until_all_are_back(connections: tuple[int, ...], gaps: list[Gap]) -> None:
    """It begins when all were last there; before and after the load nobody is missed."""
    assert gaps_of(rows(*connections, unanswered=2)) == gaps


def test_processes_are_added_up() -> None:
    """What one process has lost is missing in the sum; one that has not told anything yet has lost nothing."""
    second = {"events": [], "worker": "b"}
    mixed = rows(4, 4, 4)
    mixed[2:2] = [{**second, "at_s": 100.5, "connections": 4}]
    mixed[4:4] = [{**second, "at_s": 102.5, "connections": 1}, {**second, "at_s": 102.7, "connections": 4}]
    [gap] = gaps_of(mixed)
    assert (gap.least, gap.of) == (5, 8)


def test_who_is_back_within_the_second_was_away() -> None:
    """A cut between two looks is one, however soon it is over; the one who was last seen is not missed for ever."""
    cut = rows(8, 8, 8)
    cut[3] |= {"least_connections": 1, "most_connections": 8}
    assert gaps_of(cut) == [Gap(1, 2, 1, 8, 0)]
    low = rows(7, 7, 8)
    low[2] |= {"least_connections": 7, "most_connections": 8}
    assert gaps_of(low) == [Gap(0, 3, 7, 8, 0)]


def test_an_answer_to_what_came_before_makes_up_for_nothing() -> None:
    """A second in which as many were answered as were sent may have lost some of them."""
    cut = rows(8, 3, 8)
    cut[3]["events"] = [{"name": "task.progress", "sent": 10, "ok": 10, "errors": 4}]
    [gap] = gaps_of(cut)
    assert gap.unanswered == 4
