"""A server of a known capacity: it answers at most so many pushes a second, and lets the others wait, or refuses them."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal

from target_server import Answering, framed

from reference_server.server import run

SPARE_S = 0.05
"""What it may make up for after its process has had to wait for the machine, and no more."""


class Limit:
    """Gives a time to every push: one every 1/rate seconds."""

    def __init__(self, rate_per_s: float, spare_s: float = SPARE_S) -> None:
        self._every_s = 1 / rate_per_s
        self._spare_s = spare_s
        self._loop = asyncio.get_running_loop()
        self._latest_s = self._loop.time()

    def due_s(self) -> float:
        """Return when the next push may be answered."""
        self._latest_s = max(self._latest_s, self._loop.time() - self._spare_s) + self._every_s
        return self._latest_s

    def is_exceeded(self) -> bool:
        """Take a push, unless it comes before its time."""
        if self._latest_s > self._loop.time():
            return True
        self.due_s()
        return False


def limited(limit: Limit, *, refuses: bool) -> type[Answering]:
    """Return connections that share a limit."""
    loop = asyncio.get_running_loop()

    class Limited(Answering):
        def answer(self, text: bytes, out: list[bytes]) -> None:
            if b'"phx_join"' in text or text.startswith(b"[null"):
                out.append(framed(text))
            elif refuses:
                out.append(refused(text) if limit.is_exceeded() else framed(text))
            else:
                loop.call_at(limit.due_s(), self.transport.write, framed(text))

    return Limited


def refused(text: bytes) -> bytes:
    """Return the frame of the error that answers a message."""
    join_ref, ref, topic, *_ = json.loads(text)
    payload = {"status": "error", "response": {"reason": "busy"}}
    reply = json.dumps([join_ref, ref, topic, "phx_reply", payload]).encode()
    return (
        bytes((0x81, len(reply))) if len(reply) < 126 else b"\x81\x7e" + len(reply).to_bytes(2, "big")
    ) + reply


async def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--rate", type=float, required=True)
    options.add_argument("--refuses", action="store_true")
    options.add_argument("--spare-s", type=float, default=SPARE_S, help="what may come in a burst")
    given = options.parse_args()
    made = limited(Limit(given.rate, given.spare_s), refuses=given.refuses)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(made, "127.0.0.1", given.port, backlog=4096)
    port = listener.sockets[0].getsockname()[1]
    print(f"wireproof serve: listening on ws://127.0.0.1:{port}", flush=True)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


if __name__ == "__main__":
    run(main)
