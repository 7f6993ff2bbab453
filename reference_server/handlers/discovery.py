"""Discovery: who can do what, and what an agent says of itself (`reading.md` section 5)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.registry import handles
from specs.amounts import format_amount
from specs.json_text import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reference_server.context import Context
    from reference_server.records import Agent


@handles("discovery", "discover")
def discover(ctx: Context) -> Mapping[str, Any]:
    """Return every agent that has the capability and meets every filter."""
    filters = ctx.payload.get("filters", {})
    capable = ctx.store.agents_with_capability(ctx.payload["capability"])
    return {"agents": [_view(agent) for agent in capable if _meets(agent, filters)]}


@handles("discovery", "update_metadata")
def update_metadata(ctx: Context) -> None:
    """Store the agent's metadata and show it in this connection's presence."""
    metadata = ctx.payload["metadata"]
    ctx.require_room(len(encode(metadata)), ctx.limits.profile_bytes)
    ctx.store.put_agent(replace(ctx.agent(), metadata=metadata))
    ctx.presence_changes["metadata"] = metadata


@handles("discovery", "announce")
def announce(ctx: Context) -> None:
    """Replace the agent's capabilities and tell everyone on the topic."""
    ctx.require_room(len(encode(ctx.payload["capabilities"])), ctx.limits.profile_bytes)
    agent = replace(ctx.agent(), capabilities=tuple(dict.fromkeys(ctx.payload["capabilities"])))
    ctx.store.put_agent(agent)
    ctx.broadcast("agent_updated", {"agent": _view(agent)})


def _meets(agent: Agent, filters: Mapping[str, Any]) -> bool:
    return (
        agent.status == filters.get("status", agent.status)
        and agent.reputation >= _number(filters.get("min_reputation", agent.reputation))
        and agent.price <= _number(filters.get("max_price", agent.price))
    )


def _number(value: Any) -> Decimal:
    # By its text: 0.1 means a tenth, not the nearest binary fraction.
    return Decimal(str(value))


def _view(agent: Agent) -> dict[str, Any]:
    is_whole = agent.reputation == int(agent.reputation)
    return {
        "id": agent.id,
        "name": agent.name,
        "capabilities": list(agent.capabilities),
        "status": agent.status,
        "reputation": int(agent.reputation) if is_whole else float(agent.reputation),
        "price": format_amount(agent.price),
    }
