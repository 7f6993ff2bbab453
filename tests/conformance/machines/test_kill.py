"""Machines find, each by itself, what goes wrong only after a while."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deviations.machines import FOUND_BY

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", FOUND_BY)
def test_the_machine_of_a_family_finds_a_deviation_of_it(name: str) -> None:
    """It reports the requirement that is broken, and again when the shortened program is carried out on fresh fixtures."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.deviations.machines", name],
        capture_output=True,
        text=True,
        timeout=900,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
