"""Nothing but the system call of a fan-out: what the reference server's figures are held against.

Takes the given number of WebSockets. Whenever the last of them sends anything, it sends every one of them a text frame of the given
length with one `send` each. No event loop, no protocol.
"""

from __future__ import annotations

import socket
import sys

_ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def main(count: int, length: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"bare sends: listening on ws://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    sockets = [_opened(listener) for _ in range(count)]
    frame = b"\x81\x7e" + length.to_bytes(2, "big") + b"x" * length
    sends = [each.send for each in sockets]
    while sockets[-1].recv(16):
        for send in sends:
            send(frame)


def _opened(listener: socket.socket) -> socket.socket:
    opened, _ = listener.accept()
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = b""
    while b"\r\n\r\n" not in head:
        head += opened.recv(4096)
    opened.send(_ANSWER)
    return opened


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
