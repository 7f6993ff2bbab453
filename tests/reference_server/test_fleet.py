"""Tests of `wireproof deviations --serve`: many servers of one process, each on its own, and none left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
END_S = 30.0


class Asking:
    """Speaks to the process, a line at a time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wireproof", "deviations", "--serve", "--seed", "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.greeting = self.hear()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        heard: dict[str, Any] = json.loads(self.process.stdout.readline())
        return heard

    def ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.hear()

    def start(self, number: int, *names: str) -> dict[str, Any]:
        return self.ask(json.dumps({"id": number, "start": names}))

    def stop(self, number: int) -> dict[str, Any]:
        return self.ask(json.dumps({"id": number, "stop": True}))


@pytest.fixture(scope="module")
def fleet() -> Iterator[Asking]:
    """One process for the tests that leave it as it was."""
    asking = Asking()
    yield asking
    assert asking.process.stdin is not None
    assert asking.process.stdout is not None
    asking.process.stdin.close()
    assert asking.process.wait(END_S) == 0
    asking.process.stdout.close()


def listens(url: str) -> bool:
    """Tell whether somebody accepts a connection."""
    address = urlsplit(url)
    try:
        socket.create_connection((str(address.hostname), int(address.port or 0)), END_S).close()
    except OSError:
        return False
    return True


def wait_until_gone(url: str) -> None:
    until_s = time.monotonic() + END_S
    while listens(url):
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_it_greets_with_the_catalogue(fleet: Asking, wireproof: Any) -> None:
    """The same rows as the list for programs."""
    assert fleet.greeting == json.loads(wireproof("deviations", "--json").stdout)


def test_servers_stand_side_by_side_until_they_are_stopped(fleet: Asking) -> None:
    """Each has an address and a process group of its own; a stop ends one and leaves the others."""
    first, second = fleet.start(1, "accepts-replayed-nonce"), fleet.start(2)
    assert (first["id"], second["id"]) == (1, 2)
    assert first["url"] != second["url"]
    assert [os.getpgid(one["pid"]) for one in (first, second)] == [first["pid"], second["pid"]]
    assert listens(first["url"])
    assert fleet.stop(1) == {"id": 1, "stopped": True, "died": None}
    assert not listens(first["url"])
    assert listens(second["url"])
    fleet.stop(2)


def test_a_server_that_has_died_is_told_at_its_stop(fleet: Asking) -> None:
    """With how it ended."""
    server = fleet.start(3)
    os.kill(server["pid"], signal.SIGKILL)
    wait_until_gone(server["url"])
    assert fleet.stop(3) == {"id": 3, "stopped": True, "died": "signal SIGKILL"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"id": 4, "start": ["no-such-deviation"]}', "no deviation is called 'no-such-deviation'"),
        ('{"id": 4, "stop": true}', "KeyError"),
        ('{"id": 4, "start": 7}', "TypeError"),
        ("nonsense", "JSONDecodeError"),
        ("7", "TypeError"),
        ("[" * 100_000, "RecursionError"),
    ],
)
def test_a_request_that_is_none_is_refused(fleet: Asking, line: str, told: str) -> None:
    """And the next one is answered."""
    assert told in fleet.ask(line)["error"]
    assert "url" in fleet.start(5)
    assert fleet.stop(5)["stopped"]


def test_requests_may_come_from_a_file(tmp_path: Path) -> None:
    """A file cannot be waited for as a pipe can; its requests are answered in order, and then it ends."""
    requests = tmp_path / "requests.jsonl"
    requests.write_text('{"id": 1, "start": ["no-such-deviation"]}\nnonsense\n')
    with requests.open() as file:
        done = subprocess.run(
            [sys.executable, "-m", "wireproof", "deviations", "--serve"],
            stdin=file,
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=END_S,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    _, first, second = map(json.loads, done.stdout.splitlines())
    assert first == {"id": 1, "error": "no deviation is called 'no-such-deviation'"}
    assert "JSONDecodeError" in second["error"]


def test_an_id_stands_for_one_server(fleet: Asking) -> None:
    """It can be given again once that has ended."""
    for _ in range(2):
        assert "url" in fleet.start(6)
        assert fleet.start(6) == {"id": 6, "error": "that id is in use"}
        fleet.stop(6)


@pytest.mark.parametrize("how", ["its input ends", "it is killed"])
def test_no_server_outlives_the_process(how: str) -> None:
    """Neither when it is told to end, nor when it cannot do anything more."""
    asking = Asking()
    assert asking.process.stdin is not None
    assert asking.process.stdout is not None
    servers = [asking.start(1), asking.start(2, "task/complete/drops-reply")]
    if how == "it is killed":
        asking.process.kill()
    asking.process.stdin.close()
    asking.process.wait(END_S)
    for server in servers:
        wait_until_gone(server["url"])
    asking.process.stdout.close()
