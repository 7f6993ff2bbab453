"""Who is on the topics that track presence, as Phoenix Presence tells it (`phoenix-wire.md` PR-1 to PR-7)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reference_server.store import own_copy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reference_server.identifiers import Identifiers
    from reference_server.outcome import Channel

PRESENCE_STATE = "presence_state"
PRESENCE_DIFF = "presence_diff"

Meta = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Tracked:
    key: str
    meta: Meta


class PresenceTracker:
    """The metas of every tracked channel, by topic."""

    def __init__(self, identifiers: Identifiers) -> None:
        self._identifiers = identifiers
        self._topics: defaultdict[str, dict[Channel, _Tracked]] = defaultdict(dict)

    def track(self, channel: Channel, key: str, meta: Mapping[str, Any]) -> Meta:
        """Add a channel's meta under a key and return the diff."""
        tracked = _Tracked(key, {**own_copy(meta), "phx_ref": self._identifiers.new_phx_ref()})
        self._topics[channel.topic][channel] = tracked
        return _diff(joined=tracked)

    def update(self, channel: Channel, changes: Mapping[str, Any]) -> Meta | None:
        """Change members of a tracked channel's meta and return the one diff (PR-4); None for an untracked channel."""
        former = self._topics.get(channel.topic, {}).get(channel)
        if former is None:
            return None
        refs = {"phx_ref": self._identifiers.new_phx_ref(), "phx_ref_prev": former.meta["phx_ref"]}
        tracked = _Tracked(former.key, {**former.meta, **own_copy(changes), **refs})
        self._topics[channel.topic][channel] = tracked
        return _diff(joined=tracked, left=former)

    def untrack(self, channel: Channel) -> Meta | None:
        """Remove a channel's meta and return the diff; None for an untracked channel."""
        tracked_here = self._topics.get(channel.topic, {})
        left = tracked_here.pop(channel, None)
        if not tracked_here:
            self._topics.pop(channel.topic, None)
        return None if left is None else _diff(left=left)

    def state(self, topic: str) -> dict[str, Any]:
        """Return the full picture of a topic (PR-1)."""
        return _listed(*self._topics.get(topic, {}).values())


def _diff(*, joined: _Tracked | None = None, left: _Tracked | None = None) -> Meta:
    return {
        "joins": _listed(*([joined] if joined else [])),
        "leaves": _listed(*([left] if left else [])),
    }


def _listed(*tracked: _Tracked) -> dict[str, Any]:
    listed: dict[str, Any] = {}
    for one in tracked:
        listed.setdefault(one.key, {"metas": []})["metas"].append(own_copy(one.meta))
    return listed
