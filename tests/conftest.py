"""Fixtures for tests that need a running server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

TOKEN = "operator-token-of-the-tests"
READY = "wireproof serve: listening on "
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class RunningServer:
    """A server process and how to reach it."""

    url: str
    process: subprocess.Popen[str]
    token: str = TOKEN


@contextmanager
def running(command: list[str], *options: str) -> Iterator[RunningServer]:
    """Run a server command on a free port and end it; what it logs is kept out of the tests' output."""
    environment = {**os.environ, "WIREPROOF_CONTROL_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith(READY):
                log.seek(0)
                pytest.fail(f"{command} did not start: {line!r} {log.read()[-2000:]}")
            yield RunningServer(line.removeprefix(READY).strip(), process)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="module")
def reference_server() -> Iterator[RunningServer]:
    """An honest reference server of the newest Phoenix version."""
    with running(["-m", "wireproof", "serve"]) as server:
        yield server


@pytest.fixture
def start_server() -> Iterator[Callable[..., RunningServer]]:
    """Start servers with options of their own; all are ended after the test."""
    with ExitStack() as stack:

        def start(*options: str, command: list[str] | None = None) -> RunningServer:
            return stack.enter_context(running(command or ["-m", "wireproof", "serve"], *options))

        yield start


@pytest.fixture
def wireproof(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line and return what it printed; run folders go to the test's own folder."""

    def run(*arguments: str, timeout_s: float = 240, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {name: value for name, value in os.environ.items() if not name.startswith("WIREPROOF_")}
        return subprocess.run(
            [sys.executable, "-m", "wireproof", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=tmp_path,
            env={**known, "PYTHONPATH": str(ROOT), **environment},
            check=False,
        )

    return run
