"""Tests of `reference_server.standard_error`: the log of a server whose reader is slow, does not read, or is not there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import pytest

from reference_server.standard_error import MOST_KEPT_BYTES
from tests.reference_server.test_cli import COMMAND, READY, TIMEOUT_S, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

pty = pytest.importorskip("pty", reason="Windows does not tell whether something can be written")
#: Much more than a pipe of Linux holds.
LINES = 2000
PROGRAM = """
import logging, sys
from reference_server.structured_log import log_event, log_to_stderr
log_to_stderr("info")
for many in sys.argv[1:]:
    for number in range(int(many)):
        log_event(logging.getLogger("reference_server.x"), logging.INFO, "event", number=number, text="x" * 100)
    print("logged", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def program(error: int | None, *many: int) -> Iterator[subprocess.Popen[str]]:
    """Run what logs so many lines each time that it is asked to."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, many)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if error is None else error,
        text=True,
        env=environment(),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def wait_until_logged(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "logged\n"


def lines_of(stream: IO[str] | None) -> Iterator[dict[str, Any]]:
    assert stream is not None
    return map(json.loads, stream)


def test_a_server_goes_on_and_ends_when_nobody_reads_its_log() -> None:
    """Standard error is a pipe that is full."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--log-level", "info"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            assert process.stdout is not None
            ready = READY.fullmatch(process.stdout.readline())
            assert ready is not None
            for _ in range(LINES):
                assert answered(int(ready[1])).startswith(b"HTTP/1.1 403 ")
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_S) == 0
        finally:
            process.kill()


def answered(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        connection.sendall(b"GET /socket/websocket?api_key=x HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.recv(4096)


def test_a_reader_that_reads_late_gets_every_line() -> None:
    """In order, also those that were logged while it read."""
    with program(None, LINES, LINES) as process:
        wait_until_logged(process)
        lines = lines_of(process.stderr)
        first = [next(lines)["number"] for _ in range(LINES // 2)]
        ask(process)
        wait_until_logged(process)
        ask(process)
        rest = [line["number"] for line in lines]
        assert process.wait(TIMEOUT_S) == 0
    assert first + rest == [*range(LINES), *range(LINES)]


def test_what_is_dropped_is_counted_once_the_reader_reads() -> None:
    """What was kept comes first, then the line that counts, although nothing more is logged; then whatever is."""
    many = MOST_KEPT_BYTES // 100
    with program(None, many, 3) as process:
        wait_until_logged(process)
        lines = lines_of(process.stderr)
        kept = 0
        while (line := next(lines))["event"] == "event":
            assert line["number"] == kept
            kept += 1
        assert line == {**line, "event": "log_lines_dropped", "level": "warning", "count": many - kept}
        assert 0 < kept < many
        ask(process)
        wait_until_logged(process)
        ask(process)
        assert [line["number"] for line in lines] == [0, 1, 2]


def test_a_reader_that_never_reads_keeps_no_process_from_ending() -> None:
    """It does not hold all that was to be written."""
    with program(None, LINES) as process:
        wait_until_logged(process)
        ask(process)
        assert process.wait(TIMEOUT_S) == 0


def test_a_terminal_that_nobody_looks_at_stops_nothing() -> None:
    """Of a terminal it is said that something can be written where a line is too long."""
    looking, terminal = os.openpty()
    with program(terminal, LINES) as process:
        wait_until_logged(process)
        # Whoever else writes to the terminal still waits where it would have.
        assert os.get_blocking(terminal)
        ask(process)
        assert process.wait(TIMEOUT_S) == 0
    os.close(terminal)
    os.close(looking)


def test_without_standard_error_nothing_is_written_anywhere() -> None:
    """The number may be another file's by then."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", PROGRAM, "3"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "logged\n", "")
