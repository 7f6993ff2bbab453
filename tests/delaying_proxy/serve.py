"""A TCP proxy that lets everything arrive later, as a process: `python serve.py --target HOST:PORT --delay-ms 20 --port 0`.

Each direction is late by the same time, always; nothing is lost, doubled or out of order. The end of a connection is late, too.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress

READ_BYTES = 65_536


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Pass everything on that comes, each piece `delay_s` after it came."""
    due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    clock = asyncio.get_running_loop().time

    async def write() -> None:
        data = b"not the end"
        while data:
            at_s, data = await due.get()
            await asyncio.sleep(at_s - clock())
            writer.write(data)
            await writer.drain()
        writer.close()

    writing = asyncio.ensure_future(write())
    data = b"not the end"
    while data:
        try:
            data = await reader.read(READ_BYTES)
        except ConnectionError:
            data = b""
        due.put_nowait((clock() + delay_s, data))
    with suppress(ConnectionError):
        await writing


async def main(host: str, target_port: int, delay_s: float, port: int) -> None:
    """Serve until the process is ended."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near, far = await asyncio.open_connection(host, target_port)
        await asyncio.gather(pass_on(reader, far, delay_s), pass_on(near, writer, delay_s))

    server = await asyncio.start_server(connect, "127.0.0.1", port)
    print(f"wireproof serve: listening on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--delay-ms", type=float, default=20.0)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    target_host, _, target_port = given.target.rpartition(":")
    asyncio.run(main(target_host, int(target_port), given.delay_ms / 1000, given.port))
