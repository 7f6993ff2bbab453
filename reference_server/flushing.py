"""One callback of the loop for all who have something to write at its end: a broadcast to many asks for many at once."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Writer(Protocol):
    """Who has something to write."""

    def flush(self) -> None:
        """Write it."""


class Flushes:
    """Those who have something to write at the end of this turn of the loop."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: list[Writer] = []

    def add(self, writer: Writer) -> None:
        """Let a writer, who must not be waiting already, flush in the next turn of the loop."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._flush)
        self._due.append(writer)

    def _flush(self) -> None:
        due, self._due = self._due, []
        for writer in due:
            try:
                writer.flush()
            except Exception as exc:  # noqa: BLE001 - nobody's fault keeps what others have to write
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a flush failed", "exception": exc}
                )
