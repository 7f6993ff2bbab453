"""A server never runs out of open files, however many connect: then it could not even refuse anybody."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reference_server.open_files import accepted_at_once, allow_as_many_as_possible, room_for_sockets
from tests.conftest import TOKEN, Certificates, RunningServer
from tests.reference_server.adversary import TIMEOUT_S, Client, Operator

resource = pytest.importorskip("resource")

FILES, FEW_FILES = 1000, 256
CONNECTIONS = 1500
PROGRAM = f"""
import resource, sys
files = int(sys.argv.pop(1)) if sys.argv[1].isdigit() else {FILES}
resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
import reference_server.server
if %r == "asyncio":
    reference_server.server._loop_factory = lambda: None
sys.argv[:1] = ["wireproof", "serve"]
import wireproof
wireproof.main()
"""


@pytest.fixture(autouse=True)
def end_of_clients(start_server: Any) -> Iterator[None]:
    allow_as_many_as_possible()
    yield
    Client.close_all()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_silent_crowd_makes_room_and_goes_by(start_server: Callable[..., RunningServer], loop: str) -> None:
    """More connections than files: those that are there are served, the log stays empty, and newcomers get in afterwards."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    server = start_server("--limit", "handshakes=100000", command=["-c", PROGRAM % loop])
    operator = Operator(server)
    present = operator.connect(operator.agent())
    query = f"token={TOKEN}&vsn=2.0.0"
    crowd = [Client(server) for _ in range(CONNECTIONS)]
    # Whoever came first was dropped.
    for client in crowd[-100:]:
        assert client.request(f"/control/websocket?{query}").startswith(b"HTTP/1.1 101 ")
    assert present.is_alive()
    for client in crowd:
        client.close()
    until_s = time.monotonic() + TIMEOUT_S
    while True:
        with Client(server) as newcomer:
            if newcomer.request(f"/control/websocket?{query}").startswith(b"HTTP/1.1 101 "):
                break
        assert time.monotonic() < until_s
    assert present.is_alive()
    assert server.logged() == ""


@pytest.mark.parametrize("files", [FILES, FEW_FILES])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_crowd_that_is_silent_before_tls_keeps_nobody_out(
    start_server: Callable[..., RunningServer], certificates: Certificates, loop: str, files: int
) -> None:
    """They are counted before TLS is agreed on, make room for whoever comes later, and are gone when they go."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    unlimited = ("--limit", "handshakes=100000", "--limit", "handshake_timeout_s=3600")
    server = start_server(*certificates.options, *unlimited, command=["-c", PROGRAM % loop, str(files)])
    context = ssl.create_default_context(cafile=certificates.ca)

    def newcomer() -> Client:
        client = Client(server)
        client.socket = context.wrap_socket(client.socket, server_hostname="127.0.0.1")
        return client.upgraded(f"token={TOKEN}&vsn=2.0.0", "/control/websocket")

    present = newcomer()
    for _ in range(2):
        crowd = [Client(server) for _ in range(CONNECTIONS)]
        assert newcomer().is_alive()
        assert present.is_alive()
        # Whoever came first was dropped.
        assert crowd[0].socket.recv(1) == b""
        for client in crowd:
            client.close()
    assert newcomer().is_alive()
    assert server.logged() == ""


def test_connections_are_refused_while_they_can_still_be_answered(
    start_server: Callable[..., RunningServer],
) -> None:
    """Where the files are too few for the limit, the limit is what the files allow."""
    server = start_server(command=["-c", PROGRAM % "uvloop"])
    query = f"token={TOKEN}&vsn=2.0.0"
    statuses = []
    for _ in range(CONNECTIONS):
        client = Client(server)
        statuses.append(client.request(f"/control/websocket?{query}")[9:12])
        if statuses[-1] != b"101":
            break
    assert statuses[-1] == b"503"
    assert len(statuses) > FILES // 3
    assert server.logged() == ""


def test_room_is_left_for_files_and_for_those_who_wait_to_be_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of few files a half, of many all but those; where the system has no limit, there is none."""
    for files, room in ((100, 50), (2000, 2000 - 6 * 64 - 64), (resource.RLIM_INFINITY, None)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert room_for_sockets(accepted_at_once=64) == room


def test_few_are_accepted_at_once_where_there_are_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are too many are only known some turns later: never so many that files run out meanwhile."""
    for files, at_once in ((16, 1), (256, 8), (2048, 64), (1_000_000, 64), (resource.RLIM_INFINITY, 64)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert accepted_at_once() == at_once
