"""Tests of `reference_server.open_files`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRIAL = """
import resource, sys
from reference_server.open_files import allow_as_many_as_possible
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
{before}
allow_as_many_as_possible()
print(resource.getrlimit(resource.RLIMIT_NOFILE) == ({expected}, hard))
"""
REFUSE = """
def refuse(*_):
    raise ValueError
resource.setrlimit = refuse
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(("before", "expected"), [("", "hard"), (REFUSE, "64")], ids=["allowed", "refused"])
def test_the_soft_limit_becomes_the_hard_one_where_that_is_allowed(before: str, expected: str) -> None:
    """A server is not kept to the few files of an ordinary shell; a system that refuses is no reason not to serve."""
    done = subprocess.run(
        [sys.executable, "-c", TRIAL.format(before=before, expected=expected)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == "True\n"
