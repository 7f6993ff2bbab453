"""Tests of `reference_server.flushing`."""

from __future__ import annotations

import asyncio
from typing import Any

from reference_server.flushing import Flushes


class Writer:
    """Notes that it has flushed, or fails."""

    def __init__(self, name: str, flushed: list[str], *, is_faulty: bool = False) -> None:
        self._name = name
        self._flushed = flushed
        self._is_faulty = is_faulty

    def flush(self) -> None:
        if self._is_faulty:
            raise RuntimeError(self._name)
        self._flushed.append(self._name)


def test_all_flush_in_the_next_turn_in_their_order() -> None:
    """Nobody flushes at once, and whoever comes while others flush has the turn after."""

    async def main() -> list[str]:
        flushes, flushed = Flushes(), list[str]()
        late = Writer("late", flushed)
        first = Writer("first", flushed)
        first.flush = lambda: (flushed.append("first"), flushes.add(late))  # type: ignore[method-assign]
        flushes.add(first)
        flushes.add(Writer("second", flushed))
        assert flushed == []
        await asyncio.sleep(0)
        assert flushed == ["first", "second"]
        await asyncio.sleep(0)
        return flushed

    assert asyncio.run(main()) == ["first", "second", "late"]


def test_one_that_fails_does_not_keep_the_others() -> None:
    """The loop is told of the fault; the others flush, now and later."""

    async def main() -> tuple[list[str], list[Any]]:
        flushes, flushed, faults = Flushes(), list[str](), list[Any]()
        asyncio.get_running_loop().set_exception_handler(lambda _, about: faults.append(about["exception"]))
        flushes.add(Writer("bad", flushed, is_faulty=True))
        flushes.add(Writer("good", flushed))
        await asyncio.sleep(0)
        flushes.add(Writer("again", flushed))
        await asyncio.sleep(0)
        return flushed, faults

    flushed, (fault,) = asyncio.run(main())
    assert flushed == ["good", "again"]
    assert str(fault) == "bad"
