"""How long to wait before connecting again: exponentially longer, with jitter, so that many do not come back at once."""

from __future__ import annotations

from random import uniform
from typing import Final

FIRST_S: Final = 0.25
LONGEST_S: Final = 5.0


class Backoff:
    """The waits of one agent.

    Args:
        first_s: Upper bound of the first wait; each next one is twice as high.
        longest_s: Upper bound of all.

    """

    __slots__ = ("_first_s", "_longest_s", "_tries")

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._tries = 0

    def next_s(self) -> float:
        """Return the next wait: between half of its bound and the whole."""
        # 2**60 is beyond every bound; more would overflow after days without a server.
        bound_s = min(self._longest_s, self._first_s * 2 ** min(self._tries, 60))
        self._tries += 1
        return uniform(bound_s / 2, bound_s)  # noqa: S311 - no secret
