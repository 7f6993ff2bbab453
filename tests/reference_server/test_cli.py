"""Tests of `reference_server.cli`: the command in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from specs.loader import DOCUMENTS, shipped_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIMEOUT_S = 30.0
COMMAND = [sys.executable, "-m", "wireproof", "serve"]
READY = re.compile(r"wireproof serve: listening on ws://127\.0\.0\.1:([0-9]+)\n")
TOKEN = "operator-token-in-the-environment"


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **extra}


class Serving:
    """The command, ready to be connected to."""

    def __init__(self, *options: str, **variables: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**variables),
        )
        assert self.process.stdout
        ready = READY.fullmatch(self.process.stdout.readline())
        assert ready
        self.port = int(ready[1])
        self._sockets: list[socket.socket] = []

    def connect(self, target: str) -> tuple[socket.socket, bytes]:
        connection = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S)
        self._sockets.append(connection)
        connection.sendall(
            f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        return connection, connection.recv(4096)

    def end(self, *signals: int) -> tuple[int, str, str]:
        for number in signals:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, out, err

    def clear(self) -> None:
        for connection in self._sockets:
            connection.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def serving() -> Iterator[Callable[..., Serving]]:
    started: list[Serving] = []

    def start(*options: str, **variables: str) -> Serving:
        started.append(Serving(*options, **variables))
        return started[-1]

    yield start
    for each in started:
        each.clear()


def refused(*options: str) -> list[str]:
    """Run the command with something wrong; return its lines on standard error."""
    done = subprocess.run(
        [*COMMAND, *options],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_with_0_after_one_ready_line(serving: Callable[..., Serving], number: int) -> None:
    """Standard output holds the ready line alone, standard error nothing."""
    assert serving().end(number) == (0, "", "")


def test_control_token_opens_the_control_socket_only(serving: Callable[..., Serving]) -> None:
    """The token comes from the environment; another one is refused, and neither is ever shown."""
    server = serving("--log-level", "debug", WIREPROOF_CONTROL_TOKEN=TOKEN)
    _, accepted = server.connect(f"/control/websocket?token={TOKEN}&vsn=2.0.0")
    _, wrong = server.connect("/control/websocket?token=wrong-token&vsn=2.0.0")
    _, agent = server.connect(f"/socket/websocket?api_key={TOKEN}")
    assert [head[9:12] for head in (accepted, wrong, agent)] == [b"101", b"403", b"403"]
    code, out, err = server.end(signal.SIGTERM)
    assert (code, out) == (0, "")
    handshakes = [line for line in map(json.loads, err.splitlines()) if line["event"] == "handshake"]
    assert [(line["method"], line["target"], line["status"]) for line in handshakes] == [
        ("GET", "/control/websocket?token=***&vsn=2.0.0", 101),
        ("GET", "/control/websocket?token=***&vsn=2.0.0", 403),
        ("GET", "/socket/websocket?api_key=***", 403),
    ]
    assert TOKEN not in err
    assert "wrong-token" not in err


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_the_control_socket_refuses_everybody(
    serving: Callable[..., Serving], token: str | None
) -> None:
    """No token, or an empty one, is no way in."""
    server = serving(*(() if token is None else ("--control-token", token)))
    for query in ("", "?token=", "?token=None"):
        assert server.connect(f"/control/websocket{query}")[1].startswith(b"HTTP/1.1 403 ")


def test_sigterm_drains_with_1012(serving: Callable[..., Serving]) -> None:
    """A socket with a channel is told to come back; one without gets 1000 (T-5)."""
    server = serving("--control-token", TOKEN)
    target = f"/control/websocket?token={TOKEN}&vsn=2.0.0"
    joined, _ = server.connect(target)
    idle, _ = server.connect(target)
    join = b'["1","1","control","phx_join",{}]'
    joined.sendall(bytes([0x81, 0x80 | len(join)]) + bytes(4) + join)
    assert b'"ok"' in joined.recv(4096)
    server.process.send_signal(signal.SIGTERM)
    for client, code in ((joined, 1012), (idle, 1000)):
        assert client.recv(4096) == b"\x88\x02" + struct.pack("!H", code)
        assert client.recv(1) == b""
        client.close()
    assert server.end() == (0, "", "")


def test_second_signal_ends_at_once(serving: Callable[..., Serving]) -> None:
    """A client that keeps its connection is not waited for after the second signal."""
    server = serving("--control-token", TOKEN)
    client, _ = server.connect(f"/control/websocket?token={TOKEN}&vsn=2.0.0")
    server.process.send_signal(signal.SIGTERM)
    assert client.recv(4096)[:1] == b"\x88"
    code, out, err = server.end(signal.SIGINT)
    assert (code, out, err) == (128 + signal.SIGINT, "", "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--port", "abc"), "--port"),
        (("--port", "65536"), "65535"),
        (("--phoenix-version", "2.0"), "no such Phoenix version: '2.0'"),
        (("--idle-timeout-s", "0"), "above 0"),
        (("--idle-timeout-s", "nan"), "above 0"),
        (("--limit", "message_size=1"), "no such limit: 'message_size'; limits are handshake_timeout_s, "),
        (("--limit", "message_bytes"), "NAME=VALUE"),
        (("--limit", "json_depth=1000", "--limits"), "256 at most"),
        (("--seed", "x"), "--seed"),
        (("--log-level", "loud"), "loud"),
        (("--spec", "/nowhere"), "/nowhere"),
        (("--host", "256.0.0.1", "--port", "0"), "cannot listen on 256.0.0.1:0"),
        (("--host", ""), "--host must name an address, not ''; 0.0.0.0 or :: is every one"),
        (("--host", " "), "--host must name an address, not ' '"),
        (("--host", "*"), "--host must name an address, not '*'"),
        (("--host", "127.0.0.1:5000"), "not '127.0.0.1:5000'; the port is given with --port"),
        (("--host", "[::1]:5000"), "not '[::1]:5000'; the port is given with --port"),
        (("--host", "ws://localhost"), "--host must be one address or name, not 'ws://localhost'"),
        (("--host", "a..b"), "cannot listen on a..b:4000: no host has such a name"),
        (("--no-such-option",), "--no-such-option"),
        (("left", "over"), "left"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(options: tuple[str, ...], words: str) -> None:
    """What is wrong is said in one line on standard error, without a traceback."""
    [line] = refused(*options)
    assert line.startswith("wireproof serve: ")
    assert words in line


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
def test_host_may_be_written_as_in_a_url() -> None:
    """The brackets of an IPv6 address; the ready line shows an address that can be connected to."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--host", "[::1]"], stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout
        ready = re.fullmatch(
            r"wireproof serve: listening on ws://\[::1\]:([0-9]+)\n", process.stdout.readline()
        )
        assert ready
        socket.create_connection(("::1", int(ready[1])), TIMEOUT_S).close()
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0


def test_limits_are_shown_as_they_would_be() -> None:
    """One line each, with what it means and what lies beyond it; a setting counts over its shorthand."""
    shown = subprocess.run(
        [*COMMAND, "--limits", "--limit", "idle_timeout_s=7.5", "--idle-timeout-s", "3"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=TIMEOUT_S,
        check=True,
    )
    lines = shown.stdout.splitlines()
    assert len(lines) == len(shipped_limits())
    assert "idle_timeout_s=7.5  Silence of a client. Beyond it: A close with 1000." in lines
    assert not shown.stderr


def test_port_in_use_is_one_line_and_exit_code_2() -> None:
    """The address is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        [line] = refused("--port", str(port))
    assert f"cannot listen on 127.0.0.1:{port}" in line


@pytest.mark.parametrize(
    ("output", "words"), [("> /dev/full", "No space left on device"), ("| true", "Broken pipe")]
)
def test_a_server_that_cannot_say_where_it_listens_does_not_start(output: str, words: str) -> None:
    """One line and exit code 2: 1 would say that the ledger cannot be written."""
    line = f"({' '.join(COMMAND)} --port 0; echo code $? >&2) {output}"
    done = subprocess.run(
        ["bash", "-c", f"trap '' PIPE; {line}"],
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=TIMEOUT_S,
    )
    assert done.stderr.splitlines() == [
        f"wireproof serve: cannot say on standard output where it listens: {words}",
        "code 2",
    ]


def test_each_fault_of_the_documents_is_one_line(tmp_path: Path) -> None:
    """All faulty documents are named at once."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text('{"kind": "nonsense"}')
    lines = refused("--spec", str(tmp_path))
    assert [line.partition("#")[0] for line in lines] == [
        "wireproof serve: one.json",
        "wireproof serve: two.json",
    ]


def test_other_documents_are_served(serving: Callable[..., Serving], tmp_path: Path) -> None:
    """A path changed in a copy of the documents is the path that is served."""
    for source in DOCUMENTS.rglob("*.json"):
        target = tmp_path / source.relative_to(DOCUMENTS)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text().replace("/control/websocket", "/elsewhere"))
    server = serving("--spec", str(tmp_path), "--control-token", TOKEN)
    assert server.connect(f"/elsewhere?token={TOKEN}")[1].startswith(b"HTTP/1.1 101 ")
    assert server.connect(f"/control/websocket?token={TOKEN}")[1].startswith(b"HTTP/1.1 404 ")
