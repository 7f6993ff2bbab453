"""What becomes of a run whose report cannot be written, or that is told to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reports.jsonl import read_run

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "wireproof"]
SHORT = ["check", "--seed", "1", "--include", "heartbeat/*"]


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash with `wireproof` standing for the command."""
    command = " ".join(COMMAND)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("wireproof", command)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )


@pytest.mark.parametrize("command", [" ".join(SHORT), f"{' '.join(SHORT)} --json", "list"])
def test_a_reader_that_goes_early_changes_nothing_of_the_result(command: str, tmp_path: Path) -> None:
    """`wireproof ... | head -1` ends with the result of the run, and without a traceback."""
    done = shell(f"wireproof {command} | head -n 1", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("columns", [40, 80])
def test_a_list_loses_nothing_where_there_is_little_room(columns: int, tmp_path: Path) -> None:
    """What is piped into grep has a line for each requirement with all of its text, however wide the terminal is."""
    shown = shell(
        f"COLUMNS={columns} wireproof list --include 'payment/nonce-*'", tmp_path
    ).stdout.splitlines()
    (line,) = [one for one in shown if one.startswith("payment/nonce-spent-across-reconnects ")]
    assert line.split(maxsplit=4)[1:3] == ["MUST", "derived"]
    assert line.endswith(
        "  A spent nonce stays spent for connections opened later and on the party's other connections."
    )


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    """A report that cannot be written is no reason for a traceback."""
    done = shell(f"wireproof {' '.join(SHORT)} > /dev/full", tmp_path)
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be written" in done.stderr


def test_a_closed_standard_output_is_no_finding(tmp_path: Path) -> None:
    """Without anywhere to print to, the run folder still holds the result."""
    done = shell(f"wireproof {' '.join(SHORT)} --run-dir run >&-", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert read_run(tmp_path / "run" / "run.jsonl").footer.exit_code == 0


def test_sigterm_ends_a_run_in_order(tmp_path: Path) -> None:
    """What was found so far is reported, the exit code is not green, and the own server is gone."""
    with subprocess.Popen(
        [*COMMAND, "check", "--seed", "1", "--run-dir", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        recorded = tmp_path / "run" / "run.jsonl"
        while process.poll() is None and not (recorded.exists() and recorded.read_text().count("\n") > 5):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        printed, complaints = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "interrupted" in printed
    assert "Traceback" not in complaints
    run = read_run(recorded)
    assert run.footer.interrupted
    assert (tmp_path / "run" / "junit.xml").exists()
    host, port = run.header.url.removeprefix("ws://").split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)
