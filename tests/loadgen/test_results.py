"""What a run comes to, and how a person reads it."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import msgspec
import pytest
from rich.console import Console

from loadgen.arrivals import parse_arrivals
from loadgen.measure.statistics import Statistics
from loadgen.objectives import parse_objective
from loadgen.plan import Plan
from loadgen.results import ExitCode, Results, results_of
from loadgen.terminal import render

FINDING = {
    "requirement": "task/stream-relayed",
    "level": "MUST",
    "basis": "stated",
    "is_binding": True,
    "statement": "A chunk reaches the other participant.",
    "count": 2,
    "examples": [{"topic": "task:1", "expected": "one", "observed": "none", "facts": []}],
}


def process(
    *, ok: int = 10, cpu: float = 0.2, findings: tuple[dict[str, Any], ...] = (), is_complete: bool = True
) -> dict[str, Any]:
    statistics = Statistics()
    for name in (("act", "task-streaming"), ("task", "output_stream")):
        figures = statistics.of(*name)
        figures.sent = figures.ok = ok
        for value in range(ok):
            figures.took(1_000 + value)
    stream = statistics.of("task", "output_stream")
    stream.relays = stream.delivered = ok
    statistics.load_is_over()
    return {
        "process": 0,
        "statistics": statistics.to_json(),
        "losses": {"close 1000": 1},
        "acts": {"started": 10, "finished": 10, "waited": 0, "due": 10},
        "groups": {"opened": 5, "failed": 0},
        "memory": {"base_kib": 1, "agents_kib": 1, "agents": 10},
        "faults": [],
        "health": {
            "lags": [[100, 50]],
            "seconds": [{"span_s": 1.0, "cpu": cpu, "lag_p99_us": 100, "lag_max_us": 100}] * 3,
        },
        "judge": {
            "facts": 100,
            "findings": list(findings),
            "cpu_s": 0.5,
            "is_complete": is_complete,
            **({} if is_complete else {"fault": "the judge could not keep up"}),
        },
    }


def results(
    *processes: dict[str, Any],
    objectives: tuple[str, ...] = (),
    arrivals: str = "10/s",
    wanted: int = 1,
    seen: int = 0,
) -> Results:
    plan = Plan(
        "ws://127.0.0.1:1",
        "ws://127.0.0.1:1",
        "task-streaming",
        parse_arrivals(arrivals, 2),
        2.0,
        10,
        processes=wanted,
    )
    outcome = {
        "opening_s": 0.5,
        "load_s": 2.0,
        "is_interrupted": False,
        "note": None,
        "processes": list(processes),
    }
    return results_of(plan, outcome, [parse_objective(text) for text in objectives], seen=seen)


@pytest.mark.parametrize(
    ("processes", "objectives", "code"),
    [
        ((process(),), ("lost(task.*) == 0",), ExitCode.REACHED),
        ((process(),), ("rate(task.*) > 1000/s",), ExitCode.MISSED),
        ((process(findings=(FINDING,)),), (), ExitCode.MISSED),
        ((process(findings=({**FINDING, "is_binding": False},)),), (), ExitCode.REACHED),
        ((process(ok=0),), (), ExitCode.COULD_NOT_TEST),
        ((), (), ExitCode.COULD_NOT_TEST),
        ((process(cpu=0.99),), ("p99(task.*) < 1s",), ExitCode.INCONCLUSIVE),
        ((process(cpu=0.99),), ("lost(task.*) == 0",), ExitCode.REACHED),
        ((process(is_complete=False),), ("findings(*) == 0",), ExitCode.INCONCLUSIVE),
        ((process(is_complete=False),), (), ExitCode.INCONCLUSIVE),
        ((process(is_complete=False, findings=(FINDING,)),), (), ExitCode.MISSED),
    ],
)
def test_a_run_comes_to_an_exit_code(
    processes: tuple[dict[str, Any], ...], objectives: tuple[str, ...], code: ExitCode
) -> None:
    """A broken requirement or a missed objective is 1, nothing that succeeded 3, what cannot be told 4."""
    assert results(*processes, objectives=objectives).exit_code is code


def test_processes_are_put_together() -> None:
    """Counts add up, findings of the same requirement are one, and rates are those of all."""
    both = results(process(findings=(FINDING,)), process(findings=(FINDING,)))
    told = both.to_json()
    assert [(row["requirement"], row["count"]) for row in both.findings] == [("task/stream-relayed", 4)]
    [stream] = [event for event in told["events"] if event["name"] == "task.output_stream"]
    assert (stream["ok"], stream["rate_per_s"], stream["response"]["count"]) == (20, 10.0, 20)
    assert (told["achieved"], told["losses"], told["judged_facts"]) == (1.0, {"close 1000": 2}, 200)


@pytest.mark.parametrize(
    ("arrivals", "processes", "due", "started", "achieved"),
    [
        ("1000/s+poisson", 1, 1_950, 1_950, 1.0),
        ("1000/s+poisson", 1, 2_050, 2_050, 1.0),
        ("1000/s+poisson", 1, 1_950, 1_872, 0.96),
        ("1000/s+poisson", 1, 1_500, 1_500, 0.75),
        ("1000/s+poisson", 1, 0, 0, 0.0),
        ("10/s", 1, 19, 19, 0.95),
        ("10.25/s", 1, 20, 20, 1.0),
        ("10/s", 2, 19, 19, 1.0),
        ("10/s", 2, 18, 18, 0.9),
        ("closed", 1, 0, 10, None),
    ],
)
def test_what_chance_has_not_sent_was_not_offered(
    arrivals: str, processes: int, due: int, started: int, achieved: float | None
) -> None:
    """Arrivals that vary are held against those that came, unless these are fewer than chance can explain."""
    told = process()
    told["acts"] = {"started": started, "finished": started, "waited": 0, "due": due}
    idle = {**process(), "acts": {"started": 0, "finished": 0, "waited": 0, "due": 0}}
    run = results(told, *[idle] * (processes - 1), arrivals=arrivals, wanted=processes)
    assert run.achieved == achieved
    assert run.to_json()["offered"] == run.offered


def test_what_a_generator_never_got_to_was_offered() -> None:
    """It is no merit of a generator that it was too late to let somebody arrive."""
    told = process()
    told["acts"] = {"started": 1_900, "finished": 1_900, "waited": 0, "due": 1_900, "offered": 2_000}
    assert results(told, arrivals="1000/s+poisson").achieved == 0.95


def test_what_was_not_judged_to_its_end_is_said() -> None:
    """A judge that was left behind is a note, and the run is not judged."""
    behind = results(process(is_complete=False))
    assert not behind.is_judged
    assert "could not keep up" in behind.notes[0]


@pytest.mark.parametrize(
    ("objectives", "code"),
    [
        ((), ExitCode.INCONCLUSIVE),
        (("lost(task.*) == 0",), ExitCode.INCONCLUSIVE),
        (("findings(*) == 0",), ExitCode.INCONCLUSIVE),
        (("p99(task.*) < 1s",), ExitCode.INCONCLUSIVE),
        (("ok(task.*) < 10",), ExitCode.MISSED),
    ],
)
def test_a_process_that_told_nothing_is_no_success(objectives: tuple[str, ...], code: ExitCode) -> None:
    """What it has seen is unknown: only what the others have seen too much of is sure."""
    for short in (
        results(process(), objectives=objectives, wanted=2),
        results(process(), objectives=objectives, seen=2),
    ):
        assert (short.exit_code, short.is_judged, short.missing) == (code, False, 1)
        assert short.to_json()["missing_processes"] == 1
        assert "1 of 2 processes have not told" in short.notes[0]
    assert results(process(), process(), objectives=("lost(task.*) == 0",), wanted=2, seen=2).is_judged


@pytest.mark.parametrize(
    ("objectives", "code"),
    [
        ((), ExitCode.INCONCLUSIVE),
        (("lost(task.*) == 0",), ExitCode.INCONCLUSIVE),
        (("ok(task.*) < 10",), ExitCode.MISSED),
    ],
)
def test_an_interrupted_run_is_no_success(objectives: tuple[str, ...], code: ExitCode) -> None:
    """What held until then might not have held until the end, and who reads the report is told."""
    early = replace(results(process(), objectives=objectives), is_interrupted=True)
    assert early.exit_code is code
    shown = StringIO()
    render(early.to_json(), Console(file=shown, width=160))
    assert "interrupted after 2.0 s of load" in shown.getvalue()


def test_who_wants_no_judge_misses_none() -> None:
    """With --no-judge nothing is said of requirements, and nothing is lacking."""
    unjudged = process()
    del unjudged["judge"]
    run = results(unjudged, objectives=("lost(task.*) == 0",))
    assert replace(run, plan=msgspec.structs.replace(run.plan, judge=False)).exit_code is ExitCode.REACHED


def test_each_process_needs_its_judge() -> None:
    """One that was not judged is not made good by another that was."""
    unjudged = process()
    del unjudged["judge"]
    both = results(process(), unjudged, objectives=("findings(*) == 0",), wanted=2)
    assert (both.is_judged, both.exit_code) == (False, ExitCode.INCONCLUSIVE)


def test_who_could_not_be_opened_is_missed() -> None:
    """A load of fewer agents than were asked for is not told as one of all of them."""
    told = results({**process(), "groups": {"opened": 3, "failed": 7}}).to_json()
    shown = StringIO()
    render(told, Console(file=shown, width=160))
    assert "only 3 of 10 groups of agents were ready" in shown.getvalue()
    render({**told, "groups": {"opened": 3, "failed": 0}, "load_s": 0.0}, Console(file=shown, width=160))
    assert "not all, but 3 groups of agents, were ready" in shown.getvalue()
    assert "; all were" not in shown.getvalue()


def test_a_person_reads_what_matters() -> None:
    """Findings, objectives, notes and the health of the generator stand in the terminal."""
    shown = StringIO()
    told = results(process(cpu=0.99, findings=(FINDING,)), objectives=("p99(task.*) < 1s",)).to_json()
    render(told, Console(file=shown, width=160))
    for part in (
        "open model (10/s)",
        "broken: task/stream-relayed (2)",
        "cannot tell",
        "latency is not valid",
        "output_stream",
    ):
        assert part in shown.getvalue()


@pytest.mark.parametrize(
    ("stamps", "until"),
    [((True, True), "kernel"), ((False,), "read"), ((True, False), "mixed"), ((None,), "read"), ((), "read")],
)
def test_it_is_told_where_latencies_end(stamps: tuple[bool | None, ...], until: str) -> None:
    """With the kernel's stamp only where every process has them; runs from before say nothing."""
    processes = [process() | ({} if has is None else {"has_stamps": has}) for has in stamps]
    assert results(*processes, wanted=len(processes)).to_json()["latency_until"] == until


@pytest.mark.parametrize(
    ("seconds", "mean", "most"),
    [
        ([(0.001, 1.0), (1.0, 0.1), (1.0, 0.2)], 0.15, 0.2),
        ([(0.25, 0.4)], 0.4, 0.4),
        ([(0.4, 1.0), (1.2, 0.2)], 0.4, 0.4),
        ([], 0.0, 0.0),
    ],
)
def test_a_moment_is_no_second(seconds: list[tuple[float, float]], mean: float, most: float) -> None:
    """What a process took of its core counts by how long it did."""
    told = process()
    told["health"]["seconds"] = [
        {"cpu": cpu, "awake": 0.0, "lag_p99_us": 1, "lag_max_us": 1, "span_s": span_s}
        for span_s, cpu in seconds
    ]
    [generator] = results(told).to_json()["generator"]
    assert (generator["cpu_mean"], generator["cpu_max"]) == (
        pytest.approx(mean, abs=0.001),
        pytest.approx(most),
    )


def test_what_it_takes_to_be_awake_is_shown_apart() -> None:
    """A reader sees what the generator's work took of its core, and what it took to be in time for it."""
    told = process()
    told["health"]["seconds"] = [{"cpu": 0.3, "awake": 0.6, "lag_p99_us": 1, "lag_max_us": 1, "span_s": 1.0}]
    summary = results(told).to_json()
    assert (summary["generator"][0]["cpu_mean"], summary["generator"][0]["awake_mean"]) == (0.3, 0.6)
    assert summary["is_latency_valid"]
    shown = StringIO()
    render(summary, Console(file=shown, width=160))
    assert "30% of a core (at most 30%) and 60% to be awake in time" in shown.getvalue()


def test_a_process_that_was_ended_early_is_no_success() -> None:
    """It has told what it had until then; what it would have asked for afterwards, nobody has."""
    told = results(process(), process() | {"has_left": True}, wanted=2)
    assert told.exit_code is ExitCode.INCONCLUSIVE
    assert told.notes == ["1 of 2 processes were ended before the load was over"]
    assert results(process(), process() | {"has_left": False}, wanted=2).exit_code is ExitCode.REACHED
