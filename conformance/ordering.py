"""The order in which cases run, and which of them are one shard's.

How many deviations a case finds, and for how little time, is measured by `wireproof selfcheck` and kept in
`kill_power.json`: case ids, the one that finds most first, then the one that finds most of the rest, and so on. Cases that
were not measured come after the measured ones, a little of every topic at a time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final

from conformance.case import Case, Phase
from conformance.faults import ConfigurationFaulty

KILL_POWER: Final = Path(__file__).with_name("kill_power.json")

_PHASES: Final = list(Phase)
_SHARD: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


def kill_order(path: Path = KILL_POWER) -> tuple[str, ...]:
    """Return ids of cases, the strongest first; none where there is no such file.

    Raises:
        ConfigurationFaulty: If the file is not what it should be.

    """
    if not path.exists():
        return ()
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigurationFaulty(f"{path}: cannot be read as JSON") from exc
    order = table.get("order") if isinstance(table, dict) and table.get("format") == 1 else None
    if not isinstance(order, list) or not all(isinstance(name, str) for name in order):
        raise ConfigurationFaulty(
            f'{path}: not an order of format 1: {{"format": 1, "order": [case id, ...]}}'
        )
    return tuple(order)


def arranged(cases: Sequence[Case], order: Sequence[str], *, across_phases: bool) -> list[Case]:
    """Return cases in the order in which they run.

    Args:
        cases: In the order of the documents.
        order: Ids of cases, the strongest first; may name cases that are not there.
        across_phases: Whether the strongest case comes first whatever its phase; else phase comes after phase.

    """
    phases = [cases] if across_phases else [[c for c in cases if c.phase is phase] for phase in _PHASES]
    return [case for phase in phases for case in _by_power(phase, order)]


def _by_power(cases: Iterable[Case], order: Sequence[str]) -> Iterator[Case]:
    if not order:
        return iter(cases)
    rest = {case.id: case for case in cases}
    known = [rest.pop(name) for name in dict.fromkeys(order) if name in rest]
    return chain(known, _in_turn(rest.values()))


def _in_turn(cases: Iterable[Case]) -> Iterator[Case]:
    """Take one case of every topic after the other, so that an early end leaves something of each."""
    topics: dict[str, list[Case]] = {}
    for case in cases:
        topics.setdefault(case.topic, []).append(case)
    return (case for turn in zip_longest(*topics.values()) for case in turn if case is not None)


def shard(cases: Iterable[Case], index: int, count: int) -> list[Case]:
    """Return the cases of one shard, in their order.

    Where a case belongs depends on its id alone: whatever cases come or go, the others stay in their shards.

    Args:
        cases: All of them.
        index: Of the shard, from 1.
        count: How many shards there are.

    """
    return [case for case in cases if _digest(case.id) % count == index - 1]


def shard_of(text: str) -> tuple[int, int]:
    """Return index and count of a shard that is written like `2/5`.

    Raises:
        ConfigurationFaulty: If it is not, or there is no such shard.

    """
    written = _SHARD.fullmatch(text)
    index, count = map(int, written.groups()) if written else (0, 0)
    if not 1 <= index <= count:
        raise ConfigurationFaulty(f"not a shard: {text[:40]!r}; write the second of five as 2/5")
    return index, count


def _digest(case_id: str) -> int:
    return int.from_bytes(hashlib.sha256(case_id.encode()).digest()[:8], "big")
