"""Who may come in: handshakes under way, connections of each credential, connections in all."""

from __future__ import annotations

import http
import logging
import sys
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from reference_server.handshake import Refuse
from reference_server.limits import Limits
from reference_server.structured_log import log_event

if TYPE_CHECKING:
    from reference_server.outcome import Identity

_log = logging.getLogger("reference_server.admission")

RETRY_AFTER_S = 5


class Arrival(Protocol):
    """A connection whose request is not complete."""

    def abort(self) -> None:
        """Drop TCP at once."""


class Admission:
    """Counts what is open.

    Args:
        limits: How much may be; the shipped figures when None.
        room: How many sockets the process can have open; None for any number.

    """

    def __init__(self, limits: Limits | None = None, room: int | None = None) -> None:
        self._limits = limits or Limits()
        self._most_sockets = sys.maxsize if room is None else room
        # Some are kept for those who are to be told that there are too many.
        self._most_connections = min(self._limits.connections, self._most_sockets * 7 // 8)
        self._socket_count = 0
        self._arrivals: dict[Arrival, None] = {}
        self._open: Counter[tuple[str, str]] = Counter()
        self.connection_count = 0
        """WebSockets that are open, or not yet gone."""

    def arrive(self, arrival: Arrival) -> None:
        """Let a connection begin its handshake; where too many do, the one that has waited longest makes room."""
        self._arrivals[arrival] = None
        self._socket_count += 1
        if len(self._arrivals) > self._limits.handshakes or self._socket_count > self._most_sockets:
            oldest = next(iter(self._arrivals))
            del self._arrivals[oldest]
            log_event(_log, logging.INFO, "oldest_handshake_dropped")
            oldest.abort()

    def decided(self, arrival: Arrival) -> None:
        """Take note that the handshake is over, however it ended; harmless when repeated."""
        self._arrivals.pop(arrival, None)

    def gone(self, arrival: Arrival) -> None:
        """Take note that TCP has ended; once for each that has arrived."""
        self.decided(arrival)
        self._socket_count -= 1

    def refusal(self, identity: Identity) -> Refuse | None:
        """Return how one more connection is refused; None where it is let in."""
        if self._open[_credential(identity)] >= self._limits.connections_per_credential:
            return Refuse(http.HTTPStatus.TOO_MANY_REQUESTS, retry_after_s=RETRY_AFTER_S)
        if self.connection_count >= self._most_connections:
            return Refuse(http.HTTPStatus.SERVICE_UNAVAILABLE, retry_after_s=RETRY_AFTER_S)
        return None

    def enter(self, identity: Identity) -> None:
        """Count a connection in."""
        self._open[_credential(identity)] += 1
        self.connection_count += 1

    def leave(self, identity: Identity) -> None:
        """Count a connection out."""
        credential = _credential(identity)
        self._open[credential] -= 1
        self.connection_count -= 1
        if not self._open[credential]:
            del self._open[credential]


def _credential(identity: Identity) -> tuple[str, str]:
    # All credentials of an agent are one, or the second would double what it may.
    return identity.socket.identity, identity.agent_id
