"""Analytics: figures computed from what has happened, for an agent, a user or everybody (`reading.md` section 9).

A task counts for both its participants, a transfer for the one who is paid. A user's figures are the sums over its agents;
the global figures count each happening once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.context import Context, instant
from reference_server.registry import handles, joins
from specs.amounts import add, format_amount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reference_server.records import Happening

AGENT = "analytics_agent"
USER = "analytics_user"
GLOBAL = "analytics_global"
FAMILIES = (AGENT, USER, GLOBAL)

ALERT_SUBSCRIPTION = "alerts"
DEFAULT_PERIOD = "24h"
TASK_FAMILY = "task"
TRANSFER = "transfer_executed"
KINDS = {
    "tasks_completed": "task_completed",
    "tasks_failed": "task_failed",
    "tasks_cancelled": "task_cancelled",
}
REVENUE = "revenue"
LOAD_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time that ends now, in equal buckets."""

    bucket: timedelta
    bucket_count: int

    @property
    def length(self) -> timedelta:
        """From its beginning to now."""
        return self.bucket * self.bucket_count


PERIODS = {
    "1h": Period(timedelta(minutes=5), 12),
    "24h": Period(timedelta(hours=1), 24),
    "7d": Period(timedelta(days=1), 7),
    "30d": Period(timedelta(days=1), 30),
}


@dataclass(frozen=True, slots=True)
class Count:
    """A happening, and how often it counts for those whom a topic is about."""

    happening: Happening
    times: int


@joins(GLOBAL)
def join_global(ctx: Context) -> None:
    """Push the figures of the platform; its load is the number of happenings a second in the last minute."""
    recent = len(ctx.store.happenings(ctx.now - LOAD_WINDOW))
    stats = {
        "total_agents": ctx.store.count_agents(),
        "total_tasks": ctx.store.count_resources(TASK_FAMILY),
        "system_load": recent / LOAD_WINDOW.total_seconds(),
    }
    ctx.push("global_stats", stats)


@handles(FAMILIES, "subscribe_alerts")
def subscribe_alerts(ctx: Context) -> None:
    """Let this connection have the alerts of its topic."""
    ctx.assign(ALERT_SUBSCRIPTION, value=True)


@handles(FAMILIES, "request_metrics")
def request_metrics(ctx: Context) -> Mapping[str, Any]:
    """Return the counts and the revenue of a period, for an agent beside its peers."""
    period = ctx.payload["period"]
    counts = _counts(ctx, period)
    metrics: dict[str, Any] = {name: _total(counts, name) for name in KINDS}
    metrics[REVENUE] = format_amount(_revenue(counts))
    response = {"period": period, "metrics": metrics}
    return {**response, "benchmarks": _benchmarks(ctx, period)} if ctx.family.name == AGENT else response


@handles(FAMILIES, "request_time_series")
def request_time_series(ctx: Context) -> Mapping[str, Any]:
    """Return one metric in equal buckets, oldest first, that add up to the metric of the period."""
    metric, name = ctx.payload["metric"], ctx.payload["opts"].get("period", DEFAULT_PERIOD)
    period = PERIODS[name]
    start = ctx.now - period.length
    buckets: list[list[Count]] = [[] for _ in range(period.bucket_count)]
    for count in _counts(ctx, name):
        # What happens at the very end belongs to the last bucket.
        at = min((count.happening.at - start) // period.bucket, period.bucket_count - 1)
        buckets[at].append(count)
    points = [_point(start + at * period.bucket, bucket, metric) for at, bucket in enumerate(buckets)]
    return {"metric": metric, "period": name, "points": points}


@handles(FAMILIES, "request_revenue")
def request_revenue(ctx: Context) -> Mapping[str, Any]:
    """Return what executed transfers have brought in."""
    counts = _counts(ctx, ctx.payload["period"])
    transfers = sum(count.times for count in counts if count.happening.kind == TRANSFER)
    revenue = format_amount(_revenue(counts))
    return {"period": ctx.payload["period"], "revenue": revenue, "transfers": transfers}


@handles(FAMILIES, "request_heatmap")
def request_heatmap(ctx: Context) -> Mapping[str, Any]:
    """Return how many happenings fell on which weekday (0 is Monday) and hour (UTC)."""
    counts = _counts(ctx, ctx.payload["period"])
    cells = Counter((count.happening.at.weekday(), count.happening.at.hour) for count in counts)
    listed = [
        {"weekday": weekday, "hour": hour, "count": number}
        for (weekday, hour), number in sorted(cells.items())
    ]
    return {"period": ctx.payload["period"], "cells": listed}


def _counts(ctx: Context, period: str) -> list[Count]:
    happenings = ctx.store.happenings(ctx.now - PERIODS[period].length)
    if ctx.family.name == GLOBAL:
        return [Count(happening, 1) for happening in happenings]
    members = {ctx.variable} if ctx.family.name == AGENT else _agents_of(ctx)
    counts = (Count(happening, len(members.intersection(happening.agents))) for happening in happenings)
    return [count for count in counts if count.times]


def _agents_of(ctx: Context) -> set[str]:
    return {agent.id for agent in ctx.store.agents_of_owner(ctx.variable)}


def _total(counts: Sequence[Count], metric: str) -> int:
    return sum(count.times for count in counts if count.happening.kind == KINDS[metric])


def _revenue(counts: Sequence[Count]) -> Decimal:
    total = Decimal(0)
    for count in counts:
        if count.happening.kind == TRANSFER:
            total = add(total, count.happening.amount)
    return total


def _point(at: datetime, counts: Sequence[Count], metric: str) -> dict[str, Any]:
    value = format_amount(_revenue(counts)) if metric == REVENUE else _total(counts, metric)
    return {"at": instant(at), "value": value}


def _benchmarks(ctx: Context, period: str) -> dict[str, Any]:
    agent = ctx.store.agent(ctx.variable)
    happenings = ctx.store.happenings(ctx.now - PERIODS[period].length)
    totals = Counter((happening.kind, name) for happening in happenings for name in happening.agents)
    return {
        capability: _benchmark([peer.id for peer in ctx.store.agents_with_capability(capability)], totals)
        for capability in (agent.capabilities if agent else ())
    }


def _benchmark(peers: Sequence[str], totals: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    average = {
        metric: sum(totals.get((kind, peer), 0) for peer in peers) / len(peers)
        for metric, kind in KINDS.items()
    }
    return {"agents": len(peers), "average": average}
