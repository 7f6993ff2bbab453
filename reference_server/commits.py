"""How far the changes of the store are kept for good, and what waits for it.

Whatever leaves the server leaves through here: bytes that were made after a change may tell of it, so they wait until the
change would survive a crash. A store that only lives in memory keeps every change at once, and nothing ever waits.
When too much waits, nobody is read from until half of it is kept: a disk that stalls never costs unbounded memory.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection

MOST_WAITING = 4096
"""Transactions that may wait before nobody is read from any more."""
MOST_HELD_BYTES = 64 * 1024 * 1024
"""What may be held for all clients together before nobody is read from any more."""


class Reader(Protocol):
    """A connection, as far as it can be told to wait."""

    def reconsider_reading(self) -> None:
        """Read or not, as `Commits.is_congested` says by now."""


class Keeper(Protocol):
    """What makes the transactions of a store outlive the process."""

    failed: asyncio.Future[None]
    """Done when nothing more can be kept: whoever waits for it waits for ever."""

    async def close(self) -> None:
        """Keep what is made, then let go of the files; harmless when repeated."""


class Commits:
    """Counts transactions as they are made and as they are kept; both only rise, in the same order."""

    __slots__ = ("_held_bytes", "_waiting", "is_congested", "kept", "made", "readers")

    def __init__(self) -> None:
        self.made = 0
        self.kept = 0
        self.is_congested = False
        """Whether so much waits that nobody may be read from."""
        self.readers: Collection[Reader] = ()
        """Who is told of a change of `is_congested`; whoever comes later asks by himself."""
        self._held_bytes = 0
        self._waiting: deque[tuple[int, int, Callable[[], None]]] = deque()

    def make(self) -> int:
        """Count one more transaction that is not kept yet, and return its number."""
        self.made += 1
        if self.made - self.kept >= MOST_WAITING:
            self._become(is_congested=True)
        return self.made

    def keep(self, number: int) -> None:
        """Take all transactions up to this number for kept, and call what waited for them, in its order."""
        self.kept = number
        while self._waiting and self._waiting[0][0] <= number:
            _, size_bytes, call = self._waiting.popleft()
            self._held_bytes -= size_bytes
            call()
        if self.is_congested and self._is_half_empty():
            self._become(is_congested=False)

    def call_when_kept(self, call: Callable[[], None], size_bytes: int = 0) -> None:
        """Call a function, which must not raise, once all that is made by now is kept; never within this call.

        Args:
            call: The function.
            size_bytes: What it holds in memory until then.

        """
        self._waiting.append((self.made, size_bytes, call))
        self._held_bytes += size_bytes
        if self._held_bytes >= MOST_HELD_BYTES:
            self._become(is_congested=True)

    def congest(self) -> None:
        """Let nobody be read from until some of what is made is kept."""
        if self.kept < self.made:
            self._become(is_congested=True)

    def _is_half_empty(self) -> bool:
        return self.made - self.kept <= MOST_WAITING // 2 and self._held_bytes <= MOST_HELD_BYTES // 2

    def _become(self, *, is_congested: bool) -> None:
        if self.is_congested != is_congested:
            self.is_congested = is_congested
            for reader in tuple(self.readers):
                reader.reconsider_reading()
