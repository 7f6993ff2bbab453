"""Analytics dashboards: each agent keeps its own, its owner's and the global one open, and asks for figures now and then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from loadgen.scenarios.scenario import Group, Scenario

if TYPE_CHECKING:
    from random import Random

GLOBAL = "analytics:global"


@dataclass
class AnalyticsDashboards(Scenario):
    """One request an act, on one of the three.

    Attributes:
        heavy: Share of requests for a time series or a heatmap, which are dearer than metrics and revenue.

    """

    name: ClassVar[str] = "analytics"

    heavy: float = 0.4

    async def prepare(self, group: Group) -> None:
        """Open all three, and subscribe to alerts."""
        identity = group.identities["agent"]
        topics = (f"analytics:agent:{identity.agent_id}", f"analytics:user:{identity.owner}", GLOBAL)
        for topic in topics:
            await group.join(topic)
        (await group.agent.channels[topics[0]].push("subscribe_alerts", {})).demand()
        group.memory = topics

    async def act(self, group: Group, start_us: int) -> None:
        """Ask for something."""
        topic = group.random.choice(group.memory)
        event, payload = self.request(group.random)
        (await group.agent.channels[topic].push(event, payload, start_us)).demand()

    def request(self, random: Random) -> tuple[str, dict[str, Any]]:
        """Draw a request."""
        period = random.choice(("1h", "24h", "7d", "30d"))
        if random.random() >= self.heavy:
            return random.choice(("request_metrics", "request_revenue")), {"period": period}
        if random.random() < 0.5:
            return "request_heatmap", {"period": period}
        metric = random.choice(("tasks_completed", "tasks_failed", "tasks_cancelled", "revenue"))
        return "request_time_series", {"metric": metric, "opts": {"period": period}}
