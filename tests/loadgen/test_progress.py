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


def test_what_is_not_judged_yet_is_shown_once_the_load_is_over() -> None:
    """Who waits knows for what."""
    rows = (LOAD, second(unjudged_bytes=5_000_000), DRAIN, second(unjudged_bytes=3_000_000))
    assert "3 MB of what was observed are not judged yet" in shown(*rows)
    assert "5 MB" not in shown(*rows)
    assert "not judged" not in shown(LOAD, DRAIN, second())


def test_nothing_is_shown_where_nobody_looks() -> None:
    """A log is no terminal."""
    assert shown(LOAD, second(), is_terminal=False) == ""
