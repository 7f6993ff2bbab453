"""Discovery: a search returns exactly the agents that fit.

Every agent that a search is about is on the topic meanwhile, since a server may look only among those who are there; and
every case has capabilities of its own, so that agents of other cases and runs do not matter.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from conformance.client.peer import Peer
from conformance.faults import CannotTell, Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.provision import Agent
from conformance.verbs.expectations import joined
from conformance.written import case

FAMILY = "discovery"
EVENT_ACCEPTED = "discovery/valid-event-accepted"

FILTER_RULES = {
    "status": "discovery/status-filtered",
    "min_reputation": "discovery/min-reputation-filtered",
    "max_price": "discovery/max-price-filtered",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """An agent on the topic, and what it offers."""

    agent: Agent
    peer: Peer
    capabilities: tuple[str, ...]
    status: str
    reputation: float
    price: str

    def breaks(self, capability: str, filters: Mapping[str, Any]) -> list[str]:
        """Return the requirements that returning this agent would break; none for an agent that fits."""
        unmet = {
            "status": self.status != filters.get("status", self.status),
            "min_reputation": self.reputation < filters.get("min_reputation", self.reputation),
            "max_price": Decimal(self.price) > Decimal(filters.get("max_price", self.price)),
        }
        lacks = [] if capability in self.capabilities else ["discovery/capability-filtered"]
        return lacks + [FILTER_RULES[name] for name, is_unmet in unmet.items() if is_unmet]

    def is_on_bound(self, filters: Mapping[str, Any]) -> bool:
        """Tell whether the agent just meets a bound."""
        is_cheap_enough = "max_price" in filters and Decimal(filters["max_price"]) == Decimal(self.price)
        return is_cheap_enough or filters.get("min_reputation") == self.reputation


def topic_of(lab: Lab) -> str:
    """Return the topic of discovery."""
    return lab.family(FAMILY).topic_of(None)


def arrive(lab: Lab, agent: Agent, *, vsn: str | None = None, name: str | None = None) -> Peer:
    """Connect an agent and join it; returns once everything that a join causes has been sent to it."""
    peer = lab.connect(agent, vsn=vsn, name=name)
    joined(peer, topic_of(lab), "discovery/join", agent.participant.name)
    flush(lab, peer)
    return peer


def flush(lab: Lab, peer: Peer) -> None:
    """Wait until the channel has done what was asked of it before: it answers requests one after another (O-3)."""
    peer.request(topic_of(lab), "discover", {"capability": lab.unique("nobody-has-this"), "filters": {}})


def offer(
    lab: Lab,
    name: str,
    *capabilities: str,
    status: str = "online",
    reputation: float = 4,
    price: str = "10",
) -> Offer:
    """Make an agent that offers something and bring it to the topic."""
    attributes = {
        "capabilities": list(capabilities),
        "status": status,
        "reputation": reputation,
        "price": price,
    }
    agent = lab.agent(name, attributes)
    return Offer(agent, arrive(lab, agent), capabilities, status, reputation, price)


def searcher(lab: Lab) -> Peer:
    """Bring an agent to the topic that offers nothing: whether a search returns who asks is left open."""
    return arrive(lab, lab.agent("searcher"))


def search(lab: Lab, peer: Peer, capability: str, filters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what discover returns.

    Raises:
        Violation: If it is refused in every form of the filters.
        CannotTell: If it is not answered, or the answer has no list of agents with ids.

    """
    for form in _forms(filters):
        answer = peer.request(topic_of(lab), "discover", {"capability": capability, "filters": form})
        if answer.kind == "crash":
            peer.join(topic_of(lab))
        elif answer.kind not in {"error", "silence"}:
            # A form of the price that the server does not take may be refused without a word.
            break
    if answer.kind == "silence":
        raise CannotTell("discover is not answered, so nothing is known of what it finds")
    if answer.kind != "ok":
        raise Violation(EVENT_ACCEPTED, f"discover with filters {dict(filters)} is accepted", str(answer))
    found = answer.response.get("agents") if isinstance(answer.response, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(each, Mapping) and "id" in each for each in found):
        lab.report(
            "discovery/discover-reply-shape", "a member agents: a list of agents with an id", str(answer)
        )
        raise CannotTell("the reply to discover has no list of agents with ids")
    return found


def _forms(filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield filters with the price as a number and, for a server that takes text only, as text: the page has no type."""
    if "max_price" in filters:
        price = float(filters["max_price"])
        yield {**filters, "max_price": int(price) if price.is_integer() else price}
    yield dict(filters)


def judge_search(
    lab: Lab, peer: Peer, offers: Iterable[Offer], capability: str, filters: Mapping[str, Any]
) -> None:
    """Demand that a search returns every offer that fits and nothing else."""
    found = {str(each["id"]): each for each in search(lab, peer, capability, filters)}
    known = {each.agent.agent_id: each for each in offers}
    if found and not found.keys() & known.keys():
        raise CannotTell("the agents that discover returns have other ids than those that were provisioned")
    asked = f"discover of {capability} with filters {dict(filters)}"
    for agent_id, each in known.items():
        broken = each.breaks(capability, filters)
        name = each.agent.participant.name
        if agent_id in found and broken:
            rule = broken[0] if len(filters) <= 1 or len(broken) > 1 else "discovery/filters-combine"
            raise Violation(rule, f"{asked} does not return {name}", f"{found[agent_id]}")
        if agent_id not in found and not broken:
            is_on_bound = each.is_on_bound(filters)
            rule = "discovery/filter-bounds-included" if is_on_bound else "discovery/discover-complete"
            raise Violation(rule, f"{asked} returns {name}", f"agents {sorted(found)} without {agent_id}")
    strangers = found.keys() - known.keys()
    if strangers:
        raise Violation(
            "discovery/capability-filtered", f"{asked} returns nobody else", f"{sorted(strangers)}"
        )


@case("discovery/search/capability", "discovery/capability-filtered", "discovery/discover-complete")
def by_capability(lab: Lab) -> None:
    """A search returns every agent that has the capability among others, and nobody who lacks it."""
    first, second = lab.unique("capability"), lab.unique("capability")
    offers = [offer(lab, "one", first), offer(lab, "both", second, first), offer(lab, "other", second)]
    seeker = searcher(lab)
    for capability in (first, second):
        judge_search(lab, seeker, offers, capability, {})


@case("discovery/search/exact-capability", "discovery/capability-exact")
def exact_capability(lab: Lab) -> None:
    """A capability that only begins or ends like the one asked for does not count."""
    capability = lab.unique("capability")
    near = [f"{capability}-legal", f"fast-{capability}", capability[:-1]]
    offers = [
        offer(lab, "exact", capability),
        *(offer(lab, f"near-{n}", each) for n, each in enumerate(near)),
    ]
    found = {str(each["id"]) for each in search(lab, searcher(lab), capability, {})}
    if offers[0].agent.agent_id not in found:
        raise CannotTell("the agent that has the capability is not found")
    similar = [each.capabilities[0] for each in offers[1:] if each.agent.agent_id in found]
    lab.demand(
        not similar, "discovery/capability-exact", f"only agents that have {capability}", f"also {similar}"
    )


@case("discovery/search/status", "discovery/status-filtered", "discovery/discover-complete")
def by_status(lab: Lab) -> None:
    """The filter status returns all agents of that status and no other."""
    capability = lab.unique("capability")
    offers = [
        offer(lab, f"{status}-{n}", capability, status=status)
        for status in ("online", "busy")
        for n in (1, 2)
    ]
    seeker = searcher(lab)
    for filters in ({}, {"status": "online"}, {"status": "busy"}):
        judge_search(lab, seeker, offers, capability, filters)


@case(
    "discovery/search/min-reputation", "discovery/min-reputation-filtered", "discovery/filter-bounds-included"
)
def by_reputation(lab: Lab) -> None:
    """The filter min_reputation returns all agents of that reputation or a higher one, and no other."""
    capability = lab.unique("capability")
    offers = [offer(lab, f"rated-{each}", capability, reputation=each) for each in (0, 3, 4.25, 4.5, 5)]
    seeker = searcher(lab)
    for bound in (0, 4.25, 4.3, 4.5, 5):
        judge_search(lab, seeker, offers, capability, {"min_reputation": bound})


@case("discovery/search/max-price", "discovery/max-price-filtered", "discovery/filter-bounds-included")
def by_price(lab: Lab) -> None:
    """The filter max_price returns all agents of that price or a lower one, and no other; prices compare as numbers."""
    capability = lab.unique("capability")
    offers = [
        offer(lab, f"price-{each}", capability, price=each) for each in ("9", "9.5", "10", "10.25", "100")
    ]
    seeker = searcher(lab)
    for bound in ("9", "10", "10.2", "10.25", "99", "100"):
        judge_search(lab, seeker, offers, capability, {"max_price": bound})


@case("discovery/search/combined", "discovery/filters-combine", "discovery/discover-complete")
def combined(lab: Lab) -> None:
    """All filters together return only agents that meet each of them."""
    capability = lab.unique("capability")
    offers = [
        offer(lab, "fits", capability, reputation=4.5, price="10"),
        offer(lab, "fits-well", capability, reputation=5, price="1"),
        offer(lab, "busy", capability, status="busy", reputation=4.5, price="10"),
        offer(lab, "badly-rated", capability, reputation=4, price="10"),
        offer(lab, "dear", capability, reputation=4.5, price="10.5"),
        offer(lab, "incapable", lab.unique("capability"), reputation=4.5, price="10"),
    ]
    filters = {"status": "online", "min_reputation": 4.5, "max_price": "10"}
    seeker = searcher(lab)
    judge_search(lab, seeker, offers, capability, filters)
    for left_out in filters:
        rest = {name: value for name, value in filters.items() if name != left_out}
        judge_search(lab, seeker, offers, capability, rest)


@case(
    "discovery/search/any-filters",
    "discovery/discover-complete",
    "discovery/filters-combine",
    "discovery/capability-filtered",
)
def any_filters(lab: Lab) -> None:
    """Whatever is asked for, exactly the agents that fit are returned."""
    draw = random.Random(lab.unique("draw"))  # noqa: S311 - the draw is to be repeatable, not secret
    capabilities = [lab.unique("capability") for _ in range(2)]
    grids: dict[str, Sequence[Any]] = {
        "status": ("online", "busy"),
        "min_reputation": (3, 3.5, 4, 5),
        "max_price": ("2", "9.75", "10", "11"),
    }
    offers = [
        offer(
            lab,
            f"agent-{number}",
            *draw.sample(capabilities, draw.randint(1, 2)),
            status=draw.choice(grids["status"]),
            reputation=draw.choice(grids["min_reputation"]),
            price=draw.choice(grids["max_price"]),
        )
        for number in range(8)
    ]
    seeker = searcher(lab)
    for _ in range(16):
        chosen = draw.sample(list(grids), draw.randint(0, 3))
        judge_search(
            lab,
            seeker,
            offers,
            draw.choice(capabilities),
            {name: draw.choice(grids[name]) for name in chosen},
        )


@case("discovery/search/unknown-capability", "discovery/discover-unknown-capability-empty")
def unknown_capability(lab: Lab) -> None:
    """A search for what nobody can do returns nobody."""
    offer(lab, "capable", lab.unique("capability"))
    seeker = searcher(lab)
    capability = lab.unique("nobody-has-this")
    answer = seeker.request(topic_of(lab), "discover", {"capability": capability, "filters": {}})
    if answer.kind == "error":
        # An error returns nobody, too.
        return
    found = search(lab, seeker, capability, {})
    if found:
        raise Violation("discovery/discover-unknown-capability-empty", "no agent", f"{found[0]}")


@case("discovery/search/no-duplicates", "discovery/discover-no-duplicates", "discovery/discover-complete")
def no_duplicates(lab: Lab) -> None:
    """An agent that is there on several connections and has announced twice is returned once."""
    capability = lab.unique("capability")
    capable = offer(lab, "capable", capability)
    arrive(lab, capable.agent, name="capable-2")
    for _ in range(2):
        capable.peer.request(topic_of(lab), "announce", {"capabilities": [capability]})
    ids = [str(each["id"]) for each in search(lab, searcher(lab), capability, {})]
    if capable.agent.agent_id not in ids:
        raise Violation(
            "discovery/discover-complete", "the agent that has the capability is returned", f"{ids}"
        )
    lab.demand(len(ids) == 1, "discovery/discover-no-duplicates", "one agent", f"{ids}")
