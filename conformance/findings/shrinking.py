"""Makes a script shorter: leaves out what is not needed for the finding to be seen, and nothing that makes it a finding.

What is left out could be the very thing that made the answer wrong: that a nonce was spent before, say. So a shorter script has to
be seen at the endpoint and, as before, not at the reference server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from conformance.findings.scripting import Line
from conformance.findings.symbols import names_in

Shows = Callable[[list[Line]], bool]
"""Tells whether a script still shows the finding."""

_FOLLOWING = frozenset({"wait", "pause"})
_OPENING = frozenset({"connect", "ask"})


@dataclass(slots=True)
class Budget:
    """How much may be tried."""

    until_s: float
    executions: int

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be tried."""
        return self.executions <= 0 or time.monotonic() >= self.until_s


def shrink(lines: list[Line], needed: set[str], told: list[Line], shows: Shows, budget: Budget) -> list[Line]:
    """Return a shorter script that still shows the finding; the script itself where there is none.

    Args:
        lines: The script.
        needed: Names that have to stay, since what shows the finding uses them.
        told: Steps that have to stay, since the report tells of what they wait for.
        shows: Tells whether a script shows the finding.
        budget: How much may be tried.

    """

    def is_enough(shorter: list[Line]) -> bool:
        if budget.is_spent or not needed <= _defined(shorter) or any(line not in shorter for line in told):
            return False
        budget.executions -= 1
        return shows(shorter)

    lines = _without_pauses(lines, is_enough)
    lines = _without_connections(lines, is_enough)
    return _without_units(lines, is_enough)


def _without_pauses(lines: list[Line], is_enough: Shows) -> list[Line]:
    without = [line for line in lines if line["do"] != "pause"]
    return without if len(without) < len(lines) and is_enough(without) else lines


def _without_connections(lines: list[Line], is_enough: Shows) -> list[Line]:
    """Leave out whole connections, the last one first."""
    for line in reversed([line for line in lines if line["do"] in _OPENING]):
        shorter = without(lines, [line])
        if is_enough(shorter):
            lines = shorter
    return lines


def _without_units(lines: list[Line], is_enough: Shows) -> list[Line]:
    """Leave out steps with what was waited for after them: many at once, then fewer, as far as that goes."""
    size = max(len(_units(lines)) // 2, 1)
    while True:
        at = len(_units(lines)) - size
        while at > -size:
            units = _units(lines)
            taken = [line for unit in units[max(at, 0) : at + size] for line in unit]
            shorter = without(lines, taken)
            if len(shorter) < len(lines) and is_enough(shorter):
                lines = shorter
            at -= size
        if size == 1:
            return lines
        size = max(size // 2, 1)


def _units(lines: Iterable[Line]) -> list[list[Line]]:
    """Return the steps, each with what was waited for after it."""
    units: list[list[Line]] = []
    for line in lines:
        if line["do"] in _FOLLOWING and units:
            units[-1].append(line)
        else:
            units.append([line])
    return units


def without(lines: list[Line], taken: list[Line]) -> list[Line]:
    """Return a script without some steps and all that rests on them."""
    gone = {id(line) for line in taken}
    lost: set[str] = set()
    kept: list[Line] = []
    for line in lines:
        uses = names_in({name: value for name, value in line.items() if name != "keep"})
        uses |= {line[name] for name in ("on", "by") if name in line}
        if id(line) in gone or uses & lost:
            lost |= _made(line)
        else:
            kept.append(line)
    return kept


def _made(line: Line) -> set[str]:
    """Return the names that a step gives."""
    names = {line[name] for name in ("as", "data_as") if name in line}
    return names | {one["as"] for one in line.get("keep", ())}


def _defined(lines: Iterable[Line]) -> set[str]:
    return {name for line in lines for name in _made(line)}


def frames_of(lines: Iterable[Line]) -> dict[str, int]:
    """Count what is sent by connection: joins, pushes and whatever else a participant sends."""
    counts: dict[str, int] = {}
    for line in lines:
        if line["do"] in {"send", "text", "binary", "binary push", "bytes", "ping"}:
            counts[line["on"]] = counts.get(line["on"], 0) + 1
    return counts
