"""The block in which a store is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class OutsideTransaction(RuntimeError):
    """A change was tried outside `transaction()`."""


class Transaction:
    """A block in which a store is changed; a class, since a generator costs three times as much."""

    __slots__ = ("_begin", "_end")

    def __init__(self, begin: Callable[[], None], end: Callable[..., None]) -> None:
        self._begin = begin
        self._end = end

    def __enter__(self) -> None:
        self._begin()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end(is_kept=kind is None)
