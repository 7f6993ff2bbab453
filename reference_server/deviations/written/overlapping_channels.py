"""Joins, leaves and disconnects that overlap with what others do on the same topic."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from reference_server.deviations.connections import around_connection
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around
from reference_server.deviations.written.overlapping import WINDOW_S

if TYPE_CHECKING:
    from reference_server.assembly import Assembly

SOON_S = 1.0
"""Within which a connection is cut off soon after a push."""


@deviation(
    "joining/concurrent-joins-answered",
    shows="Of joins that an agent sends at once on several connections only the last one hears what is broadcast.",
)
def subscribes_last_of_overlapping_joins(server: Assembly) -> None:
    """Let a join take the subscription of one that the same agent has just made elsewhere."""
    latest: dict[tuple[str, str], tuple[float, Any]] = {}

    def subscribe(honest: Any, self: Any, channel: Any, receiver: Any) -> None:
        honest(self, channel, receiver)
        key, now_s = (channel.topic, channel.identity.agent_id), asyncio.get_running_loop().time()
        former_s, former = latest.get(key, (0.0, None))
        if former is not None and now_s - former_s < WINDOW_S:
            self.unsubscribe(former)
        latest[key] = now_s, channel

    server.broker = around(server.broker, "subscribe", subscribe)


@deviation(
    "leaving/concurrent-leave-ordered",
    shows="What is broadcast just when somebody leaves does not reach one of those who stay.",
)
def skips_receiver_while_somebody_leaves(server: Assembly) -> None:
    """Go through the channels of a topic by their places while one is taken out."""
    left_s: dict[str, float] = {}

    def unsubscribe(honest: Any, self: Any, channel: Any) -> None:
        honest(self, channel)
        left_s[channel.topic] = asyncio.get_running_loop().time()

    def receivers(honest: Any, self: Any, broadcast: Any) -> list[Any]:
        found: list[Any] = honest(self, broadcast)
        since_s = asyncio.get_running_loop().time() - left_s.get(broadcast.topic, 0.0)
        return found[:-1] if since_s < WINDOW_S else found

    server.broker = around(around(server.broker, "unsubscribe", unsubscribe), "_receivers", receivers)


@deviation(
    "sockets/concurrent-disconnect-ordered",
    shows="What an agent has pushed last before its disconnect is relayed once more.",
)
def repeats_last_relay_of_disconnected(server: Assembly) -> None:
    """Relay a push again whose connection was cut off soon after it."""
    last: dict[Any, tuple[float, Any]] = {}

    def broadcast(honest: Any, self: Any, broadcasts: Any) -> None:
        honest(self, broadcasts)
        if broadcasts:
            last[self] = asyncio.get_running_loop().time(), broadcasts

    def disconnect(honest: Any, self: Any) -> None:
        told_s, broadcasts = last.pop(self, (0.0, ()))
        if asyncio.get_running_loop().time() - told_s < SOON_S:
            self._broadcast(broadcasts)
        honest(self)

    around_connection(server, "_broadcast", broadcast)
    around_connection(server, "disconnect", disconnect)
