"""TCP connections, with TLS where the URL says so."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

from conformance.trust import tls_fault, trusting


class Unreachable(Exception):
    """No connection could be made, or it ended before an HTTP response."""


class Unanswered(Unreachable):
    """Whoever listens has answered the handshake with what is no HTTP, or has hung up."""


def open_tcp(url: str, timeout_s: float, *, ca: Path | None = None) -> socket.socket:
    """Connect to the host of a ws:// or wss:// URL, with TLS for wss.

    Args:
        url: The URL.
        timeout_s: How long each step may take.
        ca: PEM file with the certificates to trust; None for those of the system.

    Raises:
        Unreachable: If that does not succeed within `timeout_s`.

    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    where = f"cannot connect to {parts.hostname}:{port}"
    try:
        sock = socket.create_connection((parts.hostname or "", port), timeout=timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, ValueError) as exc:
        # Not every host can be asked for.
        raise Unreachable(f"{where}: {exc}") from exc
    if parts.scheme != "wss":
        return sock
    try:
        return trusting(ca).wrap_socket(sock, server_hostname=parts.hostname)
    except OSError as exc:
        raise Unreachable(f"{where}: {tls_fault(exc)}") from exc
