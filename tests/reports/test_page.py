"""A report that nobody reads to its end: the exit code is that of the result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORT = """
import sys, typer
from rich.text import Text
from reports.page import Page, whole_output
try:
    with whole_output(4):
        for _ in range(100_000):
            Page(width=80).print(Text("a line"))
        sys.stdout.flush()
except typer.Exit as end:
    sys.exit(end.exit_code)
sys.exit(4)
"""


@pytest.mark.parametrize(
    ("reader", "told"),
    [("| true", ""), ("> /dev/full", "cannot be written: No space left on device")],
)
def test_the_exit_code_is_that_of_the_result(reader: str, told: str) -> None:
    """Whoever reads it; at most one line says that it could not be written."""
    done = subprocess.run(
        [
            "bash",
            "-o",
            "pipefail",
            "-c",
            f'"{sys.executable}" -c "$0" {reader}',
            REPORT,
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.count("\n") == (1 if told else 0)
    assert told in done.stderr
