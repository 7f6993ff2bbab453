"""Discovery: who may join, and a search that returns too much or too little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_server.context import Refused
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_effect, around_join, around_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reference_server.assembly import Assembly

FAMILY = "discovery"
Views = list[dict[str, Any]]


def _around_search(server: Assembly, search: Callable[[Callable[..., Views], dict[str, Any]], Views]) -> None:
    """Replace the search: it is given the honest one, which takes filters, and the filters that were sent."""

    def discover(honest: Any, ctx: Any) -> Mapping[str, Any]:
        sent = ctx.payload

        def honest_search(filters: Mapping[str, Any]) -> Views:
            ctx.payload = {**sent, "filters": filters}
            found: Views = honest(ctx)["agents"]
            return found

        return {"agents": search(honest_search, dict(sent.get("filters", {})))}

    around_effect(server, FAMILY, "discover", discover)


def _ignore_filter(server: Assembly, name: str) -> None:
    def search(honest: Any, filters: dict[str, Any]) -> Views:
        filters.pop(name, None)
        found: Views = honest(filters)
        return found

    _around_search(server, search)


def _exclude_bound(server: Assembly, name: str, member: str) -> None:
    def search(honest: Any, filters: dict[str, Any]) -> Views:
        found: Views = honest(filters)
        bound = filters.get(name)
        return [each for each in found if bound is None or float(each[member]) != float(bound)]

    _around_search(server, search)


@deviation("discovery/join", shows="An agent with several capabilities cannot join.")
def refuses_versatile_agents(server: Assembly) -> None:
    """Let in only agents that can do one thing."""

    def join(honest: Any, ctx: Any) -> Any:
        if len(ctx.agent().capabilities) > 1:
            raise Refused("unauthorized")
        return honest(ctx)

    server.effects.joins.setdefault(FAMILY, lambda _ctx: None)
    around_join(server, FAMILY, join)


@deviation("discovery/valid-event-accepted", shows="Metadata with an array in them are refused.")
def refuses_arrays_in_metadata(server: Assembly) -> None:
    """Take only metadata whose members are plain values."""

    def update_metadata(honest: Any, ctx: Any) -> None:
        if any(isinstance(member, list) for member in ctx.payload["metadata"].values()):
            raise Refused("invalid_payload")
        honest(ctx)

    around_effect(server, FAMILY, "update_metadata", update_metadata)


def _around_filters(server: Assembly, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Alter the filters of discover before they are checked."""

    def check(honest: Any, self: Any, family: Any, event: Any, payload: Any) -> Any:
        filters = payload.get("filters") if isinstance(payload, dict) else None
        if event.event == "discover" and isinstance(filters, dict):
            payload = {**payload, "filters": change(filters)}
        return honest(self, family, event, payload)

    server.enforcement = around(server.enforcement, "check_payload", check)


@deviation("discovery/malformed-payload-refused", shows="A negative max_price is taken for zero.")
def takes_negative_price_for_zero(server: Assembly) -> None:
    """Mend a price instead of refusing it."""

    def mend(filters: dict[str, Any]) -> dict[str, Any]:
        price = filters.get("max_price")
        return {**filters, "max_price": 0} if isinstance(price, int) and price < 0 else filters

    _around_filters(server, mend)


@deviation("discovery/unknown-filter-refused", shows="A filter that is not documented is ignored.")
def ignores_unknown_filters(server: Assembly) -> None:
    """Drop filters that nobody knows."""
    known = {"status", "min_reputation", "max_price"}
    _around_filters(server, lambda filters: {name: filters[name] for name in filters if name in known})


@deviation("discovery/discover-reply-shape", shows="The agents that discover returns have no price.")
def returns_agents_without_price(server: Assembly) -> None:
    """Leave a member out of every agent."""

    def search(honest: Any, filters: dict[str, Any]) -> Views:
        return [{name: each[name] for name in each if name != "price"} for each in honest(filters)]

    _around_search(server, search)


@deviation("discovery/capability-filtered", shows="discover returns agents whatever they can do.")
def ignores_capability(server: Assembly) -> None:
    """Search among all agents that can do anything."""

    def capable(_honest: Any, self: Any, _capability: str) -> list[Any]:
        return [agent for agent in map(self.agent, sorted(self._agents)) if agent.capabilities]

    around_store(server, "agents_with_capability", capable)


@deviation(
    "discovery/capability-exact",
    shows="discover also returns agents whose capability begins like the one asked for.",
)
def finds_capabilities_by_prefix(server: Assembly) -> None:
    """Compare capabilities by their beginning."""

    def capable(honest: Any, self: Any, capability: str) -> list[Any]:
        known = [name for name in sorted(self._by_capability) if name.startswith(capability)]
        return list({agent.id: agent for name in known for agent in honest(self, name)}.values())

    around_store(server, "agents_with_capability", capable)


@deviation("discovery/status-filtered", shows="discover returns agents of every status.")
def ignores_status_filter(server: Assembly) -> None:
    """Take no notice of the status that is asked for."""
    _ignore_filter(server, "status")


@deviation(
    "discovery/min-reputation-filtered", shows="discover returns agents of a lower reputation than asked for."
)
def ignores_min_reputation(server: Assembly) -> None:
    """Take no notice of the lowest reputation that is asked for."""
    _ignore_filter(server, "min_reputation")


@deviation("discovery/max-price-filtered", shows="discover returns agents that are dearer than asked for.")
def ignores_max_price(server: Assembly) -> None:
    """Take no notice of the highest price that is asked for."""
    _ignore_filter(server, "max_price")


@deviation(
    "discovery/max-price-filtered",
    "discovery/discover-complete",
    shows="discover takes 100 for cheaper than 99.",
)
def compares_prices_as_text(server: Assembly) -> None:
    """Compare prices character by character."""

    def search(honest: Any, filters: dict[str, Any]) -> Views:
        bound = filters.pop("max_price", None)
        return [each for each in honest(filters) if bound is None or str(each["price"]) <= str(bound)]

    _around_search(server, search)


@deviation(
    "discovery/filter-bounds-included",
    shows="An agent whose reputation is just min_reputation is not returned.",
)
def excludes_min_reputation(server: Assembly) -> None:
    """Ask for more than the lowest reputation."""
    _exclude_bound(server, "min_reputation", "reputation")


@deviation(
    "discovery/filter-bounds-included", shows="An agent whose price is just max_price is not returned."
)
def excludes_max_price(server: Assembly) -> None:
    """Ask for less than the highest price."""
    _exclude_bound(server, "max_price", "price")


@deviation("discovery/filters-combine", shows="discover returns agents that meet one of several filters.")
def joins_filters_by_or(server: Assembly) -> None:
    """Return what any of the filters lets through."""

    def search(honest: Any, filters: dict[str, Any]) -> Views:
        found = [each for name in filters for each in honest({name: filters[name]})]
        return list({each["id"]: each for each in (found if filters else honest({}))}.values())

    _around_search(server, search)


@deviation("discovery/filters-combine", shows="discover with several filters keeps to the first of them.")
def keeps_to_first_filter(server: Assembly) -> None:
    """Drop all filters but one."""
    _around_search(server, lambda honest, filters: honest(dict(list(filters.items())[:1])))


@deviation("discovery/discover-complete", shows="discover returns one agent where several fit.")
def returns_one_agent(server: Assembly) -> None:
    """Stop at the first agent that fits."""
    _around_search(server, lambda honest, filters: honest(filters)[:1])


@deviation("discovery/discover-complete", shows="discover never returns the agent that would come last.")
def forgets_last_agent(server: Assembly) -> None:
    """Leave the last of several agents out."""
    _around_search(server, lambda honest, filters: (found := honest(filters))[: max(1, len(found) - 1)])


@deviation("discovery/discover-no-duplicates", shows="discover returns every agent twice.")
def returns_agents_twice(server: Assembly) -> None:
    """List what is found once more."""
    _around_search(server, lambda honest, filters: honest(filters) * 2)


@deviation(
    "discovery/discover-unknown-capability-empty",
    shows="discover of a capability that nobody has returns everybody.",
)
def offers_everyone_for_unknown_capability(server: Assembly) -> None:
    """Offer somebody rather than nobody."""

    def capable(honest: Any, self: Any, capability: str) -> list[Any]:
        return list(honest(self, capability)) or [self.agent(agent_id) for agent_id in sorted(self._agents)]

    around_store(server, "agents_with_capability", capable)
