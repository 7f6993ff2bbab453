"""Pools are divided among workers so that nothing is used by two of them."""

from __future__ import annotations

import pytest

from conformance.provisioner_settings import PooledAgent, PooledResource
from conformance.provisioning.pools import Share, shared

OWNERS = {"a": "x", "b": "y", "c": "", "d": "", "e": "z", "f": "z", "g": "", "h": ""}
AGENTS = [PooledAgent(agent_id=name, owner=owner) for name, owner in OWNERS.items()]
RESOURCES = [
    PooledResource(
        family="task", topic=f"task:{pair}", roles=dict(zip(("client", "provider"), pair, strict=True))
    )
    for pair in ("ab", "bc", "gh")
]


def test_one_worker_has_everything() -> None:
    """Without other workers nothing is left out, and the order stays."""
    assert shared(AGENTS, RESOURCES, Share()) == (AGENTS, RESOURCES)


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_everything_belongs_to_exactly_one_worker(count: int) -> None:
    """Whatever the number of workers, each agent and each resource is dealt out once."""
    parts = [shared(AGENTS, RESOURCES, Share(index, count)) for index in range(count)]
    agents = [agent.agent_id for own, _ in parts for agent in own]
    assert sorted(agents) == sorted(OWNERS)
    assert sorted(each.topic for _, own in parts for each in own) == ["task:ab", "task:bc", "task:gh"]


def test_what_belongs_together_stays_together() -> None:
    """Agents with roles on one resource, directly or by way of another, and agents of one owner have one worker."""
    for index in range(4):
        agents, resources = shared(AGENTS, RESOURCES, Share(index, 4))
        ids = {agent.agent_id for agent in agents}
        for together in ("abc", "ef", "gh"):
            assert ids.issuperset(together) or ids.isdisjoint(together)
        assert all(ids.issuperset(resource.roles.values()) for resource in resources)
