"""Reading the figures of an analytics topic, and making happen what they count.

Where an endpoint does not name a figure as documented, nothing can be concluded about its value. Figures may be a moment
behind what happened, and each by a time of its own, so they are read again until they are right or the time for a reply is up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from conformance.client.wire import Deadline
from conformance.faults import CannotTell
from conformance.fixtures.stage import Stage
from conformance.verbs.acting import done, respond, staged
from conformance.verbs.ledger import Ledger, amount_of

if TYPE_CHECKING:
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.provision import Agent
    from specs.model import Event

VIEWER = "agent"
"""The member of the cast of every analytics family."""

_PAUSE_S = 0.1

Read = Callable[[], Decimal]
T = TypeVar("T")


def board(lab: Lab, family: str, agent: Agent | None = None) -> Stage:
    """Join an analytics topic as an agent: its own, its owner's, or that of everybody.

    Raises:
        CannotProvision: If the documents have no such family, or the endpoint has not.

    """
    topic = lab.family(family)
    viewer = agent or lab.agent(VIEWER, topic.fixture.agents.get(VIEWER))
    variables = {"topic_agent": viewer.agent_id, "topic_owner": viewer.owner}
    variable = variables.get(topic.roles[topic.fixture.cast[VIEWER]].origin)
    stage = Stage(lab, topic, {VIEWER: viewer}, topic.topic_of(variable))
    stage.enter(VIEWER)
    return stage


def ask(stage: Stage, event: str, **members: Any) -> Mapping[str, Any]:
    """Return the response to a request, an object."""
    response = respond(stage, VIEWER, event, **members)
    if not isinstance(response, Mapping):
        raise CannotTell(f"the response to {event} is no object: {response!r}")
    return response


def figure(whole: Any, *path: str) -> Decimal:
    """Return the number at a path of a response.

    Raises:
        CannotTell: If there is none.

    """
    value = whole
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    amount = amount_of(value)
    if amount is None:
        raise CannotTell(f"there is no figure {'.'.join(path)} in {whole!r}")
    return amount


def metric(stage: Stage, name: str, period: str = "24h") -> Decimal:
    """Return one of the metrics of a period."""
    return figure(ask(stage, "request_metrics", period=period), "metrics", name)


def revenue(stage: Stage, period: str = "24h") -> Decimal:
    """Return the revenue of a period."""
    return figure(ask(stage, "request_revenue", period=period), "revenue")


def summed_points(stage: Stage, name: str, period: str) -> Decimal:
    """Return the sum of a time series."""
    response = ask(stage, "request_time_series", metric=name, opts={"period": period})
    return _summed(response, "points", "value")


def summed_cells(stage: Stage, period: str = "24h") -> Decimal:
    """Return the sum of a heatmap."""
    return _summed(ask(stage, "request_heatmap", period=period), "cells", "count")


def _summed(response: Mapping[str, Any], listed: str, member: str) -> Decimal:
    items = response.get(listed)
    if not isinstance(items, list):
        raise CannotTell(f"there is no list {listed} in {response!r}")
    return sum((figure(item, member) for item in items), Decimal(0))


def periods_of(event: Event) -> list[str]:
    """Return the periods that a request may name, as the documents list them: the shortest first."""
    return list(event.payload["properties"]["period"]["enum"])


def reread(stage: Stage, read: Callable[[], T], is_settled: Callable[[T], bool]) -> T:
    """Read until what is read has settled; return the last reading when the time is up."""
    deadline = Deadline(stage.lab.reply_s)
    while not is_settled(seen := read()) and not deadline.has_passed:
        stage.peers[VIEWER].wait_event(stage.topic, "", wait_s=_PAUSE_S)
    return seen


def settled(stage: Stage, read: Read, expected: Decimal) -> Decimal:
    """Read a figure until it has reached what is expected; return the last reading when the time is up."""
    return reread(stage, read, lambda seen: seen >= expected)


def agreeing(stage: Stage, one: Read, other: Read) -> tuple[Decimal, Decimal]:
    """Read two figures until both are the same; return the last readings when the time is up."""
    return reread(stage, lambda: (one(), other()), lambda seen: seen[0] == seen[1])


def demand_grown(stage: Stage, read: Read, before: Decimal, by: Decimal, requirement: str, what: str) -> None:
    """Demand that a figure grows by exactly so much."""
    seen = settled(stage, read, before + by)
    expected = f"{what} grows by {by:f} from {before:f}"
    stage.lab.demand(seen == before + by, requirement, expected, f"{seen:f}")


def complete_tasks(lab: Lab, provider: Agent, count: int, *, client: Agent | None = None) -> Agent:
    """Have an agent complete tasks of a client; returns the client."""
    ordering = client or lab.agent("client")
    for number in range(count):
        done(_task(lab, provider, ordering), "provider", "complete", result={"number": number})
    return ordering


def fail_task(lab: Lab, provider: Agent, client: Agent) -> None:
    """Have a task of an agent fail."""
    done(_task(lab, provider, client), "provider", "error", type="internal", details={})


def cancel_task(lab: Lab, provider: Agent, client: Agent) -> None:
    """Have a task of an agent cancelled by its client."""
    done(_task(lab, provider, client), "client", "cancel", reason="no longer needed")


def _task(lab: Lab, provider: Agent, client: Agent) -> Stage:
    return staged(lab, "task", agents={"provider": provider, "client": client})


def pay(lab: Lab, payee: Agent, *amounts: str) -> Ledger:
    """Have transfers to an agent executed; returns the channel, on which the agent is party b."""
    ledger = Ledger.open(lab, agents={"b": payee})
    for amount in amounts:
        ledger.transfer("a", amount)
    return ledger
