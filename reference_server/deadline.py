"""The one thing that a connection waits for at a time: its handshake, a word from the client, or the end of TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Deadline:
    """What happens unless something else does.

    Args:
        loop: The event loop.

    """

    __slots__ = ("_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def set(self, left_s: float, call: Callable[[], object]) -> None:
        """Call after so many seconds, and not what was set before."""
        self.cancel()
        self._timer = self._loop.call_later(left_s, call)

    def cancel(self) -> None:
        """Call nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
