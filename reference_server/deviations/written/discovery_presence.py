"""Presence on the discovery topic: what this API says of it beyond Phoenix."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.connections import around_connection
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around
from reference_server.presence import PRESENCE_STATE
from specs.serializer import V1

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly


def _around_arrival(server: Assembly, change: Callable[[Any], None]) -> None:
    """Alter what a newcomer is pushed and what the others are told of it."""

    def arrival(honest: Any, self: Any, ctx: Any) -> Any:
        told = honest(self, ctx)
        change(ctx)
        return told

    server.application = around(server.application, "_arrival", arrival)


def _around_tracking(server: Assembly, change: Callable[[str, dict[str, Any]], tuple[str, Any]]) -> None:
    """Alter key and meta of whoever is tracked."""

    def track(honest: Any, self: Any, channel: Any, key: str, meta: Any) -> Any:
        return honest(self, channel, *change(key, meta))

    server.presence = around(server.presence, "track", track)


@deviation("discovery/metadata-in-presence", shows="The metadata in presence are always empty.")
def hides_metadata_in_presence(server: Assembly) -> None:
    """Show no metadata, neither on arrival nor after an update."""

    def update(honest: Any, self: Any, channel: Any, changes: Any) -> Any:
        return honest(self, channel, {**changes, "metadata": {}})

    server.presence = around(server.presence, "update", update)
    _around_tracking(server, lambda key, meta: (key, {**meta, "metadata": {}}))


@deviation("discovery/presence-state-on-join", shows="presence_state is pushed twice after a join.")
def pushes_presence_state_twice(server: Assembly) -> None:
    """Push the snapshot once more."""
    _around_arrival(server, lambda ctx: ctx.pushes.extend(tuple(ctx.pushes)))


@deviation(
    "discovery/presence-state-on-join", shows="Under serializer 1.0.0 no presence_state follows a join."
)
def omits_presence_state_under_v1(server: Assembly) -> None:
    """Push snapshots under serializer 2.0.0 only."""

    def push_all(honest: Any, self: Any, membership: Any, outcome: Any) -> None:
        others = tuple(push for push in outcome.pushes if push.event != PRESENCE_STATE)
        honest(
            self, membership, replace(outcome, pushes=others) if isinstance(self.serializer, V1) else outcome
        )

    around_connection(server, "_push_all", push_all)


@deviation(
    "discovery/presence-state-full", shows="presence_state lists no more than the two agents that came last."
)
def lists_two_agents(server: Assembly) -> None:
    """Cut the snapshot off."""
    server.presence = around(
        server.presence, "state", lambda honest, self, topic: dict([*honest(self, topic).items()][-2:])
    )


@deviation(
    "discovery/presence-state-no-absent",
    shows="presence_state lists agents that have left, until they come back.",
)
def lists_absent_agents(server: Assembly) -> None:
    """Show in snapshots everyone who was ever there."""
    seen: dict[str, dict[str, Any]] = {}

    def state(honest: Any, self: Any, topic: str) -> dict[str, Any]:
        known = seen.setdefault(topic, {})
        known.update(honest(self, topic))
        return dict(known)

    server.presence = around(server.presence, "state", state)


@deviation("discovery/presence-real-time", shows="A departure is told with the next arrival.")
def tells_departures_with_next_arrival(server: Assembly) -> None:
    """Keep departures back until there is more to tell."""
    waiting: list[Any] = []

    def leave(honest: Any, self: Any, channel: Any) -> tuple[()]:
        waiting.extend(honest(self, channel))
        return ()

    def arrival(honest: Any, self: Any, ctx: Any) -> Any:
        told = (*waiting, *honest(self, ctx))
        waiting.clear()
        return told

    server.application = around(server.application, "leave", leave)
    server.application = around(server.application, "_arrival", arrival)


@deviation("discovery/presence-key-agent-id", shows="The presence key of an agent is not its id.")
def keys_presence_by_other_name(server: Assembly) -> None:
    """Put the agent's id into the meta, and its key under a prefix."""
    _around_tracking(server, lambda key, meta: (f"agent:{key}", {**meta, "agent_id": key}))


@deviation("discovery/presence-meta-members", shows="Presence metas have no online_at.")
def omits_online_at(server: Assembly) -> None:
    """Do not say since when an agent is there."""

    def without(key: str, meta: dict[str, Any]) -> tuple[str, Any]:
        return key, {name: meta[name] for name in meta if name != "online_at"}

    _around_tracking(server, without)
