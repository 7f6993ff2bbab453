"""What an agent says of itself on the discovery topic, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around_effect

if TYPE_CHECKING:
    from reference_server.assembly import Assembly

FAMILY = "discovery"


@deviation("discovery/metadata-stored", shows="What update_metadata sets is gone on the next connection.")
def keeps_metadata_in_presence_only(server: Assembly) -> None:
    """Change the presence of the connection and nothing else."""

    def update_metadata(_honest: Any, ctx: Any) -> None:
        ctx.presence_changes["metadata"] = ctx.payload["metadata"]

    around_effect(server, FAMILY, "update_metadata", update_metadata)


@deviation("discovery/metadata-updates-presence", shows="The others are not told of update_metadata.")
def stores_metadata_silently(server: Assembly) -> None:
    """Store the metadata and leave presence as it is."""

    def update_metadata(honest: Any, ctx: Any) -> None:
        honest(ctx)
        ctx.presence_changes.clear()

    around_effect(server, FAMILY, "update_metadata", update_metadata)


@deviation(
    "discovery/metadata-updates-presence", shows="Presence shows the metadata from before the last update."
)
def shows_metadata_one_update_late(server: Assembly) -> None:
    """Show the metadata that are replaced, not those that replace them."""

    def update_metadata(honest: Any, ctx: Any) -> None:
        former = ctx.agent().metadata
        honest(ctx)
        ctx.presence_changes["metadata"] = former

    around_effect(server, FAMILY, "update_metadata", update_metadata)


@deviation(
    "discovery/announced-capabilities-found",
    shows="discover does not find an agent under what it has announced.",
)
def announces_without_storing(server: Assembly) -> None:
    """Tell of new capabilities and keep the old ones."""

    def announce(honest: Any, ctx: Any) -> None:
        before = ctx.agent()
        honest(ctx)
        ctx.store.put_agent(before)

    around_effect(server, FAMILY, "announce", announce)


@deviation(
    "discovery/announced-capabilities-found",
    shows="Of several announced capabilities only the first is found.",
)
def stores_first_announced_capability(server: Assembly) -> None:
    """Keep one capability of those that are announced."""

    def announce(honest: Any, ctx: Any) -> None:
        honest(ctx)
        ctx.store.put_agent(replace(ctx.agent(), capabilities=ctx.agent().capabilities[:1]))

    around_effect(server, FAMILY, "announce", announce)


@deviation("discovery/announce-broadcast", shows="Only the announcer itself receives agent_updated.")
def tells_announcement_to_announcer_alone(server: Assembly) -> None:
    """Push agent_updated instead of broadcasting it."""

    def announce(honest: Any, ctx: Any) -> None:
        honest(ctx)
        for told in ctx.broadcasts:
            ctx.push(told.event, told.payload)
        ctx.broadcasts.clear()

    around_effect(server, FAMILY, "announce", announce)


@deviation("discovery/announce-broadcast-once", shows="One announce gives two agent_updated.")
def tells_announcement_twice(server: Assembly) -> None:
    """Broadcast agent_updated once more."""

    def announce(honest: Any, ctx: Any) -> None:
        honest(ctx)
        ctx.broadcasts *= 2

    around_effect(server, FAMILY, "announce", announce)


@deviation(
    "discovery/agent-updated-content",
    shows="agent_updated carries the capabilities from before the announcement.",
)
def tells_former_capabilities(server: Assembly) -> None:
    """Tell the agent as it was."""

    def announce(honest: Any, ctx: Any) -> None:
        former = list(ctx.agent().capabilities)
        honest(ctx)
        ctx.broadcasts[:] = [
            replace(told, payload={"agent": {**told.payload["agent"], "capabilities": former}})
            for told in ctx.broadcasts
        ]

    around_effect(server, FAMILY, "announce", announce)
