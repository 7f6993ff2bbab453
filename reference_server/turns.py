"""Who may keep the event loop, and for how long: a connection whose requests take long lets all others go in between."""

from __future__ import annotations

import gc
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

LARGE_BYTES: Final = 65_536
"""From this length on a message may become so many objects that walking through them takes longer than making them."""
TURN_S: Final = 0.05
"""What the requests of one connection may take before the others have their turn; a single request is never interrupted."""


def without_collecting(carry_out: Callable[[Any], None], message: Any) -> None:
    """Carry out a message while the collector of cyclic garbage stays away.

    What a message of 10 MB becomes, it would go through several times while it is made, which can keep everybody waiting for
    half a minute. Nearly all of it is freed without it.
    """
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        carry_out(message)
    finally:
        if is_enabled:
            gc.enable()


class Turns:
    """The turns of one connection.

    Args:
        loop: The event loop.
        go_on: Called when all others have had their turn.

    """

    __slots__ = ("_go_on", "_loop", "ends_s", "is_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, go_on: Callable[[], None]) -> None:
        self._loop = loop
        self._go_on = go_on
        self.ends_s = 0.0
        """Until when, by `time.monotonic`, the turn lasts; the clock of a loop may stand still within it."""
        self.is_waiting = False
        """Whether the connection has to wait for its next turn."""

    def begin(self) -> None:
        """Begin a turn."""
        self.ends_s = monotonic() + TURN_S

    def wait(self) -> None:
        """Go on in the next turn of the loop."""
        if not self.is_waiting:
            self.is_waiting = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self.is_waiting = False
        self.begin()
        self._go_on()
