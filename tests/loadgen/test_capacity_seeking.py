"""A search from its first step to its answer, before servers that only pretend."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest

from loadgen.capacity.answer import Answer, ExitCode
from loadgen.capacity.search import Search, Verdict
from loadgen.capacity.seeking import Seeking
from loadgen.command import Errand
from loadgen.faults import CannotTest
from loadgen.measure.statistics import Statistics
from loadgen.plan import Plan
from loadgen.results import Results
from loadgen.target import Target
from tests.loadgen.test_capacity import PLAN, results


def carried(plan: Plan, capacity_per_s: float, agents_carry_per_s: float) -> Results:
    """A run before a server, with agents, that carry so much: what is more waits."""
    [rate] = {segment.from_per_s for segment in plan.arrivals.segments}
    carried_per_s = min(rate, capacity_per_s, agents_carry_per_s)
    count, due = round(10 * carried_per_s), round(10 * rate)
    # Close to its edge a server lets pushes wait as well.
    service_us = 100_000 if rate > capacity_per_s else 60_000 if rate > 0.9 * capacity_per_s else 2_000
    statistics = Statistics()
    for family, event in (("task", "checkpoint"), ("act", "pushes")):
        figures = statistics.of(family, event)
        figures.sent = figures.ok = figures.in_time = count
        for _ in range(count):
            figures.took_late(service_us)
            figures.took_in_all(service_us if rate == carried_per_s else 5_000_000)
    acts = Counter(started=count, finished=count, due=due)
    return results(plan=plan, statistics=statistics, acts=acts)


def seek(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    first: float,
    capacity_per_s: float,
    agents_carry_per_s: float,
    dies_at_per_s: float = math.inf,
) -> Answer:
    def carry_out(errand: Errand) -> Results:
        if errand.plan.arrivals.segments[0].from_per_s >= dies_at_per_s:
            raise CannotTest("Connection refused")
        made = carried(errand.plan, capacity_per_s, agents_carry_per_s)
        errand.on_row({"phase": "load", "at_s": 0.0})  # type: ignore[misc]
        for second in range(1, 11):
            share = second / 10
            event = {
                "name": "task.checkpoint",
                "sent": made.acts["started"] / 10,
                "ok": made.acts["started"] / 10,
            }
            row = {"worker": "local", "at_s": float(second), "events": [event], "health": {"span_s": 1.0}}
            errand.on_row(row | {"started": made.acts["started"] * share, "due": made.acts["due"] * share})  # type: ignore[misc]
        return made

    monkeypatch.setattr("loadgen.capacity.seeking.carry_out", carry_out)
    search = Search(first, 100_000, precision=0.5, repeats=1)
    watched = (nullcontext(), lambda _row: None)
    target = Target("ws://x", "")
    seeking = Seeking(PLAN, search, [], target, 10, 10, 3.0, lambda _step: None, lambda _plan: watched)
    return seeking.run(folder)


def test_a_search_that_begins_above_the_edge_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Steps before the first that holds accuse nobody until it has shown how fast the server is."""
    found = seek(monkeypatch, tmp_path, 4_000, capacity_per_s=500, agents_carry_per_s=10_000)
    assert (found.capacity_per_s, found.exit_code) == (500, ExitCode.FOUND)
    found = seek(monkeypatch, tmp_path / "again", 4_000, capacity_per_s=500, agents_carry_per_s=500)
    assert (found.capacity_per_s, found.exit_code) == (500, ExitCode.FOUND)
    assert {reason.kind for each in found.steps for reason in each.reasons} == {"achieved"}


def test_a_search_that_begins_with_too_few_agents_accuses_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Once a load holds, the agents are the limit of those before, which say so."""
    found = seek(monkeypatch, tmp_path, 4_000, capacity_per_s=100_000, agents_carry_per_s=300)
    assert (found.capacity_per_s, found.search.holds_per_s) == (None, 250)
    assert (found.exit_code, found.search.unfit_per_s) == (ExitCode.UNTOLD, 500)
    assert not [each for each in found.steps if each.verdict is Verdict.GIVES_WAY]


def test_a_server_that_dies_takes_no_answer_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was found until then is told, with what gave way, and that it is not all; before anything was, there is none."""
    found = seek(monkeypatch, tmp_path, 500, 100_000, 100_000, dies_at_per_s=2_000)
    assert (found.capacity_per_s, found.search.holds_per_s) == (None, 1_000)
    assert found.exit_code is ExitCode.COULD_NOT_TEST
    assert "Connection refused" in found.told
    with pytest.raises(CannotTest):
        seek(monkeypatch, tmp_path / "again", 4_000, 100_000, 100_000, dies_at_per_s=2_000)
