"""What the analytics are for: figures that agree with what has happened, and with each other."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from conformance.faults import CannotTell
from conformance.verbs.acting import done
from conformance.verbs.expectations import joined
from conformance.verbs.figures import (
    VIEWER,
    Read,
    agreeing,
    ask,
    board,
    cancel_task,
    complete_tasks,
    demand_grown,
    fail_task,
    figure,
    metric,
    pay,
    periods_of,
    reread,
    revenue,
    settled,
    summed_cells,
    summed_points,
)
from conformance.verbs.ledger import amount_of
from conformance.written import case

if TYPE_CHECKING:
    from conformance.client.peer import Answer
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.stage import Stage

AGENT = "analytics_agent"
USER = "analytics_user"
METRICS = ("tasks_completed", "tasks_failed", "tasks_cancelled", "revenue")
REQUESTS = ("request_metrics", "request_revenue", "request_heatmap")


@case("analytics_agent/completed-count", "analytics/completed-counted")
def completed_count(lab: Lab) -> None:
    """The completed count grows by the number of tasks that the agent completes, not by failed or cancelled ones."""
    stage, rule = board(lab, AGENT), "analytics/completed-counted"
    agent, before = stage.agents[VIEWER], metric(stage, "tasks_completed")
    client = lab.agent("client")
    fail_task(lab, agent, client)
    cancel_task(lab, agent, client)
    complete_tasks(lab, agent, 3, client=client)
    demand_grown(
        stage, partial(metric, stage, "tasks_completed"), before, Decimal(3), rule, "tasks_completed"
    )
    complete_tasks(lab, agent, 1, client=client)
    demand_grown(
        stage, partial(metric, stage, "tasks_completed"), before, Decimal(4), rule, "tasks_completed"
    )


@case("analytics_agent/revenue-of-transfers", "analytics/revenue-equals-transfers")
def revenue_of_transfers(lab: Lab) -> None:
    """The revenue grows by exactly the executed transfers to the agent, not by proposed or rejected ones."""
    stage, rule = board(lab, AGENT), "analytics/revenue-equals-transfers"
    before = revenue(stage)
    ledger = pay(lab, stage.agents[VIEWER], "0.1", "0.2", "12.5")
    ledger.propose("a", "7")
    done(ledger.stage, "b", "reject_transfer", reason="no")
    ledger.propose("a", "9")
    demand_grown(stage, partial(revenue, stage), before, Decimal("12.8"), rule, "revenue")
    earned, told = agreeing(stage, partial(revenue, stage), partial(metric, stage, "revenue"))
    lab.demand(told == earned, rule, f"request_metrics tells the same revenue, {earned:f}", f"{told:f}")


@case("analytics_agent/time-series", "analytics/time-series-sums")
def time_series(lab: Lab) -> None:
    """The points of a time series add up to the metric of the same period, for every metric and period."""
    stage = board(lab, AGENT)
    agent = stage.agents[VIEWER]
    client = complete_tasks(lab, agent, 2)
    fail_task(lab, agent, client)
    cancel_task(lab, agent, client)
    pay(lab, agent, "0.1", "0.2")
    for period in periods_of(stage.event("request_metrics")):
        _await_counted(stage, period)
        for name in stage.event("request_time_series").payload["properties"]["metric"]["enum"]:
            _demand_summed(stage, name, period)


def _await_counted(stage: Stage, period: str) -> None:
    """Let two tasks and the last of the payments show in the metrics; that they do is for other cases."""
    settled(stage, partial(metric, stage, "tasks_completed", period), Decimal(2))
    settled(stage, partial(metric, stage, "revenue", period), Decimal("0.3"))


def _demand_summed(stage: Stage, name: str, period: str) -> None:
    """Demand that a time series adds up to its metric, once both have caught up."""
    total, summed = agreeing(
        stage, partial(metric, stage, name, period), partial(summed_points, stage, name, period)
    )
    expected = f"the points of {name} over {period} add up to {total:f}"
    stage.lab.demand(summed == total, "analytics/time-series-sums", expected, summed)


@case("analytics_agent/heatmap", "analytics/heatmap-sums")
def heatmap(lab: Lab) -> None:
    """The heatmap counts each happening of the agent once."""
    stage, rule = board(lab, AGENT), "analytics/heatmap-sums"
    agent, before = stage.agents[VIEWER], summed_cells(stage)
    client = complete_tasks(lab, agent, 2)
    fail_task(lab, agent, client)
    pay(lab, agent, "1")
    demand_grown(stage, partial(summed_cells, stage), before, Decimal(4), rule, "the sum of the heatmap")


@case("analytics_agent/period-of-reply", "analytics/period-honoured")
def period_of_reply(lab: Lab) -> None:
    """The reply to a request names the period that was asked for."""
    stage, rule = board(lab, AGENT), "analytics/period-honoured"
    for event in REQUESTS:
        for period in periods_of(stage.event(event)):
            response = ask(stage, event, period=period)
            lab.demand(
                response.get("period") == period, rule, f"{event} of {period} is answered for it", response
            )


@case("analytics_agent/longer-periods", "analytics/periods-nested")
def longer_periods(lab: Lab) -> None:
    """A longer period counts no less than a shorter one that ends at the same time."""
    stage, rule = board(lab, AGENT), "analytics/periods-nested"
    complete_tasks(lab, stage.agents[VIEWER], 2)
    periods = periods_of(stage.event("request_metrics"))
    less = settled(stage, partial(metric, stage, "tasks_completed", periods[0]), Decimal(2))
    for shorter, longer in pairwise(periods):
        more = settled(stage, partial(metric, stage, "tasks_completed", longer), less)
        lab.demand(more >= less, rule, f"{longer} counts at least the {less:f} of {shorter}", f"{more:f}")
        less = more


@case("analytics_agent/benchmark-of-peers", "analytics/benchmarks")
def benchmark_of_peers(lab: Lab) -> None:
    """The metrics carry, by capability, the average over all agents that have it."""
    capability, rule = lab.unique("capability"), "analytics/benchmarks"
    agent, peer = (lab.agent(name, {"capabilities": [capability]}) for name in (VIEWER, "peer"))
    stage = board(lab, AGENT, agent)
    client = complete_tasks(lab, agent, 2)
    complete_tasks(lab, peer, 1, client=client)

    def is_right(response: Mapping[str, Any]) -> bool:
        benchmark = _benchmark(response, capability)
        if benchmark is None:
            return False
        peers, average = figure(benchmark, "agents"), figure(benchmark, "average", "tasks_completed")
        return (peers, average) == (Decimal(2), Decimal("1.5"))

    response = reread(stage, partial(ask, stage, "request_metrics", period="24h"), is_right)
    benchmark = _benchmark(response, capability)
    lab.demand(benchmark is not None, rule, f"a benchmark for {capability}", response)
    if benchmark is not None:
        expected = "2 agents, of which one completed 2 tasks and one 1: 1.5 each"
        lab.demand(is_right(response), rule, expected, benchmark)


def _benchmark(response: Mapping[str, Any], capability: str) -> Mapping[str, Any] | None:
    found = (response.get("benchmarks") or {}).get(capability)
    return found if isinstance(found, Mapping) else None


def _figures(metrics: Any) -> dict[str, Decimal | None]:
    """Return the documented metrics by name; others, as when they were counted, may differ from reply to reply."""
    told = metrics if isinstance(metrics, Mapping) else {}
    return {name: amount_of(told.get(name)) for name in METRICS}


@case("analytics_agent/sibling-joins", "analytics/agent-join-same-owner")
def sibling_joins(lab: Lab) -> None:
    """Another agent of the same owner can join an agent's topic and is told the same figures."""
    stage, rule = board(lab, AGENT), "analytics/agent-join-same-owner"
    agent = stage.agents[VIEWER]
    complete_tasks(lab, agent, 1)
    sibling = lab.connect(lab.agent("sibling", {"owner": agent.owner}))
    joined(sibling, stage.topic, rule, "an agent of the same owner")

    def both() -> tuple[Any, Answer]:
        own = ask(stage, "request_metrics", period="24h").get("metrics")
        return own, sibling.request(stage.topic, "request_metrics", {"period": "24h"})

    def is_same(told: tuple[Any, Answer]) -> bool:
        # The benchmarks are about the other agents of the platform as well, which go on working.
        own, answer = told
        return (
            answer.kind == "ok"
            and isinstance(answer.response, Mapping)
            and _figures(answer.response.get("metrics")) == _figures(own)
        )

    settled(stage, partial(metric, stage, "tasks_completed"), Decimal(1))
    own, answer = reread(stage, both, is_same)
    lab.demand(is_same((own, answer)), rule, f"the sibling is told the same: {own}", answer)


@case("analytics_user/sum-of-agents", "analytics/user-aggregates")
def sum_of_agents(lab: Lab) -> None:
    """The figures of a user grow by what happens to each of its agents."""
    stage, rule = board(lab, USER), "analytics/user-aggregates"
    agent = stage.agents[VIEWER]
    sibling = lab.agent("sibling", {"owner": agent.owner})
    each = [board(lab, AGENT, member) for member in (agent, sibling)]
    completed, earned = metric(stage, "tasks_completed"), revenue(stage)
    before = sum(map(revenue, each), Decimal(0))
    client = complete_tasks(lab, agent, 2)
    complete_tasks(lab, sibling, 1, client=client)
    pay(lab, agent, "12.5")
    pay(lab, sibling, "0.1")
    demand_grown(
        stage, partial(metric, stage, "tasks_completed"), completed, Decimal(3), rule, "tasks_completed"
    )
    # What counts as revenue is our reading; that a user's is that of its agents is not.
    grown = settled(stage, lambda: sum(map(revenue, each), Decimal(0)), before + Decimal("12.6")) - before
    demand_grown(stage, partial(revenue, stage), earned, grown, rule, "revenue")


@case("analytics_user/completed-count", "analytics/completed-counted")
def completed_count_of_user(lab: Lab) -> None:
    """The completed count of a user grows by the tasks that its agent completes."""
    stage, rule = board(lab, USER), "analytics/completed-counted"
    before = metric(stage, "tasks_completed")
    complete_tasks(lab, stage.agents[VIEWER], 2)
    demand_grown(
        stage, partial(metric, stage, "tasks_completed"), before, Decimal(2), rule, "tasks_completed"
    )


@case("analytics_user/time-series", "analytics/time-series-sums")
def time_series_of_user(lab: Lab) -> None:
    """The points of a user's time series add up to the metric of the same period."""
    stage = board(lab, USER)
    agent = stage.agents[VIEWER]
    complete_tasks(lab, agent, 2)
    pay(lab, agent, "0.1", "0.2")
    _await_counted(stage, "24h")
    for name in ("tasks_completed", "revenue"):
        _demand_summed(stage, name, "24h")


@case("analytics_user/others-not-counted", "analytics/other-owners-not-counted")
def others_not_counted(lab: Lab) -> None:
    """What happens among agents of other owners changes neither the figures of an agent nor those of its user."""
    of_user = board(lab, USER)
    agent = of_user.agents[VIEWER]
    of_agent = board(lab, AGENT, agent)
    before = [(metric(stage, "tasks_completed"), revenue(stage)) for stage in (of_user, of_agent)]
    stranger = lab.agent("stranger")
    client = complete_tasks(lab, stranger, 2)
    pay(lab, stranger, "33")
    complete_tasks(lab, agent, 1, client=client)
    pay(lab, agent, "1")
    for stage, (completed, earned) in zip((of_user, of_agent), before, strict=True):
        _demand_only_own(stage, partial(metric, stage, "tasks_completed"), completed + 1, "tasks_completed")
        _demand_only_own(stage, partial(revenue, stage), earned + 1, "revenue")


def _demand_only_own(stage: Stage, read: Read, expected: Decimal, what: str) -> None:
    """Demand that a figure has grown by the agent's own happening alone; that it grows at all is for other cases."""
    seen = settled(stage, read, expected)
    if seen < expected:
        raise CannotTell(f"{what} has not grown by what happened to the agent itself: {seen:f}")
    only = f"{what} counts what happened to the agent alone: {expected:f}"
    stage.lab.demand(seen == expected, "analytics/other-owners-not-counted", only, f"{seen:f}")
