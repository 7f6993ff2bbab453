"""A client that does what it likes, over a blocking socket, and an operator that makes what it needs."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from specs.signing import SigningKeyPair
from tests.conftest import TOKEN, RunningServer

TIMEOUT_S = 20.0
TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
)


class Ended(ConnectionError):
    """The server has ended TCP."""


def frame(opcode: int, data: bytes, *, fin: bool = True, rsv: int = 0, mask: bytes = bytes(4)) -> bytes:
    """Build one masked frame; a mask of zeros leaves the data as it is."""
    size, head = len(data), bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += struct.pack("!BH", 0xFE, size)
    else:
        head += struct.pack("!BQ", 0xFF, size)
    if any(mask):
        data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
    return head + mask + data


def text(*message: Any) -> bytes:
    """Build the text frame of a message of serializer 2.0.0."""
    return frame(TEXT, json.dumps(message).encode())


HEARTBEAT = text(None, "beat", "phoenix", "heartbeat", {})


class Client:
    """One TCP connection to a server; `close_all` closes all that are open."""

    _opened: ClassVar[list[Client]] = []

    @classmethod
    def close_all(cls) -> None:
        """Drop TCP of every client of this process."""
        for client in cls._opened:
            client.close()
        cls._opened.clear()

    def __init__(self, server: RunningServer, *, receive_bytes: int | None = None) -> None:
        address = urlsplit(server.url)
        self.socket = socket.socket()
        if receive_bytes is not None:
            # A small window makes the kernels hold little of what is not read.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect((address.hostname or "", address.port or 0))
        self._buffer = bytearray()
        self._opened.append(self)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop TCP."""
        self.socket.close()

    def request(self, target: str, fields: str = UPGRADE) -> bytes:
        """Send a request and return the head of the answer."""
        self.send(f"GET {target} HTTP/1.1\r\n{fields}\r\n".encode())
        return self.head()

    def head(self) -> bytes:
        """Return the head of the answer to a request."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer[:] = rest
        return head

    def upgraded(self, query: str, path: str = "/socket/websocket") -> Client:
        """Become a WebSocket."""
        head = self.request(f"{path}?{query}")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return self

    def send(self, *parts: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(b"".join(parts))

    def say(self, *message: Any) -> None:
        """Send a message."""
        self.send(text(*message))

    def next_frame(self) -> tuple[int, bytes]:
        """Return opcode and data of the next frame of the server."""
        head, length = self._exactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        return head & 0x0F, self._exactly(length)

    def message(self) -> Any:
        """Return the next message of the server."""
        opcode, data = self.next_frame()
        assert opcode == TEXT, (opcode, data)
        return json.loads(data)

    def reply(self, ref: str) -> dict[str, Any]:
        """Return the payload of the reply to a ref; what comes before it is passed over."""
        while True:
            message = self.message()
            if message[3] == "phx_reply" and message[1] == ref:
                return dict(message[4])

    def ask(self, *message: Any) -> dict[str, Any]:
        """Send a message and return the payload of its reply."""
        self.say(*message)
        return self.reply(message[1])

    def joined(self, topic: str) -> Client:
        """Join a topic with join_ref 1."""
        assert self.ask("1", "1", topic, "phx_join", {})["status"] == "ok"
        return self

    def is_alive(self) -> bool:
        """Tell whether a heartbeat is answered."""
        return self.ask(None, "beat", "phoenix", "heartbeat", {})["status"] == "ok"

    def end(self) -> int | str:
        """Read to the end; return the close code, `none` for a close without one, or `cut` without a close frame."""
        try:
            while True:
                opcode, data = self.next_frame()
                if opcode == CLOSE:
                    return struct.unpack("!H", data)[0] if data else "none"
        except (Ended, ConnectionError):
            return "cut"

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _fill(self) -> None:
        chunk = self.socket.recv(262_144)
        if not chunk:
            raise Ended
        self._buffer += chunk


@dataclass
class Agent:
    """A registered agent."""

    id: str
    api_key: str
    session_token: str
    keys: SigningKeyPair = field(repr=False)

    @property
    def query(self) -> str:
        """The query that connects it."""
        return f"api_key={self.api_key}&vsn=2.0.0"


class Operator:
    """Makes agents and resources over the control topic."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._client = (
            Client(server).upgraded(f"token={TOKEN}&vsn=2.0.0", "/control/websocket").joined("control")
        )
        self._count = 0

    def agent(self, keys: SigningKeyPair | None = None, **members: Any) -> Agent:
        """Register an agent, with keys of its own unless given."""
        keys = keys or SigningKeyPair.from_seed(os.urandom(32))
        public_key = base64.b64encode(keys.public_key).decode()
        made = self._ask("create_agent", {"public_key": public_key, **members})
        return Agent(made["agent_id"], made["api_key"], made["session_token"], keys)

    def resource(self, family: str, params: dict[str, Any], **roles: Agent) -> str:
        """Make a resource and return its topic."""
        named = {role: agent.id for role, agent in roles.items()}
        return str(
            self._ask("create_resource", {"family": family, "params": params, "roles": named})["topic"]
        )

    def connect(self, agent: Agent, topic: str | None = None, **options: Any) -> Client:
        """Connect an agent, and join a topic."""
        client = Client(self._server, **options).upgraded(agent.query)
        return client if topic is None else client.joined(topic)

    def close(self) -> None:
        """Drop TCP."""
        self._client.close()

    def _ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        self._count += 1
        answer = self._client.ask("1", f"o{self._count}", "control", event, payload)
        assert answer["status"] == "ok", answer
        return dict(answer["response"])


def resident_bytes(server: RunningServer) -> int:
    """Return the memory that a server process occupies."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")
