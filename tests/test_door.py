"""The command itself: what nobody has expected is one line on standard error, and never taken for a finding."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

import wireproof
from conformance.budget import seconds_of

COULD_NOT_TEST = 3
ROOT = Path(__file__).parents[1]


def stand_in(monkeypatch: pytest.MonkeyPatch, run: Callable[[], None]) -> None:
    """Let the command be this function, started as the command is: by typer, in an interpreter that nobody has changed."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(run)
    monkeypatch.setattr(wireproof, "build_app", lambda: app)
    monkeypatch.setattr(sys, "argv", ["wireproof"])
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


def ended(monkeypatch: pytest.MonkeyPatch, fault: Exception | None) -> object:
    """Return the exit code of a command in which something goes wrong: this, or what a room of ours raises."""

    def run() -> None:
        if fault is not None:
            raise fault
        seconds_of(None)  # type: ignore[arg-type]

    stand_in(monkeypatch, run)
    with pytest.raises(SystemExit) as end:
        wireproof.main()
    return end.value.code


def test_a_fault_of_our_own_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says where, and how to see more; what the exception says may hold a credential."""
    monkeypatch.delenv(wireproof.DEBUG_VARIABLE, raising=False)
    assert ended(monkeypatch, None) == COULD_NOT_TEST
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wireproof: internal error: AttributeError at conformance/budget.py:")
    assert wireproof.DEBUG_VARIABLE in line
    assert ended(monkeypatch, ValueError("s3cret")) == COULD_NOT_TEST
    assert "s3cret" not in capsys.readouterr().err


def test_whoever_asks_for_it_sees_everything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback, and then the line."""
    monkeypatch.setenv(wireproof.DEBUG_VARIABLE, "1")
    assert ended(monkeypatch, ValueError("what it is")) == COULD_NOT_TEST
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert "ValueError: what it is" in told
    assert told.splitlines()[-1].startswith("wireproof: internal error: ValueError")


def test_what_the_system_refuses_is_said_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk is nothing to report."""
    monkeypatch.delenv(wireproof.DEBUG_VARIABLE, raising=False)
    assert ended(monkeypatch, OSError(28, "No space left on device", "run.jsonl")) == COULD_NOT_TEST
    assert capsys.readouterr().err == "wireproof: cannot go on: No space left on device: run.jsonl\n"


def test_a_server_writes_it_into_its_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has taken over what becomes of uncaught exceptions gets this one, and nothing else is said; the code is the same."""
    taken: list[object] = []

    def run() -> None:
        monkeypatch.setattr(sys, "excepthook", lambda *found: taken.extend(found))
        raise ValueError("what it is")

    stand_in(monkeypatch, run)
    with pytest.raises(SystemExit) as end:
        wireproof.main()
    kind, exc, trace = taken
    assert kind is ValueError
    assert isinstance(exc, ValueError)
    assert trace is exc.__traceback__
    assert end.value.code == COULD_NOT_TEST
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("command", ["check --help", "deviations --include 'task/join/*'"])
@pytest.mark.parametrize("output", [">&-", "> /dev/null"])
def test_whatever_standard_output_is_shows_what_it_can(command: str, output: str) -> None:
    """It may be closed, or be of an encoding that lacks some character."""
    line = f"PYTHONIOENCODING=ascii {sys.executable} -m wireproof {command} {output}"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_shows_no_traceback_while_the_command_is_read() -> None:
    """Whoever has mistyped presses it within a few milliseconds."""
    interrupted = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
import wireproof
wireproof.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", interrupted], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_ctrl_c_is_with_who_has_imported_the_command_as_it_was() -> None:
    """A program that imports it, or that ignores Ctrl-C, is left as it is."""
    for handler in ("default_int_handler", "SIG_IGN"):
        check = f"import signal; signal.signal(2, signal.{handler}); import wireproof; assert signal.getsignal(2) == signal.{handler}"
        subprocess.run([sys.executable, "-c", check], timeout=60, cwd=ROOT, check=True)
