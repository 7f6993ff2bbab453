"""The means of files whose conversation goes below the messages of Phoenix: frames bit by bit, binary pushes, HTTP by hand."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
from contextlib import suppress
from urllib.parse import urlsplit

from conformance.findings.standalone.core import Connection, Endpoint
from conformance.findings.standalone.reading import Event

MASK = b"\x12\x34\x56\x78"


def ws_frame(
    opcode: int,
    data: str | bytes,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bool = True,
    length: int | None = None,
) -> bytes:
    """Return a frame of WebSocket; its header may claim any length."""
    payload = data.encode() if isinstance(data, str) else data
    claimed = len(payload) if length is None else length
    head, flag = bytes([(0x80 if fin else 0) | rsv << 4 | opcode]), 0x80 if mask else 0
    if claimed < 126:
        head += bytes([flag | claimed])
    else:
        head += (
            struct.pack("!BH", flag | 126, claimed)
            if claimed < 65_536
            else struct.pack("!BQ", flag | 127, claimed)
        )
    masked = bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))
    return head + (MASK + masked if mask else payload)


def binary_push(join_ref: str, ref: str, topic: str, event: str, data: bytes) -> bytes:
    """Return a push in the binary layout of serializer 2.0.0."""
    fields = [text.encode() for text in (join_ref, ref, topic, event)]
    return bytes([0, *map(len, fields)]) + b"".join(fields) + data


def half_close(connection: Connection) -> None:
    """Let TCP say that no more comes, without a close frame; what the other side sends can still be read."""
    if connection.ws is not None:
        with suppress(OSError):
            connection.ws.socket.shutdown(socket.SHUT_WR)


def reset(connection: Connection) -> None:
    """Drop the TCP connection by a reset, as when a machine has lost it."""
    if connection.ws is not None:
        with suppress(OSError):
            connection.ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.drop()


def ask(endpoint: Endpoint, name: str, method: str, target: str, headers: dict[str, str]) -> Connection:
    """Send one request of HTTP by hand; the answer is the only thing that comes."""
    answer = endpoint.connections[name] = Connection(endpoint, name)
    parts = urlsplit(endpoint.url)
    client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    if parts.scheme == "wss":
        trusted = ssl.create_default_context()
        client = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=5, context=trusted)
    endpoint.show(name, ">", f"{method} {target}")
    try:
        client.putrequest(method, parts.path + target, skip_accept_encoding=True)
        for header, value in headers.items():
            client.putheader(header, value)
        client.endheaders()
        response = client.getresponse()
        told = {header.lower(): value for header, value in response.getheaders() if header.lower() != "date"}
        answer.note(Event("HTTP", status=response.status, frame=told))
    except (OSError, http.client.HTTPException):
        answer.note(Event("no answer"))
    finally:
        client.close()
    return answer
