"""The benchmarks' client: many WebSockets in one event loop, cheap enough not to be what is measured."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import struct
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from target import CannotMeasure, Target
from websockets.speedups import apply_mask

from conformance.fixtures.provision import Agent

TIMEOUT_S = 60.0
_TEXT = 1
_decode = msgspec.json.Decoder().decode


class Socket(asyncio.Protocol):
    """One WebSocket of serializer 2.0.0.

    Args:
        target: The request target of the handshake.

    """

    def __init__(self, target: str) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self._answer: asyncio.Future[Any] | None = None
        self._target = target
        self._rest = b""
        self.is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(
            f"GET {self._target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        for future in (self.opened, self._answer):
            if future is not None and not future.done():
                future.set_exception(CannotMeasure("the server has closed a connection"))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        at = 0
        if not self.opened.done():
            head, end, _ = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = data
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.opened.set_exception(CannotMeasure(f"handshake refused: {head[:60]!r}"))
                return
            self.opened.set_result(None)
            at = len(head) + len(end)
        self._rest = data[self._read(data, at) :]
        self.segment_ended()

    def _read(self, data: bytes, at: int) -> int:
        """Read the frames from `at` on and return where the first incomplete one begins."""
        end = len(data)
        while end - at >= 2:
            length, body = data[at + 1], at + 2
            if length == 126:
                length, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                length, body = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if body + length > end:
                break
            if data[at] & 15 == _TEXT:
                self.received(data[body : body + length])
            at = body + length
        return at

    def received(self, text: bytes) -> None:
        """Take a message; outside a load it answers `request`."""
        message = _decode(text)
        if self._answer is not None and message[3] == "phx_reply":
            self._answer.set_result(message[4])
            self._answer = None

    def segment_ended(self) -> None:
        """Called after all messages that came at once."""

    async def request(self, *fields: Any) -> Any:
        """Send one message and return the payload of its reply."""
        self._answer = answer = asyncio.get_running_loop().create_future()
        self.transport.write(masked(json.dumps(fields).encode()))
        async with asyncio.timeout(TIMEOUT_S):
            return await answer

    async def join(self, topic: str) -> None:
        """Join a topic with the ref `j`."""
        reply = await self.request("j", "j", topic, "phx_join", {})
        if reply["status"] != "ok":
            raise CannotMeasure(f"join refused: {reply}")


class Pusher(Socket):
    """A socket that always has the same number of pushes under way and checks every reply.

    Args:
        target: The request target of the handshake.
        push: Makes the text of the push of a ref.
        is_echo: Whether the push itself comes back in place of a reply.
        window: How many pushes are under way.
        repeat: After how many refs they begin anew, their frames being made once; None makes each frame anew.

    """

    def __init__(
        self, target: str, push: Callable[[int], bytes], *, is_echo: bool, window: int, repeat: int | None
    ) -> None:
        super().__init__(target)
        self.replies = 0
        self._is_running = False
        self._is_echo = is_echo
        self._window = window
        self._push = push
        frames = None if repeat is None else [masked(push(ref)) for ref in range(repeat)]
        self._frames = (
            map(masked, map(push, itertools.count())) if frames is None else itertools.cycle(frames)
        )
        self._repeat = repeat or 1 << 60
        self._arrived = 0
        self._is_finishing = False
        self.under_way = 0

    def start(self) -> None:
        """Begin."""
        self._is_running = True
        self._send(self._window)

    def stop(self) -> None:
        """Push no more, and look at no reply."""
        self._is_running = False

    def finish(self) -> None:
        """Push no more; `under_way` falls to 0."""
        self._is_finishing = True

    def received(self, text: bytes) -> None:
        if not self._is_running:
            super().received(text)
            return
        ref = self.replies % self._repeat
        if self._is_echo:
            is_right = text == self._push(ref)
        else:
            _, reply_ref, _, event, payload = _decode(text)
            if event != "phx_reply":
                return
            is_right = reply_ref == str(ref) and payload["status"] == "ok"
        if not is_right:
            raise CannotMeasure(f"a wrong reply: {text[:200]!r}")
        self.replies += 1
        self.under_way -= 1
        self._arrived += 1

    def segment_ended(self) -> None:
        if self._is_running and self._arrived and not self._is_finishing:
            self._send(self._arrived)
            self._arrived = 0

    def _send(self, count: int) -> None:
        self.under_way += count
        self.transport.write(b"".join(itertools.islice(self._frames, count)))


class Listener(Socket):
    """A socket that counts what is relayed to it."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.relayed = 0
        self.last = b""

    def received(self, text: bytes) -> None:
        if self._answer is not None:
            super().received(text)
        else:
            self.relayed += 1
            self.last = text


class Prompter(Listener):
    """A listener that asks for the next frame with a byte that is no WebSocket's."""

    def received(self, text: bytes) -> None:
        super().received(text)
        self.ask()

    def ask(self) -> None:
        """Ask for one."""
        self.transport.write(b"\n")


def target_of(agent: Agent) -> str:
    """Return the request target of an agent's socket."""
    return f"/socket/websocket?{urlencode({'api_key': agent.api_key, 'vsn': '2.0.0'})}"


async def opened(target: Target, make: Callable[[], Any], count: int, at_once: int = 50) -> list[Any]:
    """Open that many sockets, a few at a time."""
    loop = asyncio.get_running_loop()
    sockets: list[Any] = []
    while len(sockets) < count:
        some = [
            (await loop.create_connection(make, "127.0.0.1", target.port))[1]
            for _ in range(min(at_once, count - len(sockets)))
        ]
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*(socket.opened for socket in some))
        sockets += some
    return sockets


def masked(text: bytes) -> bytes:
    """Build a text frame as clients send it."""
    mask, length = secrets.token_bytes(4), len(text)
    head = (
        struct.pack("!BB", 0x81, 0x80 | length) if length < 126 else struct.pack("!BBH", 0x81, 0xFE, length)
    )
    return head + mask + apply_mask(text, mask)
