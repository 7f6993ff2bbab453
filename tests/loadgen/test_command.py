"""How Locust is started and ended."""

from __future__ import annotations

import select
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from loadgen.arrivals import parse_arrivals
from loadgen.command import INTERRUPTED, Errand, _cause, _command, _end, _follow, _ServerCpu
from loadgen.plan import Plan

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in main\n    call()\n'


def test_processes_of_one_run_meet_on_a_port_of_their_own() -> None:
    """On Locust's own port the workers of another run on the machine would work for this one's master, and be counted."""
    plan = Plan("ws://x", "ws://x", "pushes", parse_arrivals("closed", 1), 1.0, 4, processes=2)
    ports = set()
    for _ in range(2):
        command = _command(Errand(plan))
        told = dict(pairwise(command))
        assert told["--master-bind-host"] == told["--master-host"] == "127.0.0.1"
        assert told["--master-bind-port"] == told["--master-port"] != "5557"
        ports.add(told["--master-port"])
    assert len(ports) == 2


def test_whom_locust_has_forked_ends_with_it() -> None:
    """Workers of a master that has ended by itself would look for another."""
    with subprocess.Popen(
        ["/bin/sh", "-c", "sleep 600 & echo forked"], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"forked\n"
        process.wait()
        _end(process)
        # The pipe ends with the last process that holds it.
        is_readable, _, _ = select.select([process.stdout], [], [], 30)
        assert is_readable
        assert process.stdout.read() == b""


def test_who_has_told_everything_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust goes on for ever where workers that it expects never come, though the conductor has given them up."""
    monkeypatch.setattr("loadgen.command.ENDING_S", 0.2)
    plan = Plan("ws://x", "ws://x", "pushes", parse_arrivals("closed", 1), 1.0, 4, folder=str(tmp_path))
    (tmp_path / "progress.jsonl").write_text('{"phase": "end"}\n')
    (tmp_path / "generator.json").write_text("{}")
    began_s = time.monotonic()
    with subprocess.Popen(["/bin/sleep", "600"], start_new_session=True) as process:
        try:
            assert _follow(Errand(plan), process, _ServerCpu(None)) is None
        finally:
            _end(process)
    assert time.monotonic() - began_s < 60


def test_who_is_interrupted_while_starting_is_not_said_to_be_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was being imported just then stands in the log of the generator, and explains nothing."""

    def press(_: float) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr("loadgen.command.time.sleep", press)
    plan = Plan("ws://x", "ws://x", "pushes", parse_arrivals("closed", 1), 1.0, 4, folder=str(tmp_path))
    (tmp_path / "progress.jsonl").touch()
    with subprocess.Popen(["/bin/sleep", "600"], start_new_session=True) as process:
        try:
            assert _follow(Errand(plan), process, _ServerCpu(None)) == INTERRUPTED
        finally:
            _end(process)


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", "it has said nothing"),
        ("starting\nPort is taken\n\n", "Port is taken"),
        (
            f"[1] ERROR\n{TRACEBACK}KeyError: 'nope'\n\n{TRACEBACK}BrokenPipeError: [Errno 32]\n",
            "KeyError: 'nope'",
        ),
        (f"wireproof: no control token\n{TRACEBACK}BrokenPipeError: [Errno 32]\n", "no control token"),
        ("Traceback (most recent call last):\n  File", "  File"),
    ],
)
def test_the_first_cause_is_told(tmp_path: Path, log: str, told: str) -> None:
    """What a judge says whose generator is gone is only what followed."""
    path = tmp_path / "locust.log"
    path.write_text(log)
    assert _cause(path) == told


def test_who_was_killed_is_told_to_be(tmp_path: Path) -> None:
    """A process that the system has ended could not say so itself; what its judge says then is no cause."""
    path = tmp_path / "locust.log"
    path.write_text(f"{TRACEBACK}BrokenPipeError: [Errno 32]\n")
    assert _cause(path, -signal.SIGKILL) == "signal SIGKILL has ended it"
