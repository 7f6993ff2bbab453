"""A Phoenix client on asyncio that pipelines: a push gives a future for its reply, whatever else comes is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Told = Callable[[str, str, Any], None]
"""Is called with topic, event and payload of what is no reply."""


class Gone(Exception):
    """The connection ended before the reply; the push may or may not have happened."""


class Refusal(Exception):
    """The server has refused; the reason is the argument."""


class Client:
    """One socket."""

    def __init__(self, connection: ClientConnection, told: Told) -> None:
        self._connection = connection
        self._told = told
        self._refs = count(1)
        self._replies: dict[str, tuple[asyncio.Future[Any], Callable[[Any], None]]] = {}
        self._join_refs: dict[str, str] = {}
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        self.is_gone = False

    @classmethod
    async def open(cls, url: str, told: Told = lambda *_: None, **params: str) -> Client:
        """Connect to a socket; raises `InvalidStatus` where it is refused, `Gone` where nobody answers."""
        query = urlencode({"vsn": "2.0.0", **params})
        try:
            connection = await connect(
                f"{url}?{query}", max_size=None, ping_interval=None, compression=None, open_timeout=30
            )
        except (OSError, EOFError, ConnectionClosed) as exc:
            raise Gone from exc
        return cls(connection, told)

    def push(self, topic: str, event: str, payload: Any, told: Callable[[Any], None] = lambda _: None) -> Any:
        """Send without waiting; the future has the response, or raises `Refusal` or `Gone`.

        `told` is given the response of an ok reply in the order in which everything came in.
        """
        ref = str(next(self._refs))
        if event == "phx_join":
            self._join_refs[topic] = ref
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # An exception that nobody asks for is no news: the load pushes and goes on.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self.is_gone:
            future.set_exception(Gone())
            return future
        self._replies[ref] = (future, told)
        self._outbox.put_nowait(json.dumps([self._join_refs.get(topic), ref, topic, event, payload]))
        return future

    def join(self, topic: str) -> Any:
        """Join a topic; the future has the response."""
        return self.push(topic, "phx_join", {})

    async def close(self) -> None:
        """Drop the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._connection.transport.abort()
        self._end()

    async def _write(self) -> None:
        try:
            while True:
                await self._connection.send(await self._outbox.get())
        except ConnectionClosed:
            self._end()

    async def _read(self) -> None:
        try:
            while True:
                self._take(json.loads(await self._connection.recv()))
        except ConnectionClosed:
            self._end()

    def _take(self, message: list[Any]) -> None:
        _, ref, topic, event, payload = message
        future, told = self._replies.pop(ref, (None, None)) if event == "phx_reply" else (None, None)
        if future is None or told is None:
            self._told(topic, event, payload)
        elif payload["status"] == "ok":
            told(payload["response"])
            future.set_result(payload["response"])
        else:
            future.set_exception(Refusal(payload["response"].get("reason")))

    def _end(self) -> None:
        self.is_gone = True
        for future, _ in self._replies.values():
            if not future.done():
                future.set_exception(Gone())
        self._replies.clear()
