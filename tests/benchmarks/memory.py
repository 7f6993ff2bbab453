"""Memory: what an idle connection with one joined channel adds to the resident memory of the server.

Each connection joins a task of its own. Tasks and agents are made before the first look, and some connections come and go
before it, so that only what connections cost is counted. Memory of the kernel for sockets is not in it.
"""

from __future__ import annotations

import argparse
import asyncio

from report import Row, finish, parser
from sockets import Socket, opened, target_of
from target import SERVE, allow_files, make_tasks, running

BAR = "at most 29 KiB (real Phoenix: 29 to 34)"
WARM_UP_CONNECTIONS = 100


async def measured(options: argparse.Namespace) -> list[Row]:
    """Measure on servers of their own."""
    allow_files(options.connections)
    rounds = [await _round(options) for _ in range(options.rounds)]
    name = f"{options.connections:,} idle connections, each with a task joined"
    return [Row(name, "KiB/connection", rounds, BAR)]


async def _round(options: argparse.Namespace) -> float:
    with running(SERVE) as target:
        tasks = make_tasks(target, options.connections)

        async def joined(count: int) -> list[Socket]:
            sockets: list[Socket] = await opened(target, lambda: Socket(target_of(tasks.provider)), count)
            for socket, topic in zip(sockets, tasks.topics, strict=False):
                await socket.join(topic)
            return sockets

        for socket in await joined(min(WARM_UP_CONNECTIONS, options.connections)):
            socket.transport.abort()
        await asyncio.sleep(options.settle_s)
        before_kib = target.resident_kib()
        sockets = await joined(options.connections)
        await asyncio.sleep(options.settle_s)
        added_kib = target.resident_kib() - before_kib
        for socket in sockets:
            socket.transport.abort()
        return added_kib / len(sockets)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--connections", type=int, default=5_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--settle-s", type=float, default=1.0)
    chosen = options.parse_args()
    finish(chosen, lambda: measured(chosen))


if __name__ == "__main__":
    main()
