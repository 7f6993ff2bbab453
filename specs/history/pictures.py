"""What one connection was told of who is present, from one join to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from specs.presence import PresenceView

Refs = dict[str, frozenset[str]]
"""The `phx_ref`s of each key."""


class Picture:
    """The snapshot of a join and the diffs behind it.

    Diffs that come before the join is answered are of the join before. On a connection that was on the topic before, even one
    behind the answer may be older than the snapshot, and tell of a meta that is gone (`phoenix-wire.md` BC-6): such
    metas are doubtful.
    """

    def __init__(self, *, is_first: bool) -> None:
        self.snapshots = 0
        self.is_answered = False
        """Whether the join was let in."""
        self._is_first = is_first
        self._view = PresenceView()
        self._view.joined(self)
        self._queued: set[str] = set()
        self._doubtful: set[str] = set()

    @property
    def is_synced(self) -> bool:
        """Whether the snapshot has come."""
        return self._view.is_synced

    def state(self, payload: Any) -> None:
        """Take a presence_state.

        Raises:
            MalformedPresence: If it is none.

        """
        self._view.state(payload, self)
        self.snapshots += 1
        if not self._is_first:
            self._doubtful = self._queued - set(_refs_in(payload))

    def diff(self, payload: Any) -> None:
        """Take a presence_diff.

        Raises:
            MalformedPresence: If it is none.

        """
        if not self.is_answered:
            return
        if self._view.diff(payload).is_queued:
            self._queued.update(_refs_in(payload["joins"]))

    def refs(self) -> Refs:
        """Return who is present, but for what is doubtful."""
        refs = {key: frozenset(_refs_of(entry)) - self._doubtful for key, entry in self._view.entries.items()}
        return {key: each for key, each in refs.items() if each}

    def metas(self) -> int:
        """Return how many metas there are, but for what is doubtful."""
        return sum(ref not in self._doubtful for ref in _refs_in(self._view.entries))


def _refs_in(entries: Any) -> Iterator[str]:
    for entry in entries.values():
        yield from _refs_of(entry)


def _refs_of(entry: Any) -> Iterable[str]:
    return (meta["phx_ref"] for meta in entry["metas"])
