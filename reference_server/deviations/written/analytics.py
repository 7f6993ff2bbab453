"""Analytics: figures that agree with what has happened and with each other, and alerts for those who asked for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import (
    around,
    around_effect,
    around_join,
    around_reading,
    around_store,
    with_topic,
)
from reference_server.handlers.analytics import AGENT, ALERT_SUBSCRIPTION, FAMILIES, GLOBAL, TRANSFER, USER
from reference_server.records import Happening
from specs.amounts import parse_amount

if TYPE_CHECKING:
    from reference_server.assembly import Assembly
    from reference_server.context import Context
    from reference_server.outcome import Channel

REQUESTS = ("request_metrics", "request_time_series", "request_revenue", "request_heatmap")
HOUR = timedelta(hours=1)

Retell: TypeAlias = Callable[["Context", Any], Any]
"""What is answered in the place of a response."""


def _retelling(server: Assembly, families: tuple[str, ...], events: tuple[str, ...], retell: Retell) -> None:
    def effect(honest: Any, ctx: Context) -> Any:
        return retell(ctx, honest(ctx))

    for family in families:
        for event in events:
            around_effect(server, family, event, effect)


def _reading_happenings(
    server: Assembly, families: tuple[str, ...], events: tuple[str, ...], read: Retell
) -> None:
    def happenings(honest: Any, ctx: Context, since: Any) -> Any:
        return read(ctx, honest(since))

    for family in families:
        for event in events:
            around_reading(server, family, event, "happenings", happenings)


@deviation(
    "analytics/agent-join-same-owner", shows="An agent of the same owner cannot join an agent's analytics."
)
def keeps_siblings_out(server: Assembly) -> None:
    """Admit the agent alone."""
    join = replace(server.api.topics[AGENT].join, roles=("self",))
    server.api = with_topic(server.api, AGENT, join=join)


@deviation("analytics/period-honoured", shows="The metrics of any period are answered for 24 hours.")
def answers_for_default_period(server: Assembly) -> None:
    """Say 24h whatever was asked for."""
    _retelling(server, (AGENT,), ("request_metrics",), lambda _ctx, told: {**told, "period": "24h"})


@deviation(
    "analytics/periods-nested",
    shows="The metrics of 30 days leave out the last hour, which those of an hour count.",
)
def leaves_last_hour_out_of_30d(server: Assembly) -> None:
    """Count what is settled."""

    def settled(ctx: Context, found: list[Happening]) -> list[Happening]:
        is_meant = ctx.payload.get("period") == "30d"
        return [one for one in found if one.at < ctx.now - HOUR] if is_meant else found

    _reading_happenings(server, FAMILIES, ("request_metrics",), settled)


@deviation("analytics/benchmarks", shows="The benchmark of an agent is the average of the others.")
def leaves_agent_out_of_its_benchmark(server: Assembly) -> None:
    """Look for peers among the others."""

    def peers(honest: Any, ctx: Context, capability: str) -> Any:
        found = honest(capability)
        return [one for one in found if one.id != ctx.variable] or found

    around_reading(server, AGENT, "request_metrics", "agents_with_capability", peers)


@deviation("analytics/benchmarks", shows="Averages in a benchmark are whole numbers.")
def rounds_benchmarks(server: Assembly) -> None:
    """Round each average."""

    def rounded(_ctx: Context, told: Any) -> Any:
        return {
            **told,
            "benchmarks": {
                capability: {
                    **benchmark,
                    "average": {name: int(value) for name, value in benchmark["average"].items()},
                }
                for capability, benchmark in told["benchmarks"].items()
            },
        }

    _retelling(server, (AGENT,), ("request_metrics",), rounded)


@deviation("analytics/completed-counted", shows="A task that fails counts as completed.")
def counts_failed_as_completed(server: Assembly) -> None:
    """Note the end of a task, whichever it is."""

    def add(honest: Any, self: Any, happening: Happening) -> None:
        kind = "task_completed" if happening.kind == "task_failed" else happening.kind
        honest(self, replace(happening, kind=kind))

    around_store(server, "add_happening", add)


@deviation(
    "analytics/completed-counted",
    shows="The completed count of an agent grows once however many tasks it completes.",
)
def counts_completions_of_an_agent_once(server: Assembly) -> None:
    """Take a second completion for the first one."""

    def first(ctx: Context, found: list[Happening]) -> list[Happening]:
        own = [one for one in found if one.kind == "task_completed" and ctx.variable in one.agents]
        return [one for one in found if one not in own[1:]]

    _reading_happenings(server, (AGENT,), ("request_metrics", "request_time_series"), first)


@deviation(
    "analytics/revenue-equals-transfers",
    shows="The revenue of an agent grows by what is proposed to it, too.",
)
def counts_proposals_as_revenue(server: Assembly) -> None:
    """Count a transfer when it is proposed, and again when it is executed."""

    def propose(honest: Any, ctx: Context) -> None:
        honest(ctx)
        payee = ctx.resource.roles["b" if ctx.role == "a" else "a"]
        ctx.happened(TRANSFER, (payee,), parse_amount(ctx.payload["amount"]))

    around_effect(server, "payment", "propose_transfer", propose)


@deviation("analytics/revenue-equals-transfers", shows="Revenue is told in whole units.")
def rounds_revenue(server: Assembly) -> None:
    """Round what is told."""

    def whole(_ctx: Context, told: Any) -> Any:
        return {**told, "revenue": str(Decimal(told["revenue"]).quantize(Decimal(1), ROUND_HALF_UP))}

    _retelling(server, FAMILIES, ("request_revenue",), whole)


@deviation(
    "analytics/revenue-equals-transfers",
    shows="The revenue in an agent's metrics leaves out its latest transfer.",
)
def tells_metrics_without_last_transfer(server: Assembly) -> None:
    """Keep the latest transfer for the next time."""

    def but_last(_ctx: Context, found: list[Happening]) -> list[Happening]:
        transfers = [one for one in found if one.kind == TRANSFER]
        return [one for one in found if one not in transfers[-1:]]

    _reading_happenings(server, (AGENT,), ("request_metrics", "request_time_series"), but_last)


@deviation(
    "analytics/time-series-sums", shows="A time series ends before the present, which its metric counts."
)
def ends_time_series_before_the_present(server: Assembly) -> None:
    """Leave the last bucket out."""
    _retelling(
        server,
        FAMILIES,
        ("request_time_series",),
        lambda _ctx, told: {**told, "points": told["points"][:-1]},
    )


@deviation("analytics/time-series-sums", shows="A time series ends with the same point twice.")
def repeats_last_point(server: Assembly) -> None:
    """Close the series with the present bucket, which is in it already."""
    _retelling(
        server,
        FAMILIES,
        ("request_time_series",),
        lambda _ctx, told: {**told, "points": [*told["points"], told["points"][-1]]},
    )


@deviation(
    "analytics/heatmap-sums", shows="A cell of a heatmap tells whether anything happened, not how often."
)
def tells_heatmap_without_counts(server: Assembly) -> None:
    """Count each cell once."""

    def flat(_ctx: Context, told: Any) -> Any:
        return {**told, "cells": [{**cell, "count": 1} for cell in told["cells"]]}

    _retelling(server, FAMILIES, ("request_heatmap",), flat)


@deviation("analytics/user-aggregates", shows="The figures of a user are those of the agent that asks.")
def tells_user_figures_of_one_agent(server: Assembly) -> None:
    """Find one agent for an owner."""

    def own(honest: Any, ctx: Context, owner: str) -> Any:
        return [one for one in honest(owner) if one.id == ctx.agent_id]

    for event in REQUESTS:
        around_reading(server, USER, event, "agents_of_owner", own)


@deviation("analytics/other-owners-not-counted", shows="The figures of a user count what happens to anybody.")
def counts_everybody_for_a_user(server: Assembly) -> None:
    """Take everybody for an agent of the user."""

    def everybodys(ctx: Context, found: list[Happening]) -> list[Happening]:
        return [replace(one, agents=(ctx.agent_id,)) for one in found]

    _reading_happenings(server, (USER,), REQUESTS, everybodys)


def _retelling_stats(server: Assembly, retell: Retell) -> None:
    def join(honest: Any, ctx: Context) -> None:
        honest(ctx)
        ctx.pushes[:] = [replace(push, payload=retell(ctx, push.payload)) for push in ctx.pushes]

    around_join(server, GLOBAL, join)


@deviation("analytics/system-load-number", shows="system_load is a word.")
def tells_load_in_words(server: Assembly) -> None:
    """Judge the load instead of telling it."""
    _retelling_stats(server, lambda _ctx, stats: {**stats, "system_load": "normal"})


@deviation("analytics/global-stats-grow", shows="total_tasks stays what it was when it was first told.")
def tells_total_of_tasks_from_memory(server: Assembly) -> None:
    """Count the tasks once."""
    first: list[int] = []

    def remembered(_ctx: Context, stats: Any) -> Any:
        first.append(stats["total_tasks"])
        return {**stats, "total_tasks": first[0]}

    _retelling_stats(server, remembered)


@deviation("analytics/global-stats-counts", shows="total_agents is an estimate between two whole numbers.")
def estimates_total_of_agents(server: Assembly) -> None:
    """Tell half an agent more."""
    _retelling_stats(server, lambda _ctx, stats: {**stats, "total_agents": stats["total_agents"] + 0.5})


def _sending_alerts(server: Assembly, change: Callable[[Any], list[Any]]) -> None:
    def raise_alert(honest: Any, ctx: Context) -> None:
        honest(ctx)
        ctx.broadcasts[:] = [made for one in ctx.broadcasts for made in change(one)]

    around_effect(server, "control", "raise_alert", raise_alert)


@deviation("analytics/alert-pushed", shows="No alert ever comes.")
def drops_alerts(server: Assembly) -> None:
    """Raise an alert and tell nobody."""
    _sending_alerts(server, lambda _one: [])


@deviation("analytics/alert-pushed", shows="Alerts come as the event notification.")
def sends_alert_under_another_name(server: Assembly) -> None:
    """Call it something else."""
    _sending_alerts(server, lambda one: [replace(one, event="notification")])


@deviation(
    "analytics/alerts-to-subscribers-only", shows="Alerts come to everyone on the topic, subscribed or not."
)
def alerts_everyone_on_the_topic(server: Assembly) -> None:
    """Ask for no subscription."""
    _sending_alerts(server, lambda one: [replace(one, subscribers_of=None)])


@deviation(
    "analytics/alerts-to-subscribers-only",
    shows="Who has subscribed to alerts once gets them after leaving and joining again, too.",
)
def keeps_subscription_after_leave(server: Assembly) -> None:
    """Keep the subscriptions by agent and topic."""
    subscribed: set[tuple[str, str]] = set()

    def unsubscribe(honest: Any, self: Any, channel: Channel) -> None:
        if ALERT_SUBSCRIPTION in channel.assigns:
            subscribed.add((channel.identity.agent_id, channel.topic))
        honest(self, channel)

    def subscribe(honest: Any, self: Any, channel: Channel, receiver: Any) -> None:
        if (channel.identity.agent_id, channel.topic) in subscribed:
            channel.assigns[ALERT_SUBSCRIPTION] = True
        honest(self, channel, receiver)

    server.broker = around(server.broker, "unsubscribe", unsubscribe)
    server.broker = around(server.broker, "subscribe", subscribe)
