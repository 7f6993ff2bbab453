"""How far the changes of the store are kept for good, and what waits for it.

Whatever leaves the server leaves through here: bytes that were made after a change may tell of it, so they wait until the
change would survive a crash. A store that only lives in memory keeps every change at once, and nothing ever waits.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Commits:
    """Counts transactions as they are made and as they are kept; both only rise, in the same order."""

    __slots__ = ("_waiting", "kept", "made")

    def __init__(self) -> None:
        self.made = 0
        self.kept = 0
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()

    def make(self) -> int:
        """Count one more transaction that is not kept yet, and return its number."""
        self.made += 1
        return self.made

    def keep(self, number: int) -> None:
        """Take all transactions up to this number for kept, and call what waited for them, in its order."""
        self.kept = number
        while self._waiting and self._waiting[0][0] <= number:
            self._waiting.popleft()[1]()

    def call_when_kept(self, call: Callable[[], None]) -> None:
        """Call a function, which must not raise, once all that is made by now is kept; never within this call."""
        self._waiting.append((self.made, call))
