"""How connections reach one server: its address, looked up once, and TLS where the URL asks for it."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from loadgen.client.stamps import KernelClock, StampedSocket
from loadgen.client.tls import TlsStream

if TYPE_CHECKING:
    from pathlib import Path


class NoRoute(Exception):
    """The server has no address."""


@dataclass(frozen=True, slots=True)
class Route:
    """An address.

    Attributes:
        tls: Whom to trust; None without TLS.
        clock: Tells when the kernel had what is read; None where it counts when it was read.

    """

    family: int
    address: Any
    host: str
    tls: ssl.SSLContext | None
    clock: KernelClock | None = None

    def stamped(self, raw: Any) -> StampedSocket | None:
        """Return a socket so that it tells when the kernel had what is read; None where that is not asked for."""
        return None if self.clock is None else StampedSocket(raw, self.clock)

    def tls_stream(self, raw: Any) -> TlsStream | None:
        """Return what encrypts a connection; None without TLS."""
        return None if self.tls is None else TlsStream(self.tls, self.host, raw)


def route_to(url: str, ca: Path | None = None, clock: KernelClock | None = None) -> Route:
    """Look up the server of a ws:// or wss:// URL.

    Args:
        url: The URL.
        ca: PEM file with the certificates to trust in place of the system's.
        clock: For connections whose messages are to have come when the kernel had them.

    Raises:
        NoRoute: If the host has no address, or the certificates cannot be read.

    """
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "wss"
    try:
        found = socket.getaddrinfo(host, parts.port or (443 if is_tls else 80), type=socket.SOCK_STREAM)
    except (OSError, ValueError) as fault:
        # Not every host can be asked for.
        raise NoRoute(f"{host}: {getattr(fault, 'strerror', None) or fault}") from fault
    family, _, _, _, address = found[0]
    try:
        context = ssl.create_default_context(cafile=ca) if is_tls else None
    except OSError as fault:
        raise NoRoute(f"{ca}: {fault.strerror or fault}") from fault
    return Route(family, address, host, context, clock)
