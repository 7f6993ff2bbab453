"""A bare echo server of the same library on the same loop: what the reference server's figures are held against.

`websockets`' sans-I/O `ServerProtocol` on an `asyncio.Protocol`; every text message goes back as it came. No JSON, no
channels, no limits of our own.
"""

from __future__ import annotations

import asyncio
from typing import cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from reference_server.server import run


class Echo(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._wire = ServerProtocol()

    def data_received(self, data: bytes) -> None:
        self._wire.receive_data(data)
        for event in self._wire.events_received():
            if isinstance(event, Request):
                self._wire.send_response(self._wire.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._wire.send_text(event.data)
        self._transport.write(b"".join(self._wire.data_to_send()))


async def main() -> None:
    listener = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=1024)
    print(f"echo: listening on ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    run(main)
