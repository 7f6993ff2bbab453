"""When agents were away: spans of a load in which fewer connections were open than at its best, from the rows of its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Gap(msgspec.Struct, frozen=True):
    """One span, to the second; times count from the begin of the load.

    Attributes:
        from_s: When all were last there.
        to_s: When all were there again; None where they were not by the end.
        least: How many connections there were at the worst.
        of: Of how many.
        unanswered: Pushes of that time that were not answered by ok, or not within it.

    """

    from_s: float
    to_s: float | None
    least: int
    of: int
    unanswered: int


def gaps_of(rows: Iterable[dict[str, Any]]) -> list[Gap]:
    """Return the gaps of a run."""
    seconds = _seconds(rows)
    best = max((second[1] for second in seconds), default=0)
    gaps: list[Gap] = []
    latest_s, span = 0.0, list[tuple[float, int, int]]()
    for second in seconds:
        at_s, connections, _ = second
        if connections < best:
            span.append(second)
            continue
        if span:
            gaps.append(_gap(latest_s, at_s, span, best))
            span = []
        latest_s = at_s
    if span:
        gaps.append(_gap(latest_s, None, span, best))
    return gaps


def _gap(from_s: float, to_s: float | None, span: list[tuple[float, int, int]], best: int) -> Gap:
    least = min(connections for _, connections, _ in span)
    return Gap(
        round(from_s, 1), None if to_s is None else round(to_s, 1), least, best, sum(each[2] for each in span)
    )


def _seconds(rows: Iterable[dict[str, Any]]) -> list[tuple[float, int, int]]:
    """Return times, how many connections there were in all, and how many pushes were sent and not answered by ok.

    Before all processes have told something, nobody is missed.
    """
    began_s: float | None = None
    known: dict[str, int] = {}
    seconds = []
    kept = list(rows)
    workers = {row["worker"] for row in kept if "worker" in row}
    for row in kept:
        if "phase" in row:
            began_s = row["at_s"] if row["phase"] == "load" else None
        elif began_s is not None and "events" in row:
            known[row["worker"]] = row["connections"]
            if known.keys() < workers:
                continue
            acts = [event for event in row["events"] if event["name"].startswith("act.")]
            pushes = [event for event in row["events"] if event not in acts]
            missing = sum(event["sent"] - event["ok"] for event in pushes)
            seconds.append((row["at_s"] - began_s, sum(known.values()), max(0, missing)))
    return seconds
