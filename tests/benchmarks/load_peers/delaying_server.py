"""A bare server that answers each push after a known random delay, and logs how long each answer really took it.

It looks without end for what has come and for what is due, and reads and writes its sockets itself. Under an event loop, what has come
waits for its turn before it is read, and an answer after it is written; neither would be in the log, but in what a client measures.
"""

from __future__ import annotations

import argparse
import math
import random
import select
import signal
import socket
import struct
import time
from array import array
from heapq import heappop, heappush
from pathlib import Path

from target_server import Answering, framed

READ_BYTES = 65_536
SO_TIMESTAMPNS = 35
STAMP_BYTES = 64


class Delays:
    """Lognormal delays, and how long each answer really took."""

    def __init__(self, median_ms: float, sigma: float, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._mu, self._sigma = math.log(median_ms / 1000), sigma
        self._due: list[tuple[int, int, int, socket.socket, bytes]] = []
        self._number = 0
        self.taken_us = array("L")

    def later(self, came_ns: int, connection: socket.socket, frame: bytes) -> None:
        """Answer after the next delay."""
        delay_ns = round(self._random.lognormvariate(self._mu, self._sigma) * 1e9)
        self._number += 1
        heappush(self._due, (came_ns + delay_ns, self._number, came_ns, connection, frame))

    def answer(self) -> None:
        """Answer the next push if it is due; only one, so that what comes meanwhile is seen."""
        if self._due and self._due[0][0] <= time.monotonic_ns():
            _, _, came_ns, connection, frame = heappop(self._due)
            connection.send(frame)
            self.taken_us.append((time.monotonic_ns() - came_ns) // 1000)


class Delaying(Answering):
    """One connection whose pushes are answered later."""

    def __init__(self, connection: socket.socket, delays: Delays) -> None:
        self.transport = self
        self._connection = connection
        self._delays = delays
        self._came_ns = 0

    def readable(self) -> bool:
        """Take what has come; return whether the connection goes on."""
        data, told, _, _ = self._connection.recvmsg(READ_BYTES, STAMP_BYTES)
        self._came_ns = time.monotonic_ns()
        for _, kind, stamp in told:
            if kind == SO_TIMESTAMPNS:
                seconds, rest_ns = struct.unpack("@ll", stamp)
                self._came_ns -= time.time_ns() - (seconds * 10**9 + rest_ns)
        if data:
            self.data_received(data)
        return bool(data)

    def answer(self, text: bytes, out: list[bytes]) -> None:
        if b'"phx_join"' in text or text.startswith(b"[null"):
            out.append(framed(text))
        else:
            self._delays.later(self._came_ns, self._connection, framed(text))

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)

    def close(self) -> None:
        """Nothing more: the client closes after it has said so."""


def serve(listener: socket.socket, delays: Delays) -> None:
    """Serve until the process is asked to end."""
    is_over = False

    def end(*_: object) -> None:
        nonlocal is_over
        is_over = True

    signal.signal(signal.SIGTERM, end)
    connections: dict[int, tuple[socket.socket, Delaying]] = {}
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    while not is_over:
        for number, _ in poll.poll(0):
            if number == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection, Delaying(connection, delays)
                poll.register(connection, select.EPOLLIN)
            elif not connections[number][1].readable():
                poll.unregister(number)
                connections.pop(number)[0].close()
            delays.answer()
        delays.answer()


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--delay-ms", type=float, required=True)
    options.add_argument("--sigma", type=float, default=0.8)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--log", type=Path, required=True)
    given = options.parse_args()
    delays = Delays(given.delay_ms, given.sigma, given.seed)
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        print(f"target: listening on ws://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        serve(listener, delays)
    given.log.write_bytes(delays.taken_us.tobytes())


if __name__ == "__main__":
    main()
