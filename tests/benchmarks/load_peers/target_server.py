"""A bare server that answers every push of serializer 2.0.0 by ok: the target of load benchmarks, cheap enough not to be what is measured.

It reads no JSON but cuts the refs out of the text. It may stand still now and then.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import time
from typing import Protocol, cast

from websockets.speedups import apply_mask

from reference_server.server import run

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OK = b'","phx_reply",{"status":"ok","response":{}}]'


class Writing(Protocol):
    """What an answer is written to."""

    def write(self, data: bytes) -> object:
        """Send it."""

    def close(self) -> object:
        """Send no more."""


class Answering(asyncio.Protocol):
    """One connection whose pushes are answered at once."""

    transport: Writing
    rest = b""
    is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("Writing", transport)

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        if not self.is_open:
            data = self._shake(data)
        at, end, out = 0, len(data), []
        while end - at >= 6:
            length, body = data[at + 1] & 127, at + 6
            if length == 126:
                length, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 8
            stop = body + length
            if stop > end:
                break
            if data[at] == 0x81:
                self.answer(apply_mask(data[body:stop], data[body - 4 : body]), out)
            elif data[at] == 0x88:
                self.transport.close()
                return
            at = stop
        self.rest = data[at:]
        if out:
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))

    def answer(self, text: bytes, out: list[bytes]) -> None:
        out.append(framed(text))

    def _shake(self, data: bytes) -> bytes:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            self.rest = data
            return b""
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        accept = base64.b64encode(
            hashlib.sha1(key.partition(b":")[2].strip() + _GUID, usedforsecurity=False).digest()
        )
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.is_open = True
        return rest


def framed(text: bytes) -> bytes:
    """Return the frame of the ok that answers a message."""
    if text.startswith(b"[null"):
        _, ref, _, topic, _ = text.split(b'"', 4)
        reply = b'[null,"' + ref + b'","' + topic + _OK
    else:
        _, join_ref, _, ref, _, topic, _ = text.split(b'"', 6)
        reply = b'["' + join_ref + b'","' + ref + b'","' + topic + _OK
    length = len(reply)
    return (bytes((0x81, length)) if length < 126 else b"\x81\x7e" + length.to_bytes(2, "big")) + reply


async def stall(every_s: float, for_s: float) -> None:
    """Stand still now and then, as in a long collection of garbage."""
    loop = asyncio.get_running_loop()
    due = loop.time() + every_s
    while True:
        await asyncio.sleep(max(0, due - loop.time()))
        time.sleep(for_s)  # noqa: ASYNC251 - that is the point
        due += every_s


async def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--stall-every-s", type=float)
    options.add_argument("--stall-s", type=float, default=0.5)
    given = options.parse_args()
    loop = asyncio.get_running_loop()
    tasks = []
    if given.stall_every_s:
        tasks.append(loop.create_task(stall(given.stall_every_s, given.stall_s)))
    listener = await loop.create_server(Answering, "127.0.0.1", 0, backlog=4096)
    print(f"target: listening on ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}", flush=True)
    ended = asyncio.Event()
    loop.add_signal_handler(15, ended.set)
    await ended.wait()
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    run(main)
