"""Discovery: agents look for others, say what they can do, and come and go; at last all must see the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from loadgen.client.entries import SETTLED
from loadgen.scenarios.scenario import Group, Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

TOPIC = "agents:discovery"
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
        """Let presence come to rest, then hold everybody's picture against the others'."""
        await groups[0].pause(self.settle_s)
        channels = [group.agent.channels[TOPIC] for group in groups if TOPIC in group.agent.channels]
        payload = {"capability": CAPABILITIES[0], "filters": {"max_price": "0"}}
        for call in [channel.probe("discover", payload) for channel in channels if channel.is_joined]:
            await call
        if groups[0].site.note is not None:
            groups[0].site.note((SETTLED, TOPIC))
