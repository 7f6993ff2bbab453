"""What the analytics push by themselves: the figures of the platform on a join, and alerts to those who asked for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from conformance.faults import CannotTell
from conformance.verbs.acting import done
from conformance.verbs.figures import VIEWER, ask, board, complete_tasks, figure, settled
from conformance.verbs.ledger import amount_of
from conformance.written import case

if TYPE_CHECKING:
    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.stage import Stage

AGENT = "analytics_agent"
USER = "analytics_user"
GLOBAL = "analytics_global"
STATS = "global_stats"
ALERT = "alert"


def _stats_on_join(peer: Peer, topic: str) -> Any:
    """Join and return the figures that are pushed; None where none come."""
    since = peer.mark()
    answer = peer.join(topic)
    if answer.kind != "ok":
        raise CannotTell(f"the join of {topic} is not accepted: {answer}")
    found = peer.wait_event(topic, STATS, since=since)
    return None if found is None else found.payload


@case("analytics_global/stats-on-join", "analytics/global-stats-on-join", "analytics/global-stats-members")
def stats_on_join(lab: Lab) -> None:
    """Every join of the platform's topic pushes its figures: the first, a second one, and another agent's."""
    stage = board(lab, GLOBAL)
    others = lab.connect(lab.agent("another"))
    for peer, which in (
        (stage.peers[VIEWER], "a second"),
        (others, "another agent's"),
        (others, "its second"),
    ):
        stats = _stats_on_join(peer, stage.topic)
        lab.demand(
            stats is not None, "analytics/global-stats-on-join", f"{STATS} after {which} join", "nothing"
        )
        missing = {"total_agents", "total_tasks", "system_load"} - set(
            stats if isinstance(stats, Mapping) else ()
        )
        expected = "total_agents, total_tasks and system_load"
        lab.demand(not missing, "analytics/global-stats-members", expected, stats)


@case("analytics_global/stats-are-counts", "analytics/global-stats-counts", "analytics/system-load-number")
def stats_are_counts(lab: Lab) -> None:
    """The totals are integers that are not negative, and the load is a number that is not negative."""
    stage = board(lab, GLOBAL)
    stats = _stats_on_join(stage.peers[VIEWER], stage.topic)
    if not isinstance(stats, Mapping):
        raise CannotTell(f"no {STATS} is pushed: {stats!r}")
    for name in ("total_agents", "total_tasks"):
        value = stats.get(name)
        is_count = (
            not isinstance(value, bool) and isinstance(value, int | float) and value >= 0 and value % 1 == 0
        )
        lab.demand(
            is_count, "analytics/global-stats-counts", f"{name} is an integer of at least 0", f"{value!r}"
        )
    load = stats.get("system_load")
    is_load = (
        not isinstance(load, str) and (amount_of(load) or Decimal(0)) >= 0 and amount_of(load) is not None
    )
    lab.demand(is_load, "analytics/system-load-number", "system_load is a number of at least 0", f"{load!r}")


@case("analytics_global/totals-grow", "analytics/global-stats-grow")
def totals_grow(lab: Lab) -> None:
    """The total of tasks grows at least by the tasks that are made."""
    stage, rule = board(lab, GLOBAL), "analytics/global-stats-grow"
    peer = stage.peers[VIEWER]

    def total() -> Decimal:
        return figure(_stats_on_join(peer, stage.topic), "total_tasks")

    before = total()
    complete_tasks(lab, lab.agent("provider"), 3)
    seen = settled(stage, total, before + 3)
    lab.demand(seen >= before + 3, rule, f"total_tasks grows by 3 from {before:f}", f"{seen:f}")


@case("analytics_agent/alerts", "analytics/alert-pushed", "analytics/alerts-to-subscribers-only")
def alerts_of_agent(lab: Lab) -> None:
    """An alert of an agent's topic is pushed to its subscribers and nobody else."""
    _alerts(lab, AGENT)


@case("analytics_user/alerts", "analytics/alert-pushed", "analytics/alerts-to-subscribers-only")
def alerts_of_user(lab: Lab) -> None:
    """An alert of a user's topic is pushed to its subscribers and nobody else."""
    _alerts(lab, USER)


@case("analytics_global/alerts", "analytics/alert-pushed", "analytics/alerts-to-subscribers-only")
def alerts_of_platform(lab: Lab) -> None:
    """An alert of the platform's topic is pushed to its subscribers and nobody else."""
    _alerts(lab, GLOBAL)


def _alerts(lab: Lab, family: str) -> None:
    """Raise an alert while one connection has subscribed and another one of the same agent has only joined."""
    subscribed = board(lab, family)
    silent = board(lab, family, subscribed.agents[VIEWER])
    elsewhere = board(lab, GLOBAL if family == AGENT else AGENT)
    done(subscribed, VIEWER, "subscribe_alerts")
    done(elsewhere, VIEWER, "subscribe_alerts")
    marker = lab.unique("alert")
    alert = {"kind": "error_rate", "value": 0.25, "of": marker}
    lab.bench.provisioner.request("raise_alert", {"topic": subscribed.topic, "alert": alert})
    found = subscribed.peers[VIEWER].wait_event(subscribed.topic, ALERT)
    lab.demand(
        found is not None, "analytics/alert-pushed", "a subscriber is pushed the alert", "nothing came"
    )
    _demand_no_alert(silent, "a connection that has not subscribed")
    # Where others raise alerts meanwhile, only this one is out of place.
    _demand_no_alert(elsewhere, "a subscriber of another topic", of=marker)


@case("analytics_agent/subscription-ends", "analytics/alerts-to-subscribers-only")
def subscription_ends(lab: Lab) -> None:
    """A subscription ends with its membership: after leaving and joining again no alert comes unasked."""
    stage = board(lab, AGENT)
    peer = stage.peers[VIEWER]
    done(stage, VIEWER, "subscribe_alerts")
    lab.bench.provisioner.request("raise_alert", {"topic": stage.topic, "alert": {"kind": "first"}})
    if peer.wait_event(stage.topic, ALERT) is None:
        raise CannotTell("a subscriber is not pushed the alert")
    since = peer.mark()
    peer.answer(peer.leave(stage.topic))
    peer.join(stage.topic)
    lab.bench.provisioner.request("raise_alert", {"topic": stage.topic, "alert": {"kind": "second"}})
    _demand_no_alert(stage, "a connection that has left and joined again", since)


def _demand_no_alert(stage: Stage, who: str, since: int = 0, of: str = "") -> None:
    # A reply of the same channel comes after whatever the channel was to push before.
    ask(stage, "request_metrics", period="24h")
    heard = [
        one for one in stage.peers[VIEWER].seen(stage.topic, ALERT, since) if of in json.dumps(one.payload)
    ]
    stage.lab.demand(not heard, "analytics/alerts-to-subscribers-only", f"no alert reaches {who}", heard)
