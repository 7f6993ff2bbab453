"""Divides pools of ready-made agents and resources among workers, so that nothing is used by two of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.provisioner_settings import PooledAgent, PooledResource


@dataclass(frozen=True, slots=True)
class Share:
    """One of several equal parts of a run."""

    index: int = 0
    """From 0."""
    count: int = 1


def shared(
    agents: Sequence[PooledAgent], resources: Sequence[PooledResource], share: Share
) -> tuple[list[PooledAgent], list[PooledResource]]:
    """Return a worker's part of the pools.

    Agents of one owner, and agents with roles on the same resource, stay together with these resources. What belongs
    together is dealt out one after the other, the largest first, to the worker that has the least.
    """
    bundles = _bundles(agents, resources)
    loads = [0] * share.count
    own: set[str] = set()
    for bundle in bundles:
        # A tie goes to the worker with the lowest index, so that all workers find the same.
        worker = min(range(share.count), key=loads.__getitem__)
        loads[worker] += len(bundle)
        if worker == share.index:
            own |= bundle
    return (
        [agent for agent in agents if agent.agent_id in own],
        [resource for resource in resources if own.issuperset(resource.roles.values())],
    )


def _bundles(agents: Sequence[PooledAgent], resources: Sequence[PooledResource]) -> list[set[str]]:
    """Return the agents that belong together, by id; the largest bundle first, else in the order of the list."""
    bundle_of = {agent.agent_id: {agent.agent_id} for agent in agents}
    owned: dict[str, list[str]] = {}
    for agent in agents:
        if agent.owner:
            owned.setdefault(agent.owner, []).append(agent.agent_id)
    for together in (*owned.values(), *(list(resource.roles.values()) for resource in resources)):
        first = bundle_of[together[0]]
        for agent_id in together[1:]:
            other = bundle_of[agent_id]
            if other is not first:
                first |= other
                bundle_of.update(dict.fromkeys(other, first))
    distinct = {id(bundle): bundle for bundle in bundle_of.values()}
    return sorted(distinct.values(), key=len, reverse=True)
