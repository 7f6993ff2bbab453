"""The ways to replace what the connections of agents do; the operator's stay honest, for they are no part of what is checked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from reference_server.deviations.replacing import Wrapper, around
from reference_server.membership import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly
    from specs.message import Frame

DELAY_S = 0.15
"""How long something is put off that should have been done at once: longer than what a client sends in one go."""


def around_connection(server: Assembly, method: str, wrapper: Wrapper) -> None:
    """Replace a method of the connections of agents by `wrapper(honest, self, *args)`."""

    def spare(honest: Any, self: Any, *args: Any) -> Any:
        if self.identity.socket.identity == OPERATOR:
            return honest(self, *args)
        return wrapper(honest, self, *args)

    server.connection = around(server.connection, method, spare)


def around_within(server: Assembly, outer: str, method: str, wrapper: Wrapper) -> None:
    """Replace a method of the connections of agents for as long as another one of them runs."""
    running: list[Any] = []

    def enter(honest: Any, self: Any, *args: Any) -> Any:
        running.append(self)
        try:
            return honest(self, *args)
        finally:
            running.pop()

    def inside(honest: Any, self: Any, *args: Any) -> Any:
        return wrapper(honest, self, *args) if self in running else honest(self, *args)

    around_connection(server, outer, enter)
    around_connection(server, method, inside)


def frames_of(connection: Any, act: Callable[[], object]) -> list[Frame]:
    """Return the frames that an act would send to the connection's own client; they are not sent."""
    send, frames = connection.send, list[Any]()
    connection.send = frames.append
    try:
        act()
    finally:
        connection.send = send
    return frames


def send_all(connection: Any, frames: list[Frame]) -> None:
    """Send frames to the connection's own client, and empty the list."""
    while frames:
        connection.send(frames.pop(0))


def is_joined(self: Any, membership: Any) -> bool:
    """Tell whether a channel of a connection has not ended meanwhile."""
    return self._memberships.get(membership.channel.topic) is membership


def later(action: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
    """Do something after `DELAY_S`; what is put off one after another is done in the same order."""
    return asyncio.get_running_loop().call_later(DELAY_S, action, *args)
