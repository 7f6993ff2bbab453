"""Servers that nobody can work with, as processes: `python serve.py NAME [--port N] [--seed N]`.

Each is one fault that is everywhere, on every path: nothing of the protocol is behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

READY = "wireproof serve: listening on "
HOST = "127.0.0.1"
DEEPEST = 3
WORDS = ("phx_reply", "phx_close", "ok", "error", "task", "", "\u00e9\u6f22", "response", "status")

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Answer = Callable[[Any, random.Random], Any]


async def closes_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a connection and end it."""
    writer.close()


async def never_answers(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Take a connection, read what comes, and say nothing, not even to the handshake."""
    while await reader.read(65536):
        pass


def nothing(_message: Any, _draw: random.Random) -> Any:
    """Let everybody in and say nothing."""
    return None


class FallsSilent:
    """Answer the first message with ok, and nothing after it."""

    def __init__(self) -> None:
        self._has_spoken = False

    def __call__(self, message: Any, draw: random.Random) -> Any:
        """Return the only answer there is."""
        said = None if self._has_spoken else ok(message, draw)
        self._has_spoken = True
        return said


def ok(message: Any, _draw: random.Random) -> Any:
    """Answer everything with ok."""
    return _reply(message, "ok", {})


def error(message: Any, _draw: random.Random) -> Any:
    """Answer everything with error."""
    return _reply(message, "error", {"reason": "no"})


def random_json(_message: Any, draw: random.Random) -> Any:
    """Answer everything with some JSON."""
    return _drawn(draw, DEEPEST)


def _reply(message: Any, status: str, response: Any) -> Any:
    """Return a reply in the serializer of what came; to what is no message, one that fits no push."""
    payload = {"status": status, "response": response}
    if isinstance(message, dict):
        return {**message, "event": "phx_reply", "payload": payload}
    join_ref, ref, topic = (message + [None] * 3)[:3] if isinstance(message, list) else (None, None, None)
    return [join_ref, ref, topic, "phx_reply", payload]


def _drawn(draw: random.Random, depth: int) -> Any:
    kind = draw.randrange(7 if depth else 5)
    match kind:
        case 0:
            return draw.choice([None, True, False])
        case 1:
            return draw.randrange(-1000, 1000)
        case 2:
            return draw.random() * 10 ** draw.randrange(-5, 20)
        case 3 | 4:
            return draw.choice(WORDS)
        case 5:
            return [_drawn(draw, depth - 1) for _ in range(draw.randrange(6))]
    return {draw.choice(WORDS): _drawn(draw, depth - 1) for _ in range(draw.randrange(4))}


CONVERSATIONS: dict[str, Conversation] = {
    "closes-at-once": closes_at_once,
    "never-answers": never_answers,
}
ANSWERS: dict[str, Answer] = {
    "lets-in-and-never-answers": nothing,
    "falls-silent": FallsSilent(),
    "says-ok": ok,
    "says-error": error,
    "says-random-json": random_json,
}


async def _converse(connection: ServerConnection, answer: Answer, draw: random.Random) -> None:
    with suppress(ConnectionClosed):
        async for text in connection:
            try:
                message = json.loads(text)
            except ValueError:
                message = None
            said = answer(message, draw)
            if said is not None:
                await connection.send(json.dumps(said))


async def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[*CONVERSATIONS, *ANSWERS])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)  # noqa: S311 - to be repeated, not to be secret
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    if options.name in CONVERSATIONS:
        server: Any = await asyncio.start_server(CONVERSATIONS[options.name], HOST, options.port)
        port = server.sockets[0].getsockname()[1]
    else:
        server = await serve(
            lambda connection: _converse(connection, ANSWERS[options.name], draw), HOST, options.port
        )
        port = next(iter(server.sockets)).getsockname()[1]
    print(f"{READY}ws://{HOST}:{port}", flush=True)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
