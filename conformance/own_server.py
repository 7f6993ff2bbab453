"""Starts the reference server as a process of its own, for a check without a URL."""

from __future__ import annotations

import os
import secrets
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conformance.faults import CannotTest
from conformance.provisioner_settings import TOKEN_VARIABLE

READY = "wireproof serve: listening on "
START_S = 60.0
END_S = 10.0


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A running reference server."""

    url: str
    token: str


@contextmanager
def own_server(spec: Path | None, seed: int) -> Iterator[OwnServer]:
    """Run a reference server on a free port of the loopback interface for the length of a `with` block.

    Raises:
        CannotTest: If it does not start.

    """
    token = secrets.token_urlsafe(24)
    command = [sys.executable, "-m", "wireproof", "serve", "--port", "0", "--seed", str(seed)]
    command += ["--spec", str(spec)] if spec else []
    command += ["--log-level", "error"]
    environment = {**os.environ, TOKEN_VARIABLE: token}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:  # noqa: S603 - our own command
        try:
            yield OwnServer(_ready_url(process), token)
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready_url(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise CannotTest("the own reference server has no standard output")
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        until_s = time.monotonic() + START_S
        line = process.stdout.readline() if selector.select(until_s - time.monotonic()) else ""
    if not line.startswith(READY):
        raise CannotTest("the own reference server did not start")
    return line.removeprefix(READY).strip()
