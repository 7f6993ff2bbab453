"""Fan-out: how many relayed frames the server sends in a second of its own CPU time.

The client of one task pushes `input_stream`; the provider of that task listens on five hundred sockets. Measured with one push
under way, so that every listener gets each frame by itself, and with sixteen, where one write may carry several. What the system
takes for the same frames, one `send` for each, is measured beside them: with one push under way there is no server above it.
"""

from __future__ import annotations

import argparse
import asyncio
import json

from report import Row, add_pace, finish, pace_of, parser
from sockets import TIMEOUT_S, Listener, Prompter, Pusher, opened, target_of
from target import BARE_SENDS, SERVE, CannotMeasure, allow_files, make_tasks, running
from throughput import push_text

CHUNK = "It was a bright cold day in April, é漢😀"
BAR = "76,000"
POLL_S = 0.05


async def measured(options: argparse.Namespace) -> list[Row]:
    """Measure with each number of pushes under way."""
    allow_files(2 * options.listeners)
    bare = await _bare_sends(options)
    rows = [await _fan_out(options, window) for window in (1, options.window)]
    for row in rows:
        row.notes["of bare sends"] = f"{row.median / bare.median:.2f}"
    return [*rows, bare]


async def _bare_sends(options: argparse.Namespace) -> Row:
    length = len(push_text("task:task_AAAAAAAAAAAA", "input_stream", {"chunk": CHUNK, "seq": 1000}, 1000))
    with running((*BARE_SENDS, str(options.listeners), str(length))) as target:
        listeners = await opened(target, lambda: Listener("/"), options.listeners - 1)
        listeners += await opened(target, lambda: Prompter("/"), 1)
        listeners[-1].ask()
        rates = await pace_of(options).measure(target, lambda: sum(each.relayed for each in listeners))
        listeners[-1].transport.abort()
        return Row(f"bare sends to {len(listeners)} sockets", "frames/CPU-s", rates)


async def _fan_out(options: argparse.Namespace, window: int) -> Row:
    with running(SERVE) as target:
        tasks = make_tasks(target, 1)
        (topic,) = tasks.topics
        listeners = await opened(target, lambda: Listener(target_of(tasks.provider)), options.listeners)
        for listener in listeners:
            await listener.join(topic)

        def text(ref: int) -> bytes:
            return push_text(topic, "input_stream", {"chunk": CHUNK, "seq": ref}, ref)

        def make() -> Pusher:
            return Pusher(target_of(tasks.client), text, is_echo=False, window=window, repeat=None)

        (source,) = await opened(target, make, 1)
        await source.join(topic)
        source.start()
        rates = await pace_of(options).measure(target, lambda: sum(each.relayed for each in listeners))
        source.finish()
        await _all_have_all(source, listeners)
        name = f"input_stream to {len(listeners)} sockets, {window} under way"
        return Row(name, "frames/CPU-s", rates, BAR, {"pushes": f"{source.replies:,}"})


async def _all_have_all(source: Pusher, listeners: list[Listener]) -> None:
    """Wait until the last push has reached everybody, and hold what came against what was sent."""
    async with asyncio.timeout(TIMEOUT_S):
        while source.under_way or any(each.relayed < source.replies for each in listeners):  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
    for each in listeners:
        payload = json.loads(each.last)[4]
        if each.relayed != source.replies or payload != {"chunk": CHUNK, "seq": source.replies - 1}:
            raise CannotMeasure("a listener did not get what was pushed")


def main() -> None:
    options = parser(__doc__)
    add_pace(options)
    options.add_argument("--listeners", type=int, default=500)
    options.add_argument("--window", type=int, default=16, help="pushes under way in the second measurement")
    chosen = options.parse_args()
    finish(chosen, lambda: measured(chosen))


if __name__ == "__main__":
    main()
