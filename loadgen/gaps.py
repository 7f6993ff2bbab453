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
        unanswered: Pushes of that time that were not answered by ok, or not within it, or could not be sent.

    """

    from_s: float
    to_s: float | None
    least: int
    of: int
    unanswered: int


class _Second(msgspec.Struct, frozen=True):
    """One row of all processes: how many connections there were at its end, at the least and at the most."""

    at_s: float
    connections: int
    least: int
    most: int
    unanswered: int


def gaps_of(rows: Iterable[dict[str, Any]]) -> list[Gap]:
    """Return the gaps of a run."""
    seconds = _seconds(rows)
    best = max((second.most for second in seconds), default=0)
    gaps: list[Gap] = []
    latest_s, span = 0.0, list[_Second]()
    for second in seconds:
        if second.least < best:
            span.append(second)
        if second.connections < best:
            continue
        if span:
            gaps.append(_gap(latest_s, second.at_s, span, best))
            span = []
        latest_s = second.at_s
    if span:
        gaps.append(_gap(latest_s, None, span, best))
    return gaps


def _gap(from_s: float, to_s: float | None, span: list[_Second], best: int) -> Gap:
    least = min(second.least for second in span)
    end_s = None if to_s is None else round(to_s, 1)
    return Gap(round(from_s, 1), end_s, least, best, sum(second.unanswered for second in span))


def _seconds(rows: Iterable[dict[str, Any]]) -> list[_Second]:
    """Return what all processes together had and did not have answered by ok.

    Before all processes have told something, nobody is missed.
    """
    began_s: float | None = None
    known: dict[str, tuple[int, int, int]] = {}
    seconds = []
    kept = list(rows)
    workers = {row["worker"] for row in kept if "worker" in row}
    for row in kept:
        if "phase" in row:
            began_s = row["at_s"] if row["phase"] == "load" else None
        elif began_s is not None and "events" in row:
            now = row["connections"]
            known[row["worker"]] = now, row.get("least_connections", now), row.get("most_connections", now)
            if known.keys() < workers:
                continue
            acts = [event for event in row["events"] if event["name"].startswith("act.")]
            pushes = [event for event in row["events"] if event not in acts]
            # What was on its way when a second began is answered in it, and would make up for what is lost in it.
            missing = sum(max(event["sent"] - event["ok"], event["errors"]) for event in pushes)
            connections, least, most = (sum(each) for each in zip(*known.values(), strict=True))
            seconds.append(_Second(row["at_s"] - began_s, connections, least, most, max(0, missing)))
            known[row["worker"]] = now, now, now
    return seconds
