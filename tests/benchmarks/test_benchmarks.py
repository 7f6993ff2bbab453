"""The benchmarks still run: each once, with numbers too small to mean anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SHORT = ("--rounds", "1", "--round-s", "0.2", "--warm-up-s", "0.1")

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="CPU time is read from /proc")


def run_script(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, HERE / name, *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("throughput.py", (*SHORT, "--connections", "2", "--window", "2"), 4),
        ("fanout.py", (*SHORT, "--listeners", "3", "--window", "2"), 3),
        ("ledger.py", ("--rounds", "1", "--channels", "4", "--transfers", "40"), 3),
        ("history.py", ("--rounds", "1", "--topics", "1", "--count", "5"), 7),
    ],
)
def test_a_benchmark_measures_and_ends(name: str, options: tuple[str, ...], count: int) -> None:
    """Each script ends with 0 and one JSON object: the machine, and rows with a figure a round."""
    done = run_script(name, "--json", *options)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["machine"]["cores"] >= 1
    assert len(told["rows"]) == count
    assert all(len(row["rounds"]) == 1 and isinstance(row["median"], float) for row in told["rows"])


def test_a_benchmark_shows_a_table() -> None:
    """Without `--json` there is a table, with what the figure is held against and the machine."""
    done = run_script("memory.py", "--rounds", "1", "--settle-s", "0", "--connections", "20")
    assert (done.returncode, done.stderr) == (0, "")
    assert "29 KiB" in done.stdout
    assert "cores" in done.stdout


def test_a_machine_that_cannot_measure_is_told_in_one_line() -> None:
    """More sockets than the system allows are a line on standard error and exit code 3, no traceback."""
    done = run_script("memory.py", "--connections", "2000000000")
    assert done.returncode == 3
    assert done.stderr.startswith("cannot measure: ")
    assert done.stderr.count("\n") == 1
