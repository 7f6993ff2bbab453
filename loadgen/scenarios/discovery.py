"""Discovery: agents look for others, say what they can do, and come and go; at last all must see the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from loadgen.client.entries import SETTLED
from loadgen.scenarios.scenario import Group, Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from loadgen.client.channel import Channel
    from loadgen.client.site import Site

TOPIC = "agents:discovery"
TRIES = 5
RESTLESS = "agents came and went until the end: what they were told of presence was not judged"
CAPABILITIES = ("translation", "summary", "coding", "search", "speech", "vision")


@dataclass
class DiscoveryBrowsing(Scenario):
    """One look, one change or one coming and going an act.

    Attributes:
        browse: Weight of looking for agents.
        update: Weight of changing one's metadata.
        announce: Weight of announcing other capabilities.
        churn: Weight of leaving and coming back.
        settle_s: How long presence may take until all see the same.

    """

    name: ClassVar[str] = "discovery"

    browse: float = 80
    update: float = 10
    announce: float = 2
    churn: float = 8
    settle_s: float = 2.0

    def attributes(self, role: str, random: Random) -> Mapping[str, Any]:  # noqa: ARG002 - there is one role
        """Return what an agent says of itself at first."""
        return {
            "name": "Load",
            "capabilities": random.sample(CAPABILITIES, 2),
            "status": "online",
            "reputation": random.randint(0, 50) / 10,
            "price": str(random.randint(1, 100)),
        }

    async def prepare(self, group: Group) -> None:
        """Join."""
        await group.join(TOPIC)

    async def act(self, group: Group, start_us: int) -> None:
        """Do one of them."""
        weights = (self.browse, self.update, self.announce, self.churn)
        [what] = group.random.choices(("browse", "update", "announce", "churn"), weights)
        if what == "churn":
            await group.leave(TOPIC)
        # An act before may have left without being able to come back.
        if TOPIC not in group.agent.channels:
            await group.join(TOPIC, start_us)
        if what == "churn":
            return
        event, payload = self.request(what, group.random)
        (await group.agent.channels[TOPIC].push(event, payload, start_us)).demand()

    def request(self, what: str, random: Random) -> tuple[str, dict[str, Any]]:
        """Draw a push."""
        if what == "update":
            return "update_metadata", {
                "metadata": {"region": random.choice(("eu", "us")), "load": random.random()}
            }
        if what == "announce":
            return "announce", {"capabilities": random.sample(CAPABILITIES, random.randint(1, 3))}
        filters = random.choice(({}, {"status": "online"}, {"min_reputation": 4}, {"max_price": "20"}))
        return "discover", {"capability": random.choice(CAPABILITIES), "filters": filters}

    async def conclude(self, groups: Sequence[Group]) -> None:
        """Let presence come to rest, then hold everybody's picture against the others'; again, if somebody came or went meanwhile."""
        site = groups[0].site
        payload = {"capability": CAPABILITIES[0], "filters": {"max_price": "0"}}
        for _ in range(TRIES):
            await groups[0].pause(self.settle_s)
            before = standing(site)
            calls = [channel.probe("discover", payload) for channel in before or ()]
            are_told = all([(await call).is_ok for call in calls])
            if before is not None and are_told and standing(site) == before:
                if site.note is not None:
                    site.note((SETTLED, TOPIC))
                return
        site.faults.append(RESTLESS)


def standing(site: Site) -> dict[Channel, tuple[str | None, int]] | None:
    """Return who is on the topic, with the join and the connection by which; None where somebody is on the way there."""
    found = {}
    for agent in site.agents():
        channel = agent.channels.get(TOPIC)
        if channel is None:
            continue
        if not (agent.is_open and channel.is_joined):
            return None
        found[channel] = channel.join_ref, agent.connection_count
    return found
