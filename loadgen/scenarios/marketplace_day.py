"""A day of the marketplace: agents browse, negotiate, work and look at their figures, by weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from loadgen.scenarios.analytics import AnalyticsDashboards
from loadgen.scenarios.discovery import DiscoveryBrowsing
from loadgen.scenarios.negotiation import NegotiationToAgreement
from loadgen.scenarios.scenario import Group, Scenario
from loadgen.scenarios.task_streaming import TaskStreaming
from loadgen.scenarios.transfers import Transfers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

#: Roles of each part by the roles of a day's group.
PARTS: tuple[tuple[str, type[Scenario], dict[str, str]], ...] = (
    ("discovery", DiscoveryBrowsing, {"agent": "client"}),
    ("negotiation", NegotiationToAgreement, {"client": "client", "provider": "provider"}),
    ("streaming", TaskStreaming, {"client": "client", "provider": "provider"}),
    ("transfers", Transfers, {"a": "client", "a+": "client+", "b": "provider", "b+": "provider+"}),
    ("analytics", AnalyticsDashboards, {"agent": "provider"}),
)


@dataclass
class MarketplaceDay(Scenario):
    """One act of one part.

    Attributes:
        discovery: Weight of browsing.
        negotiation: Weight of negotiations.
        streaming: Weight of tasks.
        transfers: Weight of payments.
        analytics: Weight of dashboards.

    """

    name: ClassVar[str] = "marketplace-day"
    cast: ClassVar[tuple[str, ...]] = ("client", "client+", "provider", "provider+")

    discovery: float = 40
    negotiation: float = 10
    streaming: float = 20
    transfers: float = 15
    analytics: float = 15
    _parts: dict[str, Scenario] = field(
        default_factory=lambda: {name: made() for name, made, _ in PARTS}, init=False
    )

    def attributes(self, role: str, random: Random) -> Mapping[str, Any]:
        """Return what an agent says of itself."""
        return self._parts["discovery"].attributes(role, random)

    async def prepare(self, group: Group) -> None:
        """Prepare each part."""
        group.memory = {name: group.cast_as(roles) for name, _, roles in PARTS}
        for name, part in group.memory.items():
            await self._parts[name].prepare(part)

    async def act(self, group: Group, start_us: int) -> None:
        """Do one of them."""
        weights = [getattr(self, name) for name in self._parts]
        [name] = group.random.choices(list(self._parts), weights)
        await self._parts[name].act(group.memory[name], start_us)

    async def finish(self, group: Group) -> None:
        """Bring each part to rest."""
        for name, part in group.memory.items():
            await self._parts[name].finish(part)

    async def conclude(self, groups: Sequence[Group]) -> None:
        """Conclude each part."""
        for name, scenario in self._parts.items():
            await scenario.conclude([group.memory[name] for group in groups])
