"""Push and reply: how many pairs the server answers in a second of its own CPU time.

Fifty connections, sixteen pushes under way on each, `progress` on a task of its own with the documents' full sample. Measured
with the provider alone on its task, and with the client there too, so that every push is also relayed. The heartbeat and a
bare echo server of the same library show where the rest goes. Not shown: latency, and what TLS or a ledger on disk cost.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial

from report import Row, add_pace, finish, pace_of, parser
from sockets import Listener, Pusher, opened, target_of
from target import ECHO, SERVE, Target, allow_files, make_tasks, running

PROGRESS = {"percent": 37, "message": "all chunks are out ✓"}
BAR = "62,000 (real Phoenix 1.7.24 on Cowboy: 61,000 to 69,000)"
REPEAT = 64 * 16


def push_text(topic: str, event: str, payload: object, ref: int) -> bytes:
    """Write the text of one push."""
    fields = ("j", str(ref), topic, event, payload)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


class Throughput:
    """The benchmark with its options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._connections: int = options.connections
        self._window: int = options.window
        self._pace = pace_of(options)

    async def rows(self) -> list[Row]:
        """Measure everything, each on a server of its own."""
        bare = await self._echo()
        alone = await self._progress(is_client_there=False)
        both = await self._progress(is_client_there=True)
        beat = await self._heartbeat()
        for row in (alone, both, beat):
            row.notes["of bare echo"] = f"{row.median / bare.median:.2f}"
        return [alone, both, beat, bare]

    async def _progress(self, *, is_client_there: bool) -> Row:
        with running(SERVE) as target:
            tasks = make_tasks(target, self._connections)
            texts = [partial(push_text, topic, "progress", PROGRESS) for topic in tasks.topics]
            pushers = await self._pushers(target, target_of(tasks.provider), texts)
            listeners: list[Listener] = []
            for pusher, topic in zip(pushers, tasks.topics, strict=True):
                await pusher.join(topic)
            if is_client_there:
                listeners = await opened(target, lambda: Listener(target_of(tasks.client)), self._connections)
                for listener, topic in zip(listeners, tasks.topics, strict=True):
                    await listener.join(topic)
            rates = await self._load(target, pushers)
            where = "provider and client" if is_client_there else "provider alone"
            row = Row(f"progress, {where} joined", "pairs/CPU-s", rates, BAR)
            if is_client_there:
                row.notes["relayed"] = f"{sum(each.relayed for each in listeners):,}"
            return row

    async def _heartbeat(self) -> Row:
        with running(SERVE) as target:
            tasks = make_tasks(target, 1)
            beat = partial(push_text, "phoenix", "heartbeat", {})
            pushers = await self._pushers(target, target_of(tasks.provider), [beat] * self._connections)
            return Row("heartbeat", "pairs/CPU-s", await self._load(target, pushers))

    async def _echo(self) -> Row:
        with running(ECHO) as target:
            text = partial(push_text, "task:task_AAAAAAAAAAAA", "progress", PROGRESS)
            pushers = await self._pushers(target, "/", [text] * self._connections, is_echo=True)
            return Row("bare echo of the same library", "pairs/CPU-s", await self._load(target, pushers))

    async def _pushers(
        self, target: Target, path: str, texts: list[Callable[[int], bytes]], *, is_echo: bool = False
    ) -> list[Pusher]:
        left = iter(texts)

        def make() -> Pusher:
            return Pusher(path, next(left), is_echo=is_echo, window=self._window, repeat=REPEAT)

        return await opened(target, make, len(texts))

    async def _load(self, target: Target, pushers: list[Pusher]) -> list[float]:
        for pusher in pushers:
            pusher.start()
        rates = await self._pace.measure(target, lambda: sum(pusher.replies for pusher in pushers))
        for pusher in pushers:
            pusher.stop()
            pusher.transport.abort()
        return rates


def main() -> None:
    options = parser(__doc__)
    add_pace(options)
    options.add_argument("--connections", type=int, default=50)
    options.add_argument("--window", type=int, default=16, help="pushes under way on each connection")
    chosen = options.parse_args()
    finish(chosen, lambda: _measured(chosen))


async def _measured(options: argparse.Namespace) -> list[Row]:
    allow_files(3 * options.connections)
    return await Throughput(options).rows()


if __name__ == "__main__":
    main()
