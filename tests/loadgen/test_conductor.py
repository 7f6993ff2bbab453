"""How a run is conducted, with generators that only pretend."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent
import pytest

from loadgen.arrivals import parse_arrivals
from loadgen.engine import conductor as conductor_module
from loadgen.engine.conductor import INTERRUPTED_S, Conductor
from loadgen.plan import Plan


class Pretending:
    """Generators that are ready at once, and end when they are hurried, or never."""

    def __init__(self, *, is_obedient: bool = True) -> None:
        self.stops: list[float | None] = []
        self.on_stop: Callable[[], object] = lambda: None
        self._is_obedient = is_obedient
        self.rows: list[dict[str, Any]] = []

    def groups(self) -> tuple[int, int]:
        return 1, 0

    def is_complete(self) -> bool:
        return True

    def begin(self) -> None:
        pass

    def stop(self, within_s: float | None) -> None:
        self.stops.append(within_s)
        self.on_stop()

    def results(self) -> list[dict[str, Any]] | None:
        return self.told() if self._is_obedient and self.stops[-1] is not None else None

    def told(self) -> list[dict[str, Any]]:
        return [{"process": 0}]

    def seconds(self) -> list[dict[str, Any]]:
        rows, self.rows = self.rows, []
        return rows

    def quit(self) -> None:
        pass


def conducted(
    stage: Pretending,
    folder: Path,
    duration_s: float,
    arrivals_text: str = "closed",
    *,
    drain_s: float = 600,
    is_interrupted: bool = True,
) -> dict[str, Any]:
    arrivals = parse_arrivals(arrivals_text, duration_s)
    plan = Plan("ws://x", "ws://x", "pushes", arrivals, duration_s, 2, drain_s=drain_s, folder=str(folder))
    conductor = Conductor(plan, stage)
    if is_interrupted:
        stage.on_stop = conductor.stop
    with gevent.Timeout(30):
        conductor.run()
    told: dict[str, Any] = json.loads((folder / "generator.json").read_text())
    return told


def test_ctrl_c_cuts_the_drain_short(tmp_path: Path) -> None:
    """Whoever loses patience while answers are waited for gets a report all the same, without those that do not come."""
    stage = Pretending()
    told = conducted(stage, tmp_path, 0.1)
    assert stage.stops == [None, INTERRUPTED_S]
    assert (told["is_interrupted"], told["note"], told["processes"]) == (True, None, [{"process": 0}])


def test_a_load_lasts_no_longer_than_was_asked_for(tmp_path: Path) -> None:
    """What is waited for beyond that is not of the time that rates are told of."""
    assert conducted(Pretending(), tmp_path, 0.1, "10/s")["load_s"] == pytest.approx(0.1)


def test_what_was_told_before_the_end_is_not_lost(tmp_path: Path) -> None:
    """Generators that do not end even then are not waited for; what they have told is written, and that it is not all."""
    told = conducted(Pretending(is_obedient=False), tmp_path, 0.1)
    assert told["processes"] == [{"process": 0}]
    assert "not all" in told["note"]


@pytest.mark.parametrize(("left", "is_told"), [(range(90, 0, -1), True), (itertools.repeat(90), False)])
def test_a_judge_that_gets_on_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: Iterable[int], is_told: bool
) -> None:
    """After a long load it takes longer than workers otherwise may; one that stands still is given up."""
    monkeypatch.setattr(conductor_module, "SPARE_S", 0.5)
    monkeypatch.setattr(conductor_module, "REPORT_S", 0.2)
    stage, looks = Pretending(), iter(left)
    stage.seconds = lambda: [{"worker": "a", "unjudged_bytes": next(looks)}]  # type: ignore[method-assign]
    begun_s = time.monotonic()

    def results() -> list[dict[str, Any]] | None:
        return stage.told() if time.monotonic() > begun_s + 1.2 else None

    stage.results = results  # type: ignore[method-assign]
    told = conducted(stage, tmp_path, 0.1, drain_s=0, is_interrupted=False)
    assert (told["note"] is None) is is_told


def test_a_second_before_the_load_is_none_of_it(tmp_path: Path) -> None:
    """What a worker tells a little later of the time when its agents were still connecting is no gap of the load."""
    stage = Pretending()

    def groups() -> tuple[int, int]:
        stage.rows.append({"worker": "a", "connections": 0, "has_begun": False})
        return 1, 0

    stage.groups = groups  # type: ignore[method-assign]
    conducted(stage, tmp_path, 0.2)
    told = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    load = next(at for at, row in enumerate(told) if row.get("phase") == "load")
    assert any("connections" in row for row in told[:load])
    assert not any("connections" in row for row in told[load:])
