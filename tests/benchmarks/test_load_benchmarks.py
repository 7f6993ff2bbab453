"""The benchmarks of the load generator still run: each once, with numbers too small to mean anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="CPU time is read from /proc")


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("load_pairs.py", ("--rounds", "1", "--round-s", "3", "--connections", "4", "--turns", "2"), 6),
        ("load_agents.py", ("--rounds", "1", "--round-s", "1", "--agents", "40"), 3),
        ("load_truth.py", ("--rounds", "1", "--round-s", "2", "--rates", "100", "--stall-periods", "1"), 6),
    ],
)
def test_a_benchmark_measures_and_ends(name: str, options: tuple[str, ...], count: int) -> None:
    """Each script ends with 0 and one JSON object: the machine, and rows with a figure a round."""
    done = subprocess.run(
        [sys.executable, HERE / name, "--json", *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["machine"]["cores"] >= 1
    assert len(told["rows"]) == count
    assert all(len(row["rounds"]) == 1 for row in told["rows"])
