"""What a search comes to, and `wireproof capacity` as a user runs it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from loadgen.arrivals import parse_arrivals
from loadgen.capacity.answer import Answer, ExitCode, knee_of
from loadgen.capacity.cli import app
from loadgen.capacity.search import Search, Verdict
from loadgen.capacity.step import Measured, Reason, Step, Window, judged, samples_for
from loadgen.measure.statistics import Statistics
from loadgen.objectives import Outcome, parse_objective
from loadgen.plan import Plan
from loadgen.results import Results
from tests.conftest import ROOT, RunningServer

Run = Callable[..., subprocess.CompletedProcess[str]]
LIMITED = [str(ROOT / "tests" / "benchmarks" / "load_peers" / "limited_server.py")]
PLAN = Plan("ws://x", "ws://x", "pushes", parse_arrivals("100/s", 10), 10, 2)


def results(**changes: Any) -> Results:
    """A run of 10 s at 100/s whose pushes were all answered."""
    statistics = Statistics()
    for family, event in (("task", "checkpoint"), ("act", "pushes")):
        figures = statistics.of(family, event)
        figures.sent = figures.ok = figures.in_time = 1_000
        for _ in range(1_000):
            figures.took(2_000)
    health = [{"lags": [], "seconds": [{"span_s": 1.0, "cpu": 0.2}] * 10}]
    acts = Counter(started=1_000, finished=1_000, due=1_000)
    made = Results(
        PLAN, 0.1, 10.0, False, [], statistics, Counter(), acts, Counter(opened=1), health, [{}], [], [], []
    )
    return replace(made, **changes)


def window(ok: int = 100, started: int = 100) -> Window:
    """Progress in which so many of 100 pushes, and of 100 arrivals, came through each second."""
    seen = Window(10)
    seen.see({"phase": "load", "at_s": 50.0})
    for second in range(1, 11):
        events = [
            {"name": "task.checkpoint", "sent": 100, "ok": ok},
            {"name": "act.pushes", "sent": 7, "ok": 0},
        ]
        row = {"worker": "local", "events": events, "started": started * second, "due": 100 * second}
        row["health"] = {"span_s": 1.0}
        seen.see({"at_s": 50.0 + second, **row})
    seen.see({"phase": "drain", "at_s": 60.0})
    seen.see({"at_s": 61.0, "worker": "local", "events": [], "started": 0, "due": 0})
    return seen


def step(seen: Window, holding_ms: float | None = 2.0, **changes: Any) -> Step:
    return judged(Measured(results(**changes), seen, 100.0, 1_000, holding_ms, "steps/01-100"))


def test_a_load_that_is_answered_holds() -> None:
    """All of what was offered was answered by ok."""
    held = step(window())
    assert (held.verdict, held.achieved, held.samples, held.reasons) == (Verdict.HOLDS, 1.0, 1_000, ())
    assert held.p99_ms == pytest.approx(2, rel=0.001)


def test_a_queue_that_grows_gives_way_whatever_the_objectives() -> None:
    """Answers that come slower than pushes are a queue without end."""
    grown = step(window(ok=97))
    assert (grown.verdict, grown.achieved) == (Verdict.GIVES_WAY, 0.97)
    assert [reason.kind for reason in grown.reasons] == ["achieved"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"outcomes": [Outcome("p99(*) < 1ms", 2_000, "2.0ms", False)]}, "objective"),
        ({"losses": Counter({"close 1011": 1})}, "loss"),
        (
            {"judgements": [{"is_complete": True, "facts": 1, "findings": [{"requirement": "a/b", "is_binding": True, "count": 1}]}]},
            "requirement",
        ),
    ],
)  # fmt: skip
def test_each_thing_that_gives_way_is_told(changes: dict[str, Any], kind: str) -> None:
    """An objective, a connection or a requirement: none holds."""
    given = step(window(), **changes)
    assert given.verdict is Verdict.GIVES_WAY
    assert [reason.kind for reason in given.reasons] == [kind]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"health": [{"lags": [], "seconds": [{"span_s": 1.0, "cpu": 0.97}] * 10}]}, "cpu"),
        ({"acts": Counter(started=900, finished=900, due=900)}, "arrivals"),
        ({"outcomes": [Outcome("p99(*) < 1s", None, "?", None, "the generator was late")]}, "p99(*) < 1s"),
    ],
)
def test_a_generator_out_of_breath_accuses_nobody(changes: dict[str, Any], what: str) -> None:
    """Even where less was answered than offered, nothing is said of the server."""
    unfit = step(window(ok=100 if "outcomes" in changes else 50), **changes)
    assert unfit.verdict is Verdict.UNFIT
    assert [reason.what for reason in unfit.reasons] == [what]


def test_too_few_agents_are_told_from_a_slow_server() -> None:
    """Arrivals that find no agent are the pool's fault where answers come as fast as ever, else the server's."""
    assert step(window(started=80)).verdict is Verdict.UNFIT
    assert step(window(started=80), holding_ms=0.1).verdict is Verdict.GIVES_WAY


def test_waiting_for_an_agent_is_not_the_servers_time() -> None:
    """What an arrival waits before its push is sent is in the response time, and says nothing of the server."""
    statistics = Statistics()
    figures = statistics.of("task", "checkpoint")
    figures.sent = figures.ok = figures.in_time = 1_000
    for _ in range(1_000):
        figures.took_late(2_000)
        figures.took_in_all(900_000)
    waited = step(window(started=80), statistics=statistics)
    assert (waited.verdict, waited.p99_ms) == (Verdict.UNFIT, pytest.approx(900, rel=0.01))
    assert [reason.what for reason in waited.reasons] == ["too few agents"]


def test_without_a_load_that_holds_nobody_is_named() -> None:
    """The search has to go down, and says that neither the server nor the agents are known to be the limit."""
    early = step(window(started=80), holding_ms=None)
    assert early.verdict is Verdict.GIVES_WAY
    assert [reason.kind for reason in early.reasons] == ["agents"]
    refused = step(window(started=80, ok=50), holding_ms=None)
    assert [reason.kind for reason in refused.reasons] == ["agents", "achieved"]


def test_a_generator_that_was_late_cannot_blame_the_server_for_busy_agents() -> None:
    """Where latency is not valid, it is not known why no agent was free."""
    late = step(window(started=80), bottlenecks=["generator process 0 was late"])
    assert (late.verdict, late.service_ms) == (Verdict.UNFIT, None)
    assert late.reasons[0].kind == "generator"


def test_a_step_that_lacks_a_process_says_nothing() -> None:
    """What one of two processes has seen is not known."""
    short = step(window(), missing=1)
    assert (short.verdict, short.reasons[0].what) == (Verdict.UNFIT, "processes")


@pytest.mark.parametrize(("due", "verdict"), [(3, Verdict.GIVES_WAY), (2, Verdict.UNFIT)])
def test_an_arrival_that_chance_has_put_off_accuses_no_generator(due: int, verdict: Verdict) -> None:
    """Of 3.125 arrivals three come; a server that answers none of so few is to blame all the same."""
    slow = msgspec.structs.replace(PLAN, arrivals=parse_arrivals("1.5625/s", 2.0))
    made = results(plan=slow, statistics=Statistics(), acts=Counter(started=due, finished=due, due=due))
    assert judged(Measured(made, window(0), 1.5625, 100, None, "")).verdict is verdict


def test_what_found_no_connection_was_not_answered() -> None:
    """A push that could not be sent was offered all the same."""
    seen = Window(1)
    seen.see({"phase": "load", "at_s": 0.0})
    counts = {"started": 0, "due": 0}
    seen.see({"worker": "a", "at_s": 0.5, "events": [], "health": {"span_s": 0.5}, **counts})
    event = {"name": "task.checkpoint", "sent": 75, "ok": 75, "errors": 25}
    seen.see({"worker": "a", "at_s": 1.0, "events": [event], "health": {"span_s": 0.5}, **counts})
    assert seen.answered_share == 0.75


def test_what_is_answered_a_second_is_that_of_the_step() -> None:
    """Neither what comes while the queue is worked off afterwards counts, nor what comes before it has filled."""
    assert step(window(ok=50)).answered_per_s == 50.0


def test_a_percentile_needs_samples() -> None:
    """So many that a hundred lie beyond it."""
    objectives = [parse_objective("p90(task.*) < 1s"), parse_objective("errors(*) == 0")]
    assert samples_for(objectives) == 1_000
    assert samples_for([*objectives, parse_objective("p99.9(task.*) < 1s")]) == 100_000


def at(rate: float, p99_ms: float | None, achieved: float = 1.0, reasons: tuple[Reason, ...] = ()) -> Step:
    verdict = Verdict.GIVES_WAY if reasons or achieved < 0.98 else Verdict.HOLDS
    return Step(rate, verdict, 10.0, achieved, rate * achieved, 1_000, 1_000, p99_ms, reasons, "x")


@pytest.mark.parametrize(
    ("steps", "rate", "is_passed"),
    [
        ([at(100, 2), at(200, 5), at(400, 7)], 200, True),
        ([at(100, 2), at(400, 5, 0.94), at(200, 5)], 200, True),
        ([at(100, 2), at(200, 5)], 200, False),
        ([at(100, 2), at(200, 9), at(200, 3), at(200, 3), at(400, 9)], 200, True),
        ([at(100, None), at(200, 5)], None, False),
        ([], None, False),
    ],
)
def test_the_knee_is_where_the_rule_says(steps: list[Step], rate: float | None, is_passed: bool) -> None:
    """Latency within three times that of the lowest step, and 95 % achieved; the median of steps at one rate counts."""
    knee = knee_of(steps, 3)
    assert (knee.rate_per_s, knee.is_passed) == (rate, is_passed)


def answer(steps: list[Step], **changes: Any) -> Answer:
    search = Search(50, 1_000)
    for each in steps:
        search.take(each.rate_per_s, each.verdict)
    return replace(Answer(PLAN, "ws://x", search, steps, [], 3.0, False), **changes)


def test_the_answer_names_what_gave_way_first() -> None:
    """It is what failed at the smallest load that does not hold."""
    first, later = Reason("objective", "p99", "p99: 300 ms"), Reason("loss", "close", "close 1")
    found = answer([at(100, 2), at(200, 9, reasons=(later, first)), at(150, 9, reasons=(first,))])
    assert (found.capacity_per_s, found.exit_code, found.gave_way) == (100, ExitCode.FOUND, (first,))
    assert "100/s holds, 150/s gives way" in found.told


def test_a_limit_of_the_generator_names_no_capacity() -> None:
    """It says so, with exit code 4, unless what was asked for was seen to hold."""
    unfit = replace(at(200, None), verdict=Verdict.UNFIT, reasons=(Reason("generator", "cpu", "busy"),))
    found = answer([at(100, 2), unfit, unfit, unfit])
    assert (found.capacity_per_s, found.exit_code) == (None, ExitCode.UNTOLD)
    assert "no capacity is named" in found.told
    assert found.gave_way == unfit.reasons
    assert replace(found, asked_per_s=80.0).exit_code is ExitCode.FOUND


def test_agents_that_were_always_too_few_accuse_nobody() -> None:
    """No load holds, and nothing else is known against the server: exit code 4, and the line says what to do."""
    short = replace(
        at(100, 2), verdict=Verdict.GIVES_WAY, reasons=(Reason("agents", "agents", "20 % waited"),)
    )
    found = answer([short])
    assert (found.capacity_per_s, found.exit_code, found.gave_way) == (None, ExitCode.UNTOLD, short.reasons)
    assert "--agents" in found.told
    broken = replace(short, reasons=(*short.reasons, Reason("loss", "close", "close 1")))
    assert answer([broken]).exit_code is ExitCode.TOO_SMALL


def test_less_than_asked_for_is_exit_code_1() -> None:
    """So is a server that carries nothing."""
    assert answer([at(100, 2), at(102, 9, 0.5)], asked_per_s=200.0).exit_code is ExitCode.TOO_SMALL
    assert answer([at(100, 2, 0.5)]).exit_code is ExitCode.TOO_SMALL


def test_the_capacity_of_a_limited_server_is_found(
    wireproof: Run, start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    """600 a second, and what is more refused: 500 hold, 750 and 1,000 do not; every step is a run in the folder."""
    # A burst is let through: on a busy machine arrivals come late, and then together.
    server = start_server("--rate", "600", "--refuses", "--spare-s", "0.5", command=LIMITED)
    options = [
        "--scenario",
        "pushes",
        "--agents",
        "4",
        "--provision",
        "invented",
        "--no-judge",
        "--from",
        "1000",
    ]
    options += ["--precision", "0.5", "--repeats", "1", "--shortest-step", "3s", "--longest-step", "3s"]
    done = wireproof("capacity", server.url, *options, "--run-dir", "run", "--json")
    assert done.returncode == 0, (done.stdout[-3_000:], done.stderr[-2_000:])
    told = json.loads(done.stdout)
    assert (told["capacity_per_s"], told["gives_way_per_s"]) == (500, 750)
    assert told["gave_way"][0]["kind"] == "objective"
    folders = {row["folder"] for row in told["steps"]}
    assert len(folders) == len(told["steps"]) >= 3
    assert all((tmp_path / "run" / folder / "load.json").exists() for folder in folders)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--shortest-step", "9s", "--longest-step", "8s"], "--longest-step"),
        (["--from", "9", "--to", "8"], "--to"),
        (["--objective", "fast"], "objective"),
        (["--agents", "3"], "client, provider"),
        (["ws://192.0.2.1", "--control-token", "x"], "--i-own-this-target"),
    ],
)
def test_wrong_usage_is_one_line(options: list[str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is exit code 2 and says what is wrong."""
    monkeypatch.setattr("loadgen.cli.signal.signal", lambda *_: None)
    done = CliRunner().invoke(app, options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
