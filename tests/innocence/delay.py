"""A network that takes its time: whatever a server says arrives later, in the same order, handshakes and closes included."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, urlsplit

READ_BYTES = 65_536


@contextmanager
def delayed(url: str, delay_s: float) -> Iterator[str]:
    """Give the URL of a proxy on a free port of the loopback interface for the length of a `with` block."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    port: list[int] = []
    ending = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(
            lambda reader, writer: _pass_on(reader, writer, urlsplit(url), delay_s), "127.0.0.1", 0
        )
        port.append(server.sockets[0].getsockname()[1])
        ready.set()
        await ending.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield f"ws://127.0.0.1:{port[0]}"
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join()
        loop.close()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: SplitResult, delay_s: float
) -> None:
    """Connect a client with the server and carry what they say."""
    late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    questions: asyncio.StreamWriter | None = None
    try:
        answers, questions = await asyncio.open_connection(to.hostname, to.port)
        carrying = asyncio.create_task(_carry(reader, questions))
        noting = asyncio.create_task(_note(answers, late, delay_s))
        await _deliver(late, writer)
        for task in (carrying, noting):
            task.cancel()
        await asyncio.gather(carrying, noting, return_exceptions=True)
    except OSError:
        # Whoever is not there cannot be passed on to.
        return
    finally:
        for one in (writer, questions):
            if one is not None:
                one.close()
                with suppress(OSError):
                    await one.wait_closed()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def _note(
    reader: asyncio.StreamReader, late: asyncio.Queue[tuple[float, bytes]], delay_s: float
) -> None:
    """Note what comes, and that nothing more does, with the time at which it is to arrive."""
    data = b"begun"
    while data:
        try:
            data = await reader.read(READ_BYTES)
        except OSError:
            data = b""
        late.put_nowait((asyncio.get_running_loop().time() + delay_s, data))


async def _deliver(late: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    while True:
        at_s, data = await late.get()
        await asyncio.sleep(max(0.0, at_s - asyncio.get_running_loop().time()))
        if not data:
            return
        with suppress(OSError):
            writer.write(data)
            await writer.drain()
