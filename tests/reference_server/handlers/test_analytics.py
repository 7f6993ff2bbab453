"""Analytics."""

from __future__ import annotations

from decimal import Decimal

import pytest


def _finish(world, client, provider, event="complete", **payload):
    topic = world.resource("task", {"client": client, "provider": provider})
    assert world.join(provider, topic).push_raw(event, payload or {"result": 1}).status == "ok"


def _pay(world, payer, payee, amount):
    topic = world.resource("payment", {"a": payer, "b": payee}, balance_a="1000", balance_b="0")
    assert world.join(payer, topic).push_signed("propose_transfer", amount=amount, nonce=1).status == "ok"
    assert world.join(payee, topic).push_signed("acknowledge_transfer", amount=amount, nonce=1).status == "ok"


@pytest.fixture
def busy(world):
    """Return a world where ann has done two tasks for ben, one long ago, and was paid twice."""
    ann = world.agent("ann", owner="o1", capabilities=["t", "s"])
    ben = world.agent("ben", owner="o2", capabilities=["t"])
    world.agent("cas", owner="o1", capabilities=[])
    _finish(world, ben, ann)
    world.pass_time(days=2)
    _finish(world, ben, ann)
    _finish(world, ben, ann, "cancel", reason="")
    _pay(world, ben, ann, "12.50000001")
    world.pass_time(minutes=20)
    _pay(world, ben, ann, "0.1")
    return world


def _topic(world, name, topic):
    return world.join(world.agents[name], f"analytics:{topic}")


def _metrics(seat, period):
    return seat.push("request_metrics", period=period).response["metrics"]


def test_metrics_count_what_happened_in_the_period(busy):
    """The task of two days ago counts for 7d but not for 24h."""
    seat = _topic(busy, "ann", "agent:ann")
    recent = {"tasks_completed": 1, "tasks_failed": 0, "tasks_cancelled": 1, "revenue": "12.60000001"}
    assert _metrics(seat, "24h") == recent
    assert _metrics(seat, "7d") == {**recent, "tasks_completed": 2}


def test_revenue_is_what_was_paid_to_the_agent(busy):
    """The payer has none."""
    got = _topic(busy, "ann", "agent:ann").push("request_revenue", period="1h").response
    assert got == {"period": "1h", "revenue": "12.60000001", "transfers": 2}
    paid = _topic(busy, "ben", "agent:ben").push("request_revenue", period="30d").response
    assert paid == {"period": "30d", "revenue": "0", "transfers": 0}


@pytest.mark.parametrize("period", ["1h", "24h", "7d", "30d"])
@pytest.mark.parametrize("metric", ["tasks_completed", "tasks_failed", "tasks_cancelled", "revenue"])
def test_a_time_series_sums_to_its_metric(busy, metric, period):
    """The points are in the order of time and add up exactly."""
    seat = _topic(busy, "ann", "agent:ann")
    series = seat.push("request_time_series", metric=metric, opts={"period": period}).response
    times = [point["at"] for point in series["points"]]
    assert times == sorted(set(times))
    total = sum(Decimal(point["value"]) for point in series["points"])
    assert total == Decimal(_metrics(seat, period)[metric])


def test_a_time_series_without_period_is_of_a_day_in_hours(busy):
    """What happens now falls into the last bucket."""
    _finish(busy, busy.agents["ben"], busy.agents["ann"], "error", type="t", details=None)
    seat = _topic(busy, "ann", "agent:ann")
    series = seat.push("request_time_series", metric="tasks_failed", opts={}).response
    assert (series["period"], len(series["points"]), series["points"][-1]["value"]) == ("24h", 24, 1)


def test_a_heatmap_counts_each_happening_once_by_weekday_and_hour(busy):
    """The first task was on a Sunday at ten, the rest on a Tuesday."""
    cells = _topic(busy, "ann", "agent:ann").push("request_heatmap", period="30d").response["cells"]
    assert cells == [{"weekday": 1, "hour": 10, "count": 4}, {"weekday": 6, "hour": 10, "count": 1}]


def test_benchmarks_are_the_mean_over_the_agents_of_each_capability(busy):
    """Agents of other capabilities do not count; an agent without any has no benchmarks."""
    busy.agent("dan", capabilities=["t"])
    seat = _topic(busy, "ann", "agent:ann")
    benchmarks = seat.push("request_metrics", period="24h").response["benchmarks"]
    assert benchmarks["t"]["agents"] == 3
    assert benchmarks["t"]["average"]["tasks_completed"] == pytest.approx(2 / 3)
    assert benchmarks["s"] == {
        "agents": 1,
        "average": {"tasks_completed": 1, "tasks_failed": 0, "tasks_cancelled": 1},
    }
    assert _topic(busy, "cas", "agent:cas").push("request_metrics", period="1h").response["benchmarks"] == {}


def test_a_users_figures_are_the_sums_over_its_agents(busy):
    """A task between two agents of one user counts for each; other owners' do not."""
    _finish(busy, busy.agents["cas"], busy.agents["ann"])
    totals = _metrics(_topic(busy, "cas", "user:o1"), "30d")
    parts = [_metrics(_topic(busy, name, f"agent:{name}"), "30d") for name in ("ann", "cas")]
    for name in ("tasks_completed", "tasks_cancelled", "revenue"):
        assert Decimal(totals[name]) == sum(Decimal(part[name]) for part in parts)


def test_global_figures_count_each_happening_once(busy):
    """Both participants' agents do not double a task."""
    assert _metrics(_topic(busy, "cas", "global"), "30d") == {
        "tasks_completed": 2,
        "tasks_failed": 0,
        "tasks_cancelled": 1,
        "revenue": "12.60000001",
    }


def test_global_stats_are_pushed_on_join_and_grow(busy):
    """Agents and tasks are counted when they are made."""
    (push,) = _topic(busy, "ann", "global").joined.pushes
    assert (push.event, push.payload["total_agents"], push.payload["total_tasks"]) == ("global_stats", 3, 3)
    busy.resource("task", {"client": busy.agents["ann"], "provider": busy.agent("dan")})
    (push,) = _topic(busy, "ann", "global").joined.pushes
    assert (push.payload["total_agents"], push.payload["total_tasks"]) == (4, 4)


@pytest.mark.parametrize(
    ("name", "topic", "status"),
    [
        ("ann", "agent:ann", "ok"),
        ("cas", "agent:ann", "ok"),
        ("ben", "agent:ann", "error"),
        ("ann", "user:o1", "ok"),
        ("ben", "user:o1", "error"),
        ("ben", "user:", "error"),
        ("ann", "agent:nobody", "error"),
        ("ben", "global", "ok"),
    ],
)
def test_figures_are_for_the_agent_its_owners_agents_and_the_user(busy, name, topic, status):
    """Everybody sees the global ones."""
    assert _topic(busy, name, topic).joined.status == status


def test_alerts_go_to_subscribers_only(busy):
    """The subscription marks one channel; the alert asks for marked channels of its topic."""
    seat = _topic(busy, "ann", "agent:ann")
    assert seat.channel.assigns == {}
    assert seat.push("subscribe_alerts").status == "ok"
    outcome = busy.operator.push("raise_alert", topic="analytics:agent:ann", alert={"kind": "k"})
    (sent,) = outcome.broadcasts
    assert (sent.topic, sent.event, sent.payload) == ("analytics:agent:ann", "alert", {"kind": "k"})
    assert sent.subscribers_of in seat.channel.assigns


def test_an_unknown_period_or_metric_is_refused(busy):
    """Neither is answered with empty figures."""
    seat = _topic(busy, "ann", "agent:ann")
    assert seat.push("request_metrics", period="2h").response["reason"] == "invalid_payload"
    unknown = seat.push("request_time_series", metric="fame", opts={})
    assert unknown.response["reason"] == "invalid_payload"
