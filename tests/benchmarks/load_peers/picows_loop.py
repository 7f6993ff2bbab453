"""A bare picows loop on uvloop that pushes as fast as answers come: what our generator is held against. No Locust, no scenario."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from reference_server.server import run

decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


class Pusher(WSListener):
    """One connection with one push under way; each reply's ref and status are checked, each latency is kept."""

    replies = 0

    def __init__(self, number: int) -> None:
        self.topic = f"task:{number}"
        self.ref = 1
        self.sent_us = 0
        self.latencies_us: list[int] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.send(WSMsgType.TEXT, encode(("1", "1", self.topic, "phx_join", {})))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        _, ref, _, event, payload = decode(frame.get_payload_as_memoryview())
        if event != "phx_reply" or ref != str(self.ref) or payload["status"] != "ok":
            raise SystemExit(f"a wrong reply: {ref} {event} {payload}")
        at_us = time.monotonic_ns() // 1000
        if self.sent_us:
            self.latencies_us.append(at_us - self.sent_us)
        Pusher.replies += 1
        self.ref += 1
        self.sent_us = time.monotonic_ns() // 1000
        push = ("1", str(self.ref), self.topic, "checkpoint", {"state": {"text": ""}, "seq": self.ref})
        transport.send(WSMsgType.TEXT, encode(push))


async def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--connections", type=int, default=200)
    options.add_argument("--load-s", type=float, default=3.0)
    given = options.parse_args()
    for number in range(given.connections):
        await ws_connect(lambda number=number: Pusher(number), f"{given.url}/socket/websocket?vsn=2.0.0")
    await asyncio.sleep(0.5)
    gc.collect()
    gc.freeze()
    replies, cpu_s = Pusher.replies, time.process_time()
    await asyncio.sleep(given.load_s)
    print(json.dumps({"pairs": Pusher.replies - replies, "cpu_s": time.process_time() - cpu_s}))


if __name__ == "__main__":
    run(main)
