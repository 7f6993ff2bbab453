"""The line that a person sees while a load goes on."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from loadgen.arrivals import parse_arrivals
from loadgen.plan import Plan
from loadgen.progress import Progress

PLAN = Plan("ws://x", "ws://x", "pushes", parse_arrivals("closed", 10), 10, 2)
LOAD = {"phase": "load", "at_s": 100.0}
DRAIN = {"phase": "drain", "at_s": 110.0}


def second(**more: Any) -> dict[str, Any]:
    event = {"ok": 7, "errors": 1}
    row = {"at_s": 105.0, "events": [event], "connections": 2, "health": {"cpu": 0.5}, "unjudged_bytes": 0}
    return {**row, **more}


def shown(*rows: dict[str, Any], width: int = 140, is_terminal: bool = True) -> str:
    out = io.StringIO()
    with Progress(PLAN, console=Console(file=out, force_terminal=is_terminal, width=width)) as progress:
        for row in rows:
            progress.row(row)
    return out.getvalue()


def test_rates_of_the_latest_second_are_shown() -> None:
    """Who watches sees that it goes on, and how."""
    assert "2 connected, 7/s answered, 1/s errors, generator 50%" in shown(LOAD, second())


def test_it_is_seen_that_the_judge_is_waited_for() -> None:
    """After a long load that takes long: how much is left is told, and before the end of the load nothing of it."""
    before = (LOAD, second(unjudged_bytes=500 << 20), DRAIN)
    assert "MiB left" not in shown(*before)
    after = shown(*before, second(unjudged_bytes=300 << 20, is_judging=True))
    assert "judging what was seen" in after
    assert "300 MiB left" in after


def test_nothing_is_shown_where_nobody_looks() -> None:
    """A log is no terminal."""
    assert shown(LOAD, second(), is_terminal=False) == ""
