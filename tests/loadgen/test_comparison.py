"""Two runs compared."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from loadgen.comparison.cli import app
from loadgen.comparison.comparing import Comparison, Verdict, compare
from loadgen.comparison.intervals import (
    autocorrelation,
    difference,
    mean_of,
    percentile_of,
    quantile,
    series_error,
    share_above,
    share_of,
)
from loadgen.comparison.runs import Run, read_run
from loadgen.measure.histogram import Histogram
from loadgen.measure.statistics import SKETCH, Figures

SUMMARY: dict[str, Any] = {
    "format": 1, "scenario": "pushes", "parameters": {}, "agents": 2, "model": "open", "arrivals": "300/s",
    "bottlenecks": [], "is_interrupted": False, "is_latency_valid": True, "findings": [],
    "is_judged": True, "missing_processes": 0,
}  # fmt: skip
ROOT = Path(__file__).parents[2]
RATE, SECONDS = 300, 40
PUSH = "task.checkpoint"


def simulated(seed: int, service_us: float = 2_000, **summary: Any) -> Run:
    """A run before a queue with one server that now and then pauses: latencies of neighbours resemble each other."""
    random = Random(seed)  # noqa: S311 - no secret
    figures, rows, waiting_us = Figures("task", "checkpoint"), [], 0.0
    for _ in range(SECONDS):
        latencies = []
        for _ in range(RATE):
            pause_us = 150_000 if random.random() < 0.0003 else 0.0
            waiting_us = max(0.0, waiting_us - random.expovariate(RATE / 1e6)) + service_us + pause_us
            latencies.append(round(waiting_us))
            figures.took(latencies[-1])
        latencies.sort()
        response = {"sketch_us": [latencies[(RATE - 1) * percent // 100] for percent in SKETCH]}
        event = {"name": PUSH, "sent": RATE, "ok": RATE, "errors": 0, "response": response}
        rows.append({"events": [event], "health": {"span_s": 1.0}})
    figures.sent = figures.ok = RATE * SECONDS
    return Run({**SUMMARY, **summary}, {PUSH: figures}, {"local": rows})


def verdicts(comparison: Comparison) -> dict[str, Verdict]:
    return {each.name: each.verdict for each in comparison.differences}


def test_runs_of_one_server_seldom_differ() -> None:
    """Of 30 pairs hardly any is called worse or better, though each run has its own pauses: 1 in 20 is what was promised."""
    accused = 0
    for seed in range(30):
        found = verdicts(compare(simulated(seed), simulated(1_000 + seed), 0.95, 0.0))
        accused += not set(found.values()) <= {Verdict.NOISE}
    assert accused <= 4


def test_a_slower_server_is_told() -> None:
    """A fifth more time for each push is seen in each of 5 pairs, and the other way round it is better."""
    for seed in range(5):
        base, other = simulated(seed), simulated(1_000 + seed, 2_400)
        assert verdicts(compare(base, other, 0.95, 0.05))[f"{PUSH} response p50"] is Verdict.WORSE
        assert verdicts(compare(other, base, 0.95, 0.05))[f"{PUSH} response p50"] is Verdict.BETTER


def test_what_does_not_matter_is_slight() -> None:
    """It is told, and is no reason for exit code 1."""
    found = compare(simulated(1), simulated(2, 2_400), 0.95, 5.0)
    assert verdicts(found)[f"{PUSH} response p50"] is Verdict.SLIGHT
    assert found.exit_code == 0


def test_errors_and_losses_are_compared() -> None:
    """A share of errors that rose beyond chance is worse, and so is a first lost relay."""
    base, other = simulated(1), simulated(2)
    other.figures[PUSH].errors["timeout"] = 40
    other.figures[PUSH].broken["lost"] = 1
    found = compare(base, other, 0.95, 0.05)
    assert verdicts(found)[f"{PUSH} errors"] is Verdict.WORSE
    assert verdicts(found)[f"{PUSH} lost"] is Verdict.WORSE
    assert found.exit_code == 1
    other.figures[PUSH].errors["timeout"] = 1
    assert verdicts(compare(base, other, 0.95, 0.05))[f"{PUSH} errors"] is Verdict.NOISE


def test_latencies_that_end_elsewhere_are_not_compared() -> None:
    """A run with the kernel's stamps has no waking up in its latencies, one without has: no server has become slower by that."""
    base, other = simulated(1, latency_until="kernel"), simulated(2, 2_600)
    found = compare(base, other, 0.95, 0.05)
    assert [each.name for each in found.differences if each.unit == "ms"] == []
    [untold] = found.untold
    assert "kernel and read" in untold
    assert found.exit_code == 4
    same = compare(base, simulated(2, 2_600, latency_until="kernel"), 0.95, 0.05)
    assert same.untold == []
    assert same.exit_code == 1


def failing(seed: int, by_second: dict[int, int], **summary: Any) -> Run:
    """A run in which so many pushes of some seconds failed."""
    run = simulated(seed, **summary)
    for second, errors in by_second.items():
        [event] = run.seconds["local"][second]["events"]
        event["errors"], event["ok"] = errors, event["ok"] - errors
    figures = run.figures[PUSH]
    figures.errors["timeout"] = sum(by_second.values())
    figures.ok -= sum(by_second.values())
    return run


def test_errors_of_one_outage_count_once() -> None:
    """40 errors of one second and 90 of another are an outage in each run; as many that come all the time are worse."""
    outages = compare(failing(1, {7: 40}), failing(2, {30: 90}), 0.95, 0.05)
    assert verdicts(outages)[f"{PUSH} errors"] is Verdict.NOISE
    spread = compare(
        failing(1, dict.fromkeys(range(SECONDS), 1)), failing(2, dict.fromkeys(range(SECONDS), 3)), 0.95, 0.05
    )
    assert verdicts(spread)[f"{PUSH} errors"] is Verdict.WORSE


def test_errors_of_all_processes_in_one_second_are_one_outage() -> None:
    """Many processes do not make the same outage more sure."""

    def split(seed: int, second: int, errors: int) -> Run:
        run = failing(seed, {second: errors})
        rows = run.seconds["local"]
        parts = {}
        for worker in range(10):
            parts[f"{worker}"] = [
                {
                    **row,
                    "events": [
                        {**event, "ok": event["ok"] / 10, "errors": event["errors"] / 10}
                        for event in row["events"]
                    ],
                }
                for row in rows
            ]
        return Run(run.summary, run.figures, parts)

    found = compare(split(1, 7, 40), split(2, 30, 90), 0.95, 0.05)
    assert verdicts(found)[f"{PUSH} errors"] is Verdict.NOISE


@pytest.mark.parametrize(
    ("was", "now", "verdict"),
    [
        (1, 10_000, Verdict.WORSE),
        (10_000, 1, Verdict.BETTER),
        (40, 90, Verdict.SLIGHT),
        (3, 5, Verdict.NOISE),
        (0, 1, Verdict.WORSE),
        (1, 0, Verdict.BETTER),
    ],
)
def test_losses_of_both_runs_are_compared_as_shares(was: int, now: int, verdict: Verdict) -> None:
    """That it shows is no chance; how often is partly, since one outage loses many at once."""
    base, other = simulated(1), simulated(2)
    for run, lost in ((base, was), (other, now)):
        run.figures[PUSH].relays, run.figures[PUSH].broken["lost"] = 12_000, lost
    assert verdicts(compare(base, other, 0.95, 0.05))[f"{PUSH} lost"] is verdict


def test_a_requirement_that_is_newly_broken_is_worse() -> None:
    """One that was broken before is not."""
    broken = [{"requirement": "task/stream-relayed", "is_binding": True, "count": 3}]
    base, other = simulated(1), simulated(2, findings=broken)
    assert verdicts(compare(base, other, 0.95, 0.05))["task/stream-relayed broken"] is Verdict.WORSE
    assert verdicts(compare(other, other, 0.95, 0.05))["task/stream-relayed broken"] is Verdict.NOISE


def test_a_run_that_nobody_judged_is_not_better() -> None:
    """No finding says nothing where nobody has looked; one that is there is real all the same."""
    broken = [{"requirement": "task/stream-relayed", "is_binding": True, "count": 3}]
    bad, unjudged = simulated(1, findings=broken), simulated(2, is_judged=False)
    found = compare(bad, unjudged, 0.95, 0.05)
    assert "task/stream-relayed broken" not in verdicts(found)
    assert "the other run was not judged to its end" in found.notes[0]
    assert "task/stream-relayed broken" not in verdicts(compare(unjudged, bad, 0.95, 0.05))
    behind = simulated(2, is_judged=False, findings=broken)
    assert verdicts(compare(simulated(1), behind, 0.95, 0.05))["task/stream-relayed broken"] is Verdict.WORSE


def test_a_run_that_lacks_a_process_is_noted() -> None:
    """Its figures are those of a part."""
    [note] = compare(simulated(1), simulated(2, missing_processes=1), 0.95, 0.05).notes
    assert note == "processes of the other run that have not told their results: 1"


def test_latency_that_is_not_valid_is_not_compared() -> None:
    """Neither run's latency is then used, and the note says why; other figures are compared all the same."""
    unfit = simulated(2, 9_000, is_latency_valid=False, bottlenecks=["generator process 0 was late"])
    found = compare(simulated(1), unfit, 0.95, 0.05)
    assert not [name for name in verdicts(found) if "response" in name]
    assert f"{PUSH} errors" in verdicts(found)
    assert "not valid" in found.notes[0]


def test_what_could_not_be_compared_is_no_success() -> None:
    """A gate that waits for runs that are not worse must not open where latency, or nothing at all, was compared."""
    unfit = simulated(2, is_latency_valid=False, bottlenecks=["generator process 0 was late"])
    assert compare(simulated(1), unfit, 0.95, 0.05).exit_code == 4
    assert compare(unfit, simulated(1), 0.95, 0.05).exit_code == 4
    one = simulated(1)
    other = Run(one.summary, {"task.cancel": one.figures[PUSH]}, {})
    assert compare(one, other, 0.95, 0.05).exit_code == 4
    assert compare(one, simulated(2), 0.95, 0.05).exit_code == 0


def test_runs_that_were_not_asked_for_the_same_are_noted() -> None:
    """Another number of agents is no fault of the server."""
    assert compare(simulated(1), simulated(2, agents=4), 0.95, 0.05).notes == [
        "the runs differ in agents: 2 and 4"
    ]


def test_too_few_samples_have_no_percentile() -> None:
    """Ten must lie beyond it."""
    few = Histogram()
    few.add_all(range(1, 901))
    assert percentile_of(few, 99, [], 0.95) is None
    assert percentile_of(few, 50, [], 0.95) is not None
    assert mean_of([1.0, 2.0], 0.95) is None


def test_a_sketch_says_what_share_is_above() -> None:
    """Between its values it is interpolated; beyond them it is all or nothing."""
    sketch = [10.0 * percent for percent in SKETCH]
    shares = [share_above(value, sketch) for value in (-1, 0, 500, 525, 990, 1_000)]
    assert shares == pytest.approx([1, 1, 0.5, 0.475, 0.01, 0])


def test_seconds_that_resemble_each_other_count_for_less() -> None:
    """The same values in another order are less sure where neighbours are alike."""
    alike, mixed = [1.0] * 10 + [2.0] * 10, [1.0, 2.0] * 10
    assert autocorrelation(alike) > 0.8 > 0 > autocorrelation(mixed)
    errors = [series_error([each]) for each in (alike, mixed)]
    assert errors[0] is not None
    assert errors[1] is not None
    assert errors[0].value > 2 * errors[1].value


@pytest.mark.parametrize(("freedom", "expected"), [(6, 2.447), (10, 2.228), (30, 2.042), (inf, 1.960)])
def test_quantiles_are_those_of_student(freedom: float, expected: float) -> None:
    """As the tables have them."""
    assert quantile(0.95, freedom) == pytest.approx(expected, rel=0.01)


def test_shares_have_the_interval_of_newcombe() -> None:
    """The example of his paper: 56 of 70 and 48 of 80 differ by 0.0524 to 0.3339."""
    low, high = difference(share_of(48, 80, 0.95), share_of(56, 70, 0.95))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_an_interval_holds_as_often_as_it_says() -> None:
    """Of medians of 1,000 samples of one law, the difference's interval has nothing in it in 19 of 20 pairs."""
    random, outside = Random(7), 0  # noqa: S311 - no secret
    for _ in range(400):
        estimates = []
        for _ in range(2):
            histogram = Histogram()
            histogram.add_all(round(random.lognormvariate(9, 0.5)) for _ in range(1_000))
            estimates.append(percentile_of(histogram, 50, [], 0.95))
        assert estimates[0] is not None
        assert estimates[1] is not None
        low, high = difference(estimates[0], estimates[1])
        outside += not low <= 0 <= high
    assert 8 <= outside <= 36


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str, int], Path]:
    """Write runs down as `wireproof load` does."""

    def write(name: str, seed: int, service_us: float = 2_000) -> Path:
        run = simulated(seed, service_us)
        path = tmp_path / name
        path.mkdir()
        (path / "load.json").write_text(json.dumps(run.summary))
        processes = [{"statistics": [each.to_json() for each in run.figures.values()]}]
        (path / "generator.json").write_text(json.dumps({"processes": processes}))
        rows: list[dict[str, Any]] = [
            {"phase": "load"},
            {"worker": "a", "events": [], "health": {"span_s": 1.0}},
        ]
        rows += [{"worker": "a", **row} for row in run.seconds["local"]]
        rows += [{"phase": "drain"}, {"worker": "a", "events": [], "health": {"span_s": 1.0}}]
        (path / "progress.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def test_a_folder_is_read_as_it_was_written(folder: Callable[..., Path]) -> None:
    """Only the seconds of the load are kept, without the first, which reaches back into the time before."""
    run = read_run(folder("a", 3))
    known = simulated(3)
    assert run.answered(PUSH) == known.answered(PUSH) == [RATE] * SECONDS
    assert run.figures[PUSH].histograms == known.figures[PUSH].histograms or (
        run.figures[PUSH].histograms["response"].counts == known.figures[PUSH].histograms["response"].counts
    )


def test_the_command_tells_and_decides(folder: Callable[..., Path]) -> None:
    """Exit code 1 where something is worse, 0 where nothing is; noise is shown only when asked for."""
    a, b, slow = folder("a", 1), folder("b", 2), folder("slow", 3, service_us=3_000)
    same = CliRunner().invoke(app, [str(a), str(b)])
    assert same.exit_code == 0
    assert "0 worse" in same.stdout
    worse = CliRunner().invoke(app, [str(a), str(slow), "--json"])
    told = json.loads(worse.stdout)
    assert (worse.exit_code, told["exit_code"]) == (1, 1)
    assert f"{PUSH} response p50" in CliRunner().invoke(app, [str(a), str(b), "--all"]).stdout


@pytest.mark.parametrize("options", ["--all", "--all --json"])
def test_a_reader_that_goes_early_changes_nothing_of_the_result(
    folder: Callable[..., Path], options: str
) -> None:
    """With a reader that has gone, something is worse only where it is."""
    base = folder("a", 1)
    for code, other in enumerate([folder("b", 2), folder("slow", 3, service_us=3_000)]):
        line = f"{sys.executable} -m wireproof compare {base} {other} {options} | true"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("content", [None, "{", '{"format": 99}', "[]"])
def test_what_is_no_run_is_one_line(tmp_path: Path, content: str | None, folder: Callable[..., Path]) -> None:
    """It is exit code 2, and names the folder."""
    good, bad = folder("good", 1), folder("bad", 1)
    (bad / "load.json").unlink() if content is None else (bad / "load.json").write_text(content)
    done = CliRunner().invoke(app, [str(good), str(bad)])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert str(bad) in done.stderr
