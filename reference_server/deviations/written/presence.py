"""Presence: one meta for each connection, told once when it comes, changes and goes, and listed as long as it is there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.connections import around_within
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly


def _around_state(server: Assembly, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Alter what every snapshot shows."""
    server.presence = around(
        server.presence, "state", lambda honest, self, topic: change(honest(self, topic))
    )


def _around_diffs(server: Assembly, method: str, change: Callable[[Any], Any]) -> None:
    """Alter the diffs that a method of the tracker makes; what is tracked stays as it is."""

    def make(honest: Any, self: Any, *args: Any) -> Any:
        diff = honest(self, *args)
        return None if diff is None else change(diff)

    server.presence = around(server.presence, method, make)


def _metas(entries: dict[str, Any]) -> list[dict[str, Any]]:
    return [meta for entry in entries.values() for meta in entry["metas"]]


def _without(member: str, entries: dict[str, Any]) -> dict[str, Any]:
    for meta in _metas(entries):
        meta.pop(member, None)
    return entries


@deviation("presence/state-after-join", shows="No presence_state follows a join.")
def omits_presence_state(server: Assembly) -> None:
    """Push nothing after a join to a topic with presence."""

    def arrival(honest: Any, self: Any, ctx: Any) -> Any:
        diff = honest(self, ctx)
        ctx.pushes.clear()
        return diff

    server.application = around(server.application, "_arrival", arrival)


@deviation(
    "presence/state-after-join",
    "discovery/presence-state-full",
    shows="presence_state shows a newcomer nobody but itself.",
)
def shows_newcomers_only_themselves(server: Assembly) -> None:
    """List only the latest key in a snapshot."""
    _around_state(server, lambda state: dict(list(state.items())[-1:]))


@deviation("presence/state-shape", shows="presence_state lists a key without metas.")
def lists_key_without_metas(server: Assembly) -> None:
    """Put an entry with an empty list into every snapshot."""
    _around_state(server, lambda state: {**state, "nobody": {"metas": []}})


@deviation("presence/diff-shape", shows="A presence_diff of an arrival has no leaves.")
def omits_empty_side_of_diff(server: Assembly) -> None:
    """Leave leaves out where nobody leaves."""
    _around_diffs(server, "track", lambda diff: {"joins": diff["joins"]})


@deviation("presence/phx-ref-present", shows="Metas in presence_state have no phx_ref.")
def omits_phx_ref(server: Assembly) -> None:
    """Leave phx_ref out of snapshots."""
    _around_state(server, lambda state: _without("phx_ref", state))


@deviation("presence/phx-ref-unique", shows="The first metas of two agents have the same phx_ref.")
def numbers_phx_refs_by_key(server: Assembly) -> None:
    """Make phx_refs that differ within a key only."""
    numbers: defaultdict[str, Any] = defaultdict(count)

    def track(honest: Any, self: Any, channel: Any, key: str, meta: Any) -> Any:
        self._identifiers = SimpleNamespace(new_phx_ref=lambda: f"ref-{next(numbers[key])}")
        return honest(self, channel, key, meta)

    server.presence = around(server.presence, "track", track)


@deviation("presence/self-appears", shows="A newcomer is told of everyone but itself.")
def hides_newcomer_from_itself(server: Assembly) -> None:
    """Keep a newcomer's own meta out of its snapshot, and its own diff from it."""

    def arrival(honest: Any, self: Any, ctx: Any) -> Any:
        told = honest(self, ctx)
        own = {meta["phx_ref"] for diff in told for meta in _metas(diff.payload["joins"])}
        for place, push in enumerate(ctx.pushes):
            others = {
                key: {"metas": metas}
                for key, entry in push.payload.items()
                if (metas := [meta for meta in entry["metas"] if meta["phx_ref"] not in own])
            }
            ctx.pushes[place] = replace(push, payload=others)
        return tuple(replace(diff, exclude=ctx.channel) for diff in told)

    server.application = around(server.application, "_arrival", arrival)


@deviation(
    "presence/joins-announced",
    "discovery/presence-real-time",
    shows="Those on the topic are not told of newcomers.",
)
def announces_no_joins(server: Assembly) -> None:
    """Tell an arrival to the newcomer alone, by its snapshot."""

    def arrival(honest: Any, self: Any, ctx: Any) -> tuple[()]:
        honest(self, ctx)
        return ()

    server.application = around(server.application, "_arrival", arrival)


@deviation(
    "presence/leaves-announced",
    "discovery/presence-real-time",
    shows="Those on the topic are not told of departures.",
)
def announces_no_leaves(server: Assembly) -> None:
    """Forget whoever leaves without a word."""

    def leave(honest: Any, self: Any, channel: Any) -> tuple[()]:
        honest(self, channel)
        return ()

    server.application = around(server.application, "leave", leave)


@deviation("presence/leaves-announced", shows="Who closes the connection without leaving stays present.")
def leaks_presence_of_closed_connections(server: Assembly) -> None:
    """Untrack channels that are left, and not those whose connection ends."""
    around_within(server, "closed", "_forget", lambda _honest, _self, _channel: None)


@deviation(
    "presence/update-is-one-diff", shows="An update is told by two diffs, one that leaves and one that joins."
)
def updates_presence_by_two_diffs(server: Assembly) -> None:
    """Take the old meta away first, and give the new one then."""

    def update(honest: Any, self: Any, ctx: Any) -> tuple[Any, ...]:
        return tuple(
            replace(told, payload={"joins": {}, "leaves": {}, side: told.payload[side]})
            for told in honest(self, ctx)
            for side in ("leaves", "joins")
        )

    server.application = around(server.application, "_presence_update", update)


@deviation("presence/update-is-one-diff", shows="An update is told twice.")
def tells_updates_twice(server: Assembly) -> None:
    """Broadcast the diff of an update once more."""
    server.application = around(
        server.application, "_presence_update", lambda honest, self, ctx: honest(self, ctx) * 2
    )


@deviation("presence/update-names-previous-ref", shows="The new meta of an update has no phx_ref_prev.")
def omits_previous_phx_ref(server: Assembly) -> None:
    """Do not say which meta an update replaces."""
    _around_diffs(server, "update", lambda diff: {**diff, "joins": _without("phx_ref_prev", diff["joins"])})


@deviation(
    "presence/update-names-previous-ref", shows="The new meta of an update keeps the phx_ref of the old one."
)
def keeps_phx_ref_on_update(server: Assembly) -> None:
    """Change a meta without a new phx_ref."""

    def update(honest: Any, self: Any, channel: Any, changes: Any) -> Any:
        identifiers, former = self._identifiers, self._topics.get(channel.topic, {}).get(channel)
        if former is not None:
            self._identifiers = SimpleNamespace(new_phx_ref=lambda: former.meta["phx_ref"])
        diff = honest(self, channel, changes)
        self._identifiers = identifiers
        return diff

    server.presence = around(server.presence, "update", update)


@deviation(
    "presence/one-key-per-agent", shows="A second connection of an agent stands under a key of its own."
)
def keys_second_connection_apart(server: Assembly) -> None:
    """Track an agent that is there already under another key."""

    def track(honest: Any, self: Any, channel: Any, key: str, meta: Any) -> Any:
        is_there = key in self.state(channel.topic)
        return honest(self, channel, f"{key}#{channel.number}" if is_there else key, meta)

    server.presence = around(server.presence, "track", track)


def _drop_others(self: Any, topic: str, key: str) -> dict[str, Any]:
    """Forget the other metas of a key; returns them as one side of a diff."""
    there = self._topics.get(topic, {})
    dropped = [there.pop(channel).meta for channel, one in tuple(there.items()) if one.key == key]
    return {key: {"metas": dropped}} if dropped else {}


@deviation(
    "presence/several-connections-several-metas",
    shows="A second connection of an agent takes the meta of the first away.",
)
def tracks_one_connection_of_an_agent(server: Assembly) -> None:
    """Let the latest connection of an agent stand for all."""

    def track(honest: Any, self: Any, channel: Any, key: str, meta: Any) -> Any:
        dropped = _drop_others(self, channel.topic, key)
        return {**honest(self, channel, key, meta), "leaves": dropped}

    server.presence = around(server.presence, "track", track)


@deviation(
    "presence/key-gone-with-last-meta",
    shows="When one of an agent's connections ends, all its metas are gone.",
)
def drops_key_with_first_connection(server: Assembly) -> None:
    """Take an agent for gone as soon as one of its connections is."""

    def untrack(honest: Any, self: Any, channel: Any) -> Any:
        diff = honest(self, channel)
        for key, entry in (diff or {"leaves": {}})["leaves"].items():
            entry["metas"] += _drop_others(self, channel.topic, key).get(key, {"metas": []})["metas"]
        return diff

    server.presence = around(server.presence, "untrack", untrack)


@deviation("presence/key-gone-with-last-meta", shows="An agent whose last connection ends stays present.")
def keeps_last_meta_of_an_agent(server: Assembly) -> None:
    """Untrack a connection only while the agent has another."""

    def untrack(honest: Any, self: Any, channel: Any) -> Any:
        there = self._topics.get(channel.topic, {})
        key = there[channel].key if channel in there else None
        has_another = sum(one.key == key for one in there.values()) > 1
        return honest(self, channel) if has_another else None

    server.presence = around(server.presence, "untrack", untrack)


@deviation("presence/rejoin-replaces-meta", shows="After a second join the meta of the first is still there.")
def keeps_meta_of_replaced_join(server: Assembly) -> None:
    """Do not untrack a channel that is replaced."""
    around_within(server, "_join", "_forget", lambda _honest, _self, _channel: None)


@deviation(
    "presence/state-equals-folded-diffs",
    shows="Who leaves after an update is told to leave with the phx_ref from before the update.",
)
def leaves_under_former_phx_ref(server: Assembly) -> None:
    """Announce a departure with the meta as it was before its last change."""

    def former(meta: dict[str, Any]) -> dict[str, Any]:
        return {**meta, "phx_ref": meta.get("phx_ref_prev", meta["phx_ref"])}

    _around_diffs(
        server,
        "untrack",
        lambda diff: {
            **diff,
            "leaves": {key: {"metas": [*map(former, one["metas"])]} for key, one in diff["leaves"].items()},
        },
    )


@deviation(
    "presence/state-equals-folded-diffs",
    "discovery/presence-state-no-absent",
    shows="Who was told to leave is in presence_state all the same.",
)
def leaks_presence_after_leave(server: Assembly) -> None:
    """Announce a departure, and keep listing who has left."""

    def untrack(honest: Any, self: Any, channel: Any) -> Any:
        tracked = self._topics.get(channel.topic, {}).get(channel)
        diff = honest(self, channel)
        if tracked is not None:
            self._topics[channel.topic][channel] = tracked
        return diff

    server.presence = around(server.presence, "untrack", untrack)
