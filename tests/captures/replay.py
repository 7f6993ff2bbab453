"""Carries out the steps of a recorded row over real sockets and holds every answer against the recorded one."""

from __future__ import annotations

import ast
import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from conformance.provisioning.control import ControlProvisioner
from tests.captures.comparison import Comparison
from tests.captures.stage import Stage

WAIT_S = 10.0
IDLE_TIMEOUT_S = 2.0
PING_EVERY_S = 0.2
#: One byte more than the server takes; the recording's limit was smaller.
TOO_BIG_BYTES = 10_000_001

Step = dict[str, Any]


@dataclass(frozen=True)
class Servers:
    """Where the row's sockets are: one server as usual, one that closes idle sockets soon."""

    url: str
    short_url: str
    provisioner: ControlProvisioner
    short_provisioner: ControlProvisioner


@dataclass
class Replay:
    """One row on its way; `play` carries out a step, and raises AssertionError where an answer differs."""

    servers: Servers
    row: str
    log: list[Step]
    reasons: dict[str, str]
    swappable: frozenset[int]
    provoked: dict[int, str]
    """Control event about the agent `a1` that makes a step happen, by the step's index."""
    connections: dict[str, ClientConnection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._is_short = any("/socket_short/" in step.get("open", "") for step in self.log)
        servers = self.servers
        self.url = servers.short_url if self._is_short else servers.url
        self.stage = Stage(servers.short_provisioner if self._is_short else servers.provisioner, self.row)
        self.comparison = Comparison(self.stage, self.reasons)
        self._held_back: list[tuple[str, str]] = []
        self._open = contextlib.ExitStack()
        self._barriers = 0

    def play(self, index: int) -> None:
        """Carry out one step."""
        step = self.log[index]
        kind = next(kind for kind in STEPS if kind in step)
        if index in self.provoked:
            agent_id = self.stage.agent("a1").agent_id
            self.stage.provisioner.request(self.provoked[index], {"agent_id": agent_id})
        if index in self.swappable:
            self._receive_swappable(index, step)
        else:
            STEPS[kind](self, step, index)

    def expect_silence(self) -> None:
        """See that nothing has come that the row does not know."""
        for connection in self.connections.values():
            if connection.protocol.close_rcvd is None:
                self._pass_barrier(connection)

    def end(self) -> None:
        """Close every connection and wait until the server knows it."""
        for who in tuple(self.connections):
            self._hang_up(who)
        self._open.close()

    def open(self, step: Step, index: int) -> None:
        """Ask for a WebSocket; the status and the body of a refusal are the answer."""
        self._hang_up(step["who"])
        following = self.log[index + 1] if index + 1 < len(self.log) else {}
        status, body = 101, ""
        try:
            context = connect(
                self.url + self.stage.target(step["open"]),
                origin=following.get("origin"),
                compression=None,
                ping_interval=None,
                proxy=None,
                open_timeout=WAIT_S,
                close_timeout=WAIT_S,
                max_size=None,
            )
            self.connections[step["who"]] = self._open.enter_context(context)
        except InvalidStatus as exc:
            status, body = exc.response.status_code, bytes(exc.response.body or b"").decode()
        assert (status, body) == (step["status"], step.get("body", ""))

    def send(self, step: Step, _index: int) -> None:
        """Send a text or a binary frame."""
        sent = step["send"]
        if isinstance(sent, dict):
            self._of(step).send(base64.b64decode(sent["b64"]))
        else:
            self.comparison.note_sent(sent)
            self._of(step).send(self.stage.sent(sent))

    def recv(self, step: Step, _index: int) -> None:
        """Receive the next frame; where the recording had none, a barrier shows that none came."""
        connection, recorded = self._of(step), step["recv"]
        if recorded is not None:
            expected, observed = self.comparison.pair(recorded, self._text(connection))
            assert observed == expected
        elif connection.protocol.close_rcvd is None:
            self._pass_barrier(connection)

    def closed(self, step: Step, _index: int) -> None:
        """See the server close, with no frame before it."""
        connection = self._of(step)
        with pytest.raises(ConnectionClosed):
            raise AssertionError(f"a frame before the close: {connection.recv(timeout=WAIT_S)!r}")
        close = connection.protocol.close_rcvd
        assert close is not None, "no close frame"
        assert {"code": close.code, "reason": close.reason} == step["closed"]

    def client_close(self, step: Step, _index: int) -> None:
        """Close with a code; the code of the server's close frame is the answer."""
        connection = self._of(step)
        connection.close(step["client_close"])
        echo = connection.protocol.close_rcvd
        assert echo is not None
        assert (echo.code, echo.reason) == (step["server_echo"], step["reason"])

    def raw_frame(self, step: Step, _index: int) -> None:
        """Send a text frame that no library would send."""
        masked = "send_raw_text_frame" in step
        data = ast.literal_eval(step["send_raw_text_frame" if masked else "send_raw_unmasked"])
        frame = Frame(Opcode.TEXT, data).serialize(mask=masked)
        self._of(step).socket.sendall(frame)

    def fragments(self, step: Step, _index: int) -> None:
        """Send one message in several frames."""
        self._of(step).send(iter(step["send_fragments"]))

    def ping(self, step: Step, _index: int) -> None:
        """Ping and get the pong with the same data."""
        assert self._of(step).ping(step["ws_ping"]).wait(WAIT_S)

    def stay_alive(self, _step: Step, _index: int) -> None:
        """Ping for longer than the idle time-out: the connection stays and nothing comes."""
        (connection,) = self.connections.values()
        until_s = time.monotonic() + 1.5 * IDLE_TIMEOUT_S
        while time.monotonic() < until_s:
            assert connection.ping().wait(WAIT_S)
            with contextlib.suppress(TimeoutError):
                frame = connection.recv(timeout=PING_EVERY_S)
                raise AssertionError(f"a frame out of nowhere: {frame!r}")

    def long_frame(self, step: Step, _index: int) -> None:
        """Send a frame of the recorded length, or of a length beyond our limit where it was beyond theirs."""
        (connection,) = self.connections.values()
        topic = self.stage.task("task:t1")
        head, tail = f'["1","2","{topic}","progress",{{"percent":50,"message":"', '"}]'
        size_bytes = TOO_BIG_BYTES if self._is_short else step["send_len"]
        # The server may close before it has read everything.
        with contextlib.suppress(ConnectionClosed):
            connection.send(head + "x" * (size_bytes - len(head) - len(tail)) + tail)

    def join_many(self, step: Step, _index: int) -> None:
        """Join many topics on one socket, up to the first refusal."""
        (connection,) = self.connections.values()
        first_error: Step | None = None
        for number in range(step["joins"]):
            join = json.dumps([str(number), str(number), f"task:m{number}", "phx_join", {}])
            connection.send(self.stage.sent(join))
            answer = self._text(connection)
            if json.loads(answer)[4]["status"] == "error":
                first_error = first_error or {"i": number, "recv": answer}
        recorded = step["first_error"]
        assert (first_error is None) == (recorded is None)
        if recorded and first_error:
            assert first_error["i"] == recorded["i"]
            expected, observed = self.comparison.pair(recorded["recv"], first_error["recv"])
            assert observed == expected

    def raw_request(self, step: Step, _index: int) -> None:
        """Send a request as it stands: status, body and what is negotiated are the answer."""
        parts = urlsplit(self.url)
        method, target, rest = step["raw_send"].split(" ", 2)
        request = f"{method} {self.stage.target(target)} {rest}"
        with socket.create_connection((parts.hostname, parts.port), WAIT_S) as sock:
            sock.settimeout(WAIT_S)
            sock.sendall(request.encode())
            observed = _response(sock.makefile("rb").readline)
        recorded = iter(step["raw_recv"].removesuffix("<OPEN>").encode().splitlines(keepends=True))
        assert observed == _response(lambda _size=0: next(recorded, b""))

    def act(self, step: Step, _index: int) -> None:
        """Do what the recording did at a step that it only named."""
        if step["step"] == "z socket closes":
            self._hang_up("z")

    def pass_over(self, _step: Step, _index: int) -> None:
        """Measured times are the recording's, and the origin belongs to the open before it."""

    def _of(self, step: Step) -> ClientConnection:
        return self.connections[step["who"]]

    def _hang_up(self, who: str) -> None:
        connection = self.connections.pop(who, None)
        if connection is not None:
            connection.close()

    def _receive_swappable(self, index: int, step: Step) -> None:
        """Receive one of several frames between which Phoenix promises no order (O-2)."""
        self._held_back.append((step["recv"], self._text(self._of(step))))
        if index == max(self.swappable):
            pairs = (
                sorted(recorded for recorded, _ in self._held_back),
                sorted(observed for _, observed in self._held_back),
            )
            for recorded, observed in zip(*pairs, strict=True):
                expected, actual = self.comparison.pair(recorded, observed)
                assert actual == expected

    def _pass_barrier(self, connection: ClientConnection) -> None:
        self._barriers += 1
        ref = f"barrier {self._barriers}"
        connection.send(json.dumps([None, ref, "phoenix", "heartbeat", {}]))
        reply = [None, ref, "phoenix", "phx_reply", {"status": "ok", "response": {}}]
        assert json.loads(self._text(connection)) == reply

    @staticmethod
    def _text(connection: ClientConnection) -> str:
        frame = connection.recv(timeout=WAIT_S)
        assert isinstance(frame, str), f"a binary frame: {frame!r}"
        return frame


def _response(read_line: Callable[..., bytes]) -> tuple[str, int, str, str | None, str | None, str | None]:
    """Read a response: protocol, status, body, and what is negotiated."""
    protocol, status, _ = read_line().decode().split(" ", 2)
    headers: dict[str, str] = {}
    while (line := read_line().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = read_line(int(headers.get("content-length", "0")))
    negotiated = (f"sec-websocket-{name}" for name in ("accept", "protocol", "extensions"))
    accept, subprotocol, extensions = map(headers.get, negotiated)
    return protocol, int(status), body.decode(), accept, subprotocol, extensions


#: What to do for a step, by the key that tells its kind.
STEPS: dict[str, Callable[[Replay, Step, int], None]] = {
    "open": Replay.open,
    "closed": Replay.closed,
    "client_close": Replay.client_close,
    "ws_ping": Replay.ping,
    "send": Replay.send,
    "recv": Replay.recv,
    "raw_send": Replay.raw_request,
    "send_raw_text_frame": Replay.raw_frame,
    "send_raw_unmasked": Replay.raw_frame,
    "send_fragments": Replay.fragments,
    "send_len": Replay.long_frame,
    "joins": Replay.join_many,
    "alive_after": Replay.stay_alive,
    "step": Replay.act,
    "origin": Replay.pass_over,
    "elapsed": Replay.pass_over,
}
