"""What comes before TLS: a TCP connection that is counted from its first moment, not from when TLS is agreed on.

A listener of asyncio's that is given a context tells nobody of a connection before that. A crowd that connected and kept silent would
take up every file that the process may open, with nobody to make room.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from reference_server.admission import Admission
    from reference_server.limits import Limits


class Doorstep(asyncio.Protocol):
    """A connection until TLS is agreed on, which is then another protocol's.

    Args:
        context: With a certificate.
        limits: Time limits.
        admission: Counts it, and may ask it to make room.
        make: Makes the protocol of what is behind TLS.

    """

    def __init__(
        self,
        context: ssl.SSLContext,
        limits: Limits,
        admission: Admission,
        make: Callable[[], asyncio.Protocol],
    ) -> None:
        self._context = context
        self._limits = limits
        self._admission = admission
        self._make = make

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection away from its transport, before that reads anything, and begin with TLS."""
        try:
            # `start_tls` is not for a client that speaks first: uvloop may read before it is there.
            self._socket: socket.socket = transport.get_extra_info("socket").dup()
        except OSError:
            return
        finally:
            cast("asyncio.Transport", transport).abort()
        self._socket.setblocking(False)
        self._admission.arrive(self)
        # Kept, since the loop itself would let go of it.
        self._task = asyncio.get_running_loop().create_task(self._enter())

    def abort(self) -> None:
        """End TCP at once."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    async def _enter(self) -> None:
        # Who speaks no TLS, is too slow, or has gone, is told nothing, as by any listener.
        with suppress(OSError):
            try:
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._make,
                    self._socket,
                    ssl=self._context,
                    ssl_handshake_timeout=self._limits.handshake_timeout_s,
                    ssl_shutdown_timeout=self._limits.linger_s,
                )
            finally:
                self._admission.gone(self)
