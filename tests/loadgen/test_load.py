"""`wireproof load` as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOKEN, RunningServer

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


def summary(done: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    assert done.returncode == code, (done.stdout[-2_000:], done.stderr[-2_000:])
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def event(told: dict[str, Any], name: str) -> dict[str, Any]:
    [row] = [row for row in told["events"] if row["name"] == name]
    return dict(row)


def test_an_own_server_is_loaded_and_not_accused(wireproof: Run, tmp_path: Path) -> None:
    """Tasks are streamed, nothing is lost, everything is judged, and the run folder holds what was measured."""
    objectives = ["lost(task.*) == 0", "findings(*) == 0", "errors(*) == 0", "rate(task.output_stream) > 1/s"]
    options = [part for text in objectives for part in ("--objective", text)]
    done = wireproof(
        "load", "--agents", "12", "--duration", "3s", "--seed", "7", "--run-dir", "run", *options, "--json"
    )
    told = summary(done)
    stream = event(told, "task.output_stream")
    assert stream["delivered"] == stream["relays"] == stream["ok"] > 0
    assert [row["is_met"] for row in told["objectives"]] == [True] * 4
    assert (told["is_judged"], told["findings"], told["model"]) == (True, [], "closed")
    assert stream["delivery"]["count"] == stream["delivered"]
    assert json.loads((tmp_path / "run" / "load.json").read_text())["exit_code"] == 0


def test_two_processes_measure_as_one(
    wireproof: Run, reference_server: RunningServer, tmp_path: Path
) -> None:
    """Locust's master merges what its workers measured without loss, and arrivals are shared out."""
    told = summary(
        wireproof(
            "load", reference_server.url, "--control-token", TOKEN, "--scenario", "pushes", "--agents", "16",
            "--arrivals", "60/s", "--duration", "3s", "--agents-per-user", "4", "--processes", "2", "--run-dir", "run", "--json",
        )
    )  # fmt: skip
    raw = json.loads((tmp_path / "run" / "generator.json").read_text())
    assert len(raw["processes"]) == len(told["generator"]) == 2
    pooled: dict[int, int] = {}
    for process in raw["processes"]:
        [figures] = [row for row in process["statistics"] if row["event"] == "checkpoint"]
        assert figures["ok"] > 0
        for value, count in figures["histograms"]["response"]:
            pooled[value] = pooled.get(value, 0) + count
    pushes = event(told, "task.checkpoint")
    assert sum(pooled.values()) == pushes["ok"] == pushes["response"]["count"]
    ranked = [value for value in sorted(pooled) for _ in range(pooled[value])]
    assert pushes["response"]["p50_ms"] * 1_000 - ranked[(len(ranked) + 1) // 2 - 1] < 50
    assert told["acts"]["started"] == pytest.approx(told["offered"], abs=2)


@pytest.mark.parametrize(
    ("deviation", "scenario", "requirement"),
    [
        ("task/output_stream/relays-twice", ["task-streaming"], "task/stream-relayed"),
        (
            "acknowledges-from-stale-copy",
            ["transfers", "--set", "twice=1"],
            "payment/concurrent-acknowledge-executes-once",
        ),
        ("takes-nonce-twice-at-once", ["contention"], "payment/nonce-above-pending"),
    ],
)
def test_what_a_server_breaks_is_named(
    wireproof: Run,
    start_server: Callable[..., RunningServer],
    deviation: str,
    scenario: str,
    requirement: str,
) -> None:
    """A server that breaks a rule, also one that only races show, is told by the id of the requirement."""
    server = start_server("--deviate", deviation)
    options = ["--scenario", *scenario, "--agents", "24", "--duration", "3s", "--seed", "2", "--json"]
    told = summary(wireproof("load", server.url, "--control-token", TOKEN, *options), code=1)
    assert requirement in [row["requirement"] for row in told["findings"]]


def test_honest_servers_are_not_accused_of_races(wireproof: Run, reference_server: RunningServer) -> None:
    """Whatever agents do at once, a server that decides one after the other breaks nothing."""
    options = ["--scenario", "contention", "--agents", "16", "--duration", "2s", "--seed", "3", "--json"]
    told = summary(wireproof("load", reference_server.url, "--control-token", TOKEN, *options))
    assert (told["is_judged"], told["findings"]) == (True, [])
    assert told["acts"]["finished"] > 16


def test_a_missed_objective_is_exit_code_1(wireproof: Run, reference_server: RunningServer) -> None:
    """Without findings, what was to be reached decides."""
    options = [
        "--scenario",
        "pushes",
        "--agents",
        "2",
        "--duration",
        "1s",
        "--objective",
        "rate(task.*) > 10000000/s",
    ]
    done = wireproof("load", reference_server.url, "--control-token", TOKEN, *options)
    assert done.returncode == 1
    assert "missed: rate(task.*) > 10000000/s" in done.stdout


def test_an_unreachable_endpoint_is_one_line(wireproof: Run) -> None:
    """Nobody listens: exit code 3 in one line, without a traceback."""
    done = wireproof("load", "ws://127.0.0.1:9", "--control-token", "x", "--duration", "1s")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "refused" in done.stderr


def test_tls_where_there_is_none_is_said(
    wireproof: Run,
    reference_server: RunningServer,
    start_server: Callable[..., RunningServer],
    certificates: Any,
) -> None:
    """The likely mistake is named, whichever way round, and what to do about a certificate that nobody trusts."""
    encrypted = start_server(*certificates.options).url

    def refusal(url: str) -> str:
        done = wireproof("load", url, "--control-token", TOKEN, "--duration", "1s")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
        return done.stderr.strip()

    assert refusal(encrypted.replace("wss://", "ws://")).endswith("(is it wss:// instead of ws://?)")
    assert refusal(reference_server.url.replace("ws://", "wss://")).endswith(
        "(is it ws:// instead of wss://?)"
    )
    assert "not trusted: " in refusal(encrypted)
    assert "--ca FILE" in refusal(encrypted)


def test_a_token_that_is_refused_is_told_with_the_status(
    wireproof: Run, reference_server: RunningServer
) -> None:
    """Somebody else on the way may have refused it: the status is the first thing to look for in logs."""
    done = wireproof("load", reference_server.url, "--control-token", "wrong", "--duration", "1s")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert done.stderr.endswith(": the control token is refused (HTTP 403)\n")


@contextmanager
def loading(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A load that goes on, once its agents act."""
    command = [sys.executable, "-m", "wireproof", "load", *options, "--run-dir", str(folder), "--json"]
    scratch = folder.parent / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            progress = folder / "progress.jsonl"
            while not (progress.exists() and '"load"' in progress.read_text()):
                assert process.poll() is None, process.communicate()
                time.sleep(0.1)
            yield process
        finally:
            process.kill()


def test_ctrl_c_ends_in_order(reference_server: RunningServer, tmp_path: Path) -> None:
    """An interrupted run closes its agents, is judged, says that it was interrupted, and is not green."""
    options = [reference_server.url, "--control-token", TOKEN, "--agents", "12", "--duration", "600s"]
    with loading(tmp_path / "run", *options) as process:
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    told = json.loads(out)
    assert (process.returncode, told["exit_code"], err) == (4, 4, "")
    assert told["is_interrupted"]
    assert event(told, "task.output_stream")["ok"] > 0


@pytest.mark.parametrize("is_generator", [True, False])
def test_what_is_ended_at_once_leaves_no_tape(
    reference_server: RunningServer, tmp_path: Path, is_generator: bool
) -> None:
    """Neither a generator that is killed nor a second Ctrl-C lets gigabytes lie about, and each is told for what it is."""
    options = [reference_server.url, "--control-token", TOKEN, "--agents", "12", "--duration", "600s"]
    with loading(tmp_path / "run", *options) as process:
        if is_generator:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)
        else:
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (3, "", 1)
    assert ("SIGKILL" if is_generator else "second Ctrl-C") in err
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_generator_whose_command_is_gone_ends(reference_server: RunningServer, tmp_path: Path) -> None:
    """Nobody could end it any more: a load that nobody follows would go on for hours."""
    options = [reference_server.url, "--control-token", TOKEN, "--agents", "12", "--duration", "600s"]
    with loading(tmp_path / "run", *options) as process:
        process.kill()
    told = tmp_path / "run" / "generator.json"
    until_s = time.monotonic() + 60
    while not told.exists():
        assert time.monotonic() < until_s
        time.sleep(0.1)
    assert json.loads(told.read_text())["is_interrupted"]


def test_agents_come_back_to_a_server_that_was_away(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    """A server that is killed and started again is found by backoff; the report has the recovery and what was lost."""
    data = ("--data", str(tmp_path / "ledger"))
    first = start_server(*data)
    options = [
        first.url,
        "--control-token",
        TOKEN,
        "--scenario",
        "pushes",
        "--agents",
        "8",
        "--arrivals",
        "40/s",
    ]
    with loading(tmp_path / "run", *options, "--duration", "600s") as process:
        first.process.kill()
        first.process.wait()
        wait_for(tmp_path / "run", connections=0)
        with again(first.url, *data):
            wait_for(tmp_path / "run", connections=8)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=120)
    told = json.loads(out)
    assert event(told, "socket.recovery")["service"]["count"] == 8
    assert sum(told["losses"].values()) >= 8
    [gap] = told["gaps"]
    assert (gap["least"], gap["of"]) == (0, 8)
    assert gap["to_s"] > gap["from_s"]
    assert gap["unanswered"] > 0
    assert event(told, "task.checkpoint")["errors"]
    assert not [row for row in told["findings"] if row["is_binding"]]


def wait_for(folder: Path, connections: int) -> None:
    """Wait until the latest second of a run has that many connections."""
    while True:
        rows = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
        seconds = [row for row in rows if "connections" in row]
        if seconds and seconds[-1]["connections"] == connections:
            return
        time.sleep(0.2)


@contextmanager
def again(url: str, *options: str) -> Iterator[None]:
    """Run a server where one was before."""
    command = [sys.executable, "-m", "wireproof", "serve", "--port", url.rpartition(":")[2], *options]
    environment = {**os.environ, "WIREPROOF_CONTROL_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as server:
        try:
            yield
        finally:
            server.terminate()
