"""Runs servers and the command line for the tests of findings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
TOKEN = "operator-token-of-the-findings"
READY = "wireproof serve: listening on "
CASE = "payment/replayed-transfer"


def environment() -> dict[str, str]:
    """Return an environment with the operator's token of the servers of these tests."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("WIREPROOF_")}
    return {**known, "PYTHONPATH": str(ROOT), "WIREPROOF_CONTROL_TOKEN": TOKEN}


def command(
    *arguments: str, cwd: Path | None = None, reproducer_time: str = "none"
) -> subprocess.CompletedProcess[str]:
    """Run `wireproof` and return what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "wireproof", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=cwd or ROOT,
        env={**environment(), "WIREPROOF_REPRODUCER_TIME": reproducer_time},
        check=False,
    )


def served(*options: str) -> Iterator[str]:
    """Run a reference server and give its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "wireproof", "serve", "--port", "0", "--log-level", "error", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
        cwd=ROOT,
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().removeprefix(READY).strip()
        finally:
            process.terminate()
            process.wait(10)


@dataclass(frozen=True)
class Checked:
    """A check of the deviating server."""

    folder: Path
    done: subprocess.CompletedProcess[str]

    @property
    def file(self) -> Path:
        """The file of its finding."""
        (file,) = (self.folder / "findings").glob("*.json")
        return file

    def table(self) -> dict[str, Any]:
        """Return that file as it stands."""
        return dict(json.loads(self.file.read_text(encoding="utf-8")))
