"""Presence as a client folds it: a snapshot and the diffs after it.

The algorithm is that of Phoenix's own client. What a key or a meta means is left to the application.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Entry = dict[str, Any]


class MalformedPresence(ValueError):
    """The payload is no `presence_state` or no `presence_diff` (PR-1, PR-2, PR-3)."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Metas that came: `current` is the key's entry before (`None` for a new key), `new` what came."""

    key: str
    current: Entry | None
    new: Entry


@dataclass(frozen=True, slots=True)
class Left:
    """Metas that went: `current` is the key's entry afterwards, without metas where the key is gone; `left` what went."""

    key: str
    current: Entry
    left: Entry


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """What one payload changed; `is_queued` tells that a diff waits for its snapshot and changed nothing yet."""

    joins: tuple[Joined, ...] = ()
    leaves: tuple[Left, ...] = ()
    is_queued: bool = False


class PresenceView:
    """What a client knows of who is present on one topic."""

    __slots__ = ("_entries", "_join_ref", "_queued", "_synced_join_ref")

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._queued: list[tuple[dict[str, Entry], dict[str, Entry]]] = []
        self._join_ref: Any = None
        self._synced_join_ref: Any = None

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The present keys, each with its `metas` and whatever else the server sent beside them."""
        return self._entries

    @property
    def is_synced(self) -> bool:
        """Whether the snapshot of the current join has come."""
        return self._synced_join_ref is not None and self._synced_join_ref == self._join_ref

    def joined(self, join_ref: Any) -> None:
        """Say that the channel joins anew: diffs wait for the next snapshot, the old state stays until then (PR-8 e)."""
        self._join_ref = join_ref

    def state(self, payload: Any, join_ref: Any) -> PresenceChange:
        """Take a `presence_state` of the join `join_ref` and then the diffs that waited for it.

        Raises:
            MalformedPresence: If the payload is no object of entries with `metas` of objects with a `phx_ref`; nothing
                has changed then.

        Source:
            `phoenix-wire.md` PR-8 (a), (b).

        """
        snapshot = _checked_entries(payload)
        queued, self._queued = self._queued, []
        self._join_ref = self._synced_join_ref = join_ref
        changes = [self._apply(*_difference(self._entries, snapshot))]
        changes += [self._apply(*diff) for diff in queued]
        return PresenceChange(
            tuple(joined for change in changes for joined in change.joins),
            tuple(left for change in changes for left in change.leaves),
        )

    def diff(self, payload: Any) -> PresenceChange:
        """Take a `presence_diff`; before the snapshot of the current join it waits.

        Raises:
            MalformedPresence: If the payload has not both `joins` and `leaves` in the shape of a snapshot.

        Source:
            `phoenix-wire.md` PR-2, PR-8 (a), (c).

        """
        if not isinstance(payload, Mapping) or "joins" not in payload or "leaves" not in payload:
            raise MalformedPresence("a diff has joins and leaves")
        diff = (_checked_entries(payload["joins"]), _checked_entries(payload["leaves"]))
        if self.is_synced:
            return self._apply(*diff)
        self._queued.append(diff)
        return PresenceChange(is_queued=True)

    def _apply(self, joins: dict[str, Entry], leaves: dict[str, Entry]) -> PresenceChange:
        joined = tuple(self._join(key, entry) for key, entry in joins.items())
        left = tuple(self._leave(key, entry) for key, entry in leaves.items() if key in self._entries)
        return PresenceChange(joined, left)

    def _join(self, key: str, new: Entry) -> Joined:
        current = self._entries.get(key)
        kept = [] if current is None else _metas_without(current, _refs(new))
        self._entries[key] = {**new, "metas": kept + new["metas"]}
        return Joined(key, current, new)

    def _leave(self, key: str, left: Entry) -> Left:
        current = self._entries[key]
        remaining = {**current, "metas": _metas_without(current, _refs(left))}
        if remaining["metas"]:
            self._entries[key] = remaining
        else:
            del self._entries[key]
        return Left(key, remaining, left)


def _difference(old: dict[str, Entry], new: dict[str, Entry]) -> tuple[dict[str, Entry], dict[str, Entry]]:
    leaves = {key: entry for key, entry in old.items() if key not in new}
    joins: dict[str, Entry] = {}
    for key, entry in new.items():
        if key not in old:
            joins[key] = entry
            continue
        came = _metas_without(entry, _refs(old[key]))
        went = _metas_without(old[key], _refs(entry))
        if came:
            joins[key] = {**entry, "metas": came}
        if went:
            leaves[key] = {**old[key], "metas": went}
    return joins, leaves


def _refs(entry: Entry) -> set[str]:
    return {meta["phx_ref"] for meta in entry["metas"]}


def _metas_without(entry: Entry, refs: set[str]) -> list[Any]:
    return [meta for meta in entry["metas"] if meta["phx_ref"] not in refs]


def _checked_entries(payload: Any) -> dict[str, Entry]:
    if not isinstance(payload, Mapping):
        raise MalformedPresence("presence is an object of entries by key")
    for key, entry in payload.items():
        metas = entry.get("metas") if isinstance(entry, Mapping) else None
        if not isinstance(metas, list) or not all(map(_is_meta, metas)):
            raise MalformedPresence(f"the entry of {key!r} has no metas with a phx_ref")
    return dict(payload)


def _is_meta(meta: Any) -> bool:
    return isinstance(meta, Mapping) and isinstance(meta.get("phx_ref"), str)
