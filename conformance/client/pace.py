"""How fast a run goes: at most so many connections and frames a second, all its processes together."""

from __future__ import annotations

import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

if sys.platform != "win32":
    import fcntl

_TIME: Final = struct.Struct("d")


class Pace:
    """Gives out times, each at least so long after the one before, also to processes that are forked from this one.

    The next time stands in a file that all of them have open. The lock on it goes with whoever holds it, so that a worker
    that is killed stops nobody. A context manager, which closes the file.

    Args:
        rate: How many times a second.

    """

    def __init__(self, rate: float) -> None:
        self._spacing_s = 1 / rate
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - as long as the run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def turn_s(self) -> float:
        """Take the next free time; return how many seconds from now it is."""
        with self._locked():
            self._file.seek(0)
            held = self._file.read(_TIME.size)
            now_s = time.monotonic()
            at_s = max(now_s, _TIME.unpack(held)[0]) if held else now_s
            self._file.seek(0)
            self._file.write(_TIME.pack(at_s + self._spacing_s))
        return at_s - now_s

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if sys.platform == "win32":
            # There are no workers there, either.
            yield
            return
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
