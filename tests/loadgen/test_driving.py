"""What makes groups act, in both models."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, cast

import gevent
import pytest

from loadgen.arrivals import WHOLE, parse_arrivals
from loadgen.client.calls import CallFailed
from loadgen.client.clock import now_us
from loadgen.client.plays import Awaitable
from loadgen.client.route import Route
from loadgen.client.site import Site
from loadgen.engine.driving import Closed, Driver, Open
from loadgen.scenarios.scenario import Group, Scenario
from specs.loader import load

API = load()


@dataclass
class Waiting(Scenario):
    """Each act takes a time, and may fail."""

    name: ClassVar[str] = "waiting"

    takes_s: float = 0.0
    fault: Exception | None = None
    most_at_once: int = 0

    async def act(self, group: Group, start_us: int) -> None:
        """Wait."""
        self.most_at_once = max(self.most_at_once, group.acting)
        await group.pause(self.takes_s)
        if self.fault is not None:
            raise self.fault


def driven(driver: Driver, groups: int, for_s: float, drain_s: float = 5.0) -> Driver:
    """Let a driver go on for a time, then wait until everything has ended."""
    for number in range(groups):
        driver.add(Group(driver.site, cast("Any", None), number, "1"))
    driver.begin()
    gevent.sleep(for_s)
    driver.stop()
    with gevent.Timeout(drain_s + 20):
        while driver.under_way:
            gevent.sleep(0.01)
    driver.site.timers.close()
    return driver


def site() -> Site:
    return Site(API, cast("Route", None))


def arrivals(text: str, scenario: Scenario) -> Open:
    return Open(site(), scenario, parse_arrivals(text, 1).starts_s(WHOLE, Random(1)))  # noqa: S311 - no secret


def test_arrivals_do_not_wait_for_each_other() -> None:
    """With agents enough all arrivals start, though each takes longer than the distance between them."""
    driver = driven(arrivals("100/s", Waiting(0.2)), groups=100, for_s=1.3)
    assert (driver.started, driver.finished, driver.due, driver.waited) == (100, 100, 100, 0)
    assert driver.figures.ok == 100


def test_an_arrival_without_a_free_agent_waits_and_its_latency_tells() -> None:
    """One agent that takes a tenth of a second cannot serve twenty a second: the last ones wait for a second."""
    driver = driven(arrivals("20/s", Waiting(0.1)), groups=1, for_s=2.5)
    histograms = driver.figures.histograms
    assert driver.waited > 10
    assert driver.started == 20
    assert histograms["response"].max_us > 900_000
    assert (histograms["service"].percentile(50) or 0) < (histograms["response"].percentile(50) or 0)


def test_each_arrival_tells_how_late_it_was_taken() -> None:
    """After a stall of this process all that was due meanwhile was late, by less and less."""
    driver = arrivals("100/s", Waiting())
    driver.add(Group(driver.site, cast("Any", None), 0, "1"))
    driver.begin()
    until_us = now_us() + 200_000
    while now_us() < until_us:
        pass
    with gevent.Timeout(20):
        while driver.due < 30:
            gevent.sleep(0.01)
    driver.stop()
    driver.site.timers.close()
    # The next one may have become due before it was stopped.
    assert len(driver.late_us) == driver.offered >= driver.due
    assert sum(late_us > 100_000 for late_us in driver.late_us) >= 9


def test_what_was_never_come_to_was_offered_all_the_same() -> None:
    """A process that is out of breath to the end has had more arrivals than it knows of, and all of them were late."""
    driver = arrivals("100/s", Waiting())
    driver.begin()
    until_us = now_us() + 1_100_000
    while now_us() < until_us:
        pass
    driver.stop()
    driver.site.timers.close()
    assert (driver.due, driver.offered, len(driver.late_us)) == (0, 100, 100)


def test_an_arrival_that_was_never_served_is_an_error() -> None:
    """What still waits when the load ends is counted."""
    driver = driven(arrivals("50/s", Waiting(0.5)), groups=1, for_s=1.2)
    assert driver.started + driver.figures.errors["no agent was free"] == driver.due == 50


def test_a_closed_group_begins_anew_when_it_has_done() -> None:
    """A group acts again and again, but never twice at once."""
    scenario = Waiting(0.01)
    closed = Closed(site(), scenario, parse_arrivals("closed:10ms", 1), Random(1))  # noqa: S311 - no secret
    driver = driven(closed, groups=2, for_s=1.0)
    assert driver.finished == driver.started > 2
    assert scenario.most_at_once == 1


class Away:
    """An agent that is away until it is told otherwise."""

    def __init__(self) -> None:
        self.is_open = False
        self.channels: dict[str, Any] = {}


@pytest.mark.parametrize("text", ["closed", "100/s"])
def test_a_group_that_is_away_acts_no_more_until_it_is_back(text: str) -> None:
    """After an act that failed because of it nothing more is started; then it goes on."""
    scenario, asked = Waiting(fault=CallFailed("a push", "not connected")), parse_arrivals(text, 20)
    driver = (
        Closed(site(), scenario, asked, Random(1))  # noqa: S311 - no secret
        if asked.model == "closed"
        else Open(site(), scenario, asked.starts_s(WHOLE, Random(1)))  # noqa: S311 - no secret
    )
    group, agent = Group(driver.site, cast("Any", None), 0, "1"), Away()
    group.agents["agent"] = cast("Any", agent)
    driver.add(group)
    driver.begin()
    gevent.sleep(0.5)
    assert driver.started == 1
    agent.is_open = True
    with gevent.Timeout(20):
        while driver.started < 3:
            gevent.sleep(0.01)
    driver.stop()
    driver.site.timers.close()


@dataclass
class Owed(Scenario):
    """Half of the acts wait for what never comes, the others make a long pause."""

    name: ClassVar[str] = "owed"

    async def act(self, group: Group, start_us: int) -> None:
        """Wait."""
        await (Awaitable() if group.number % 2 else group.pause(600))


def test_an_act_that_still_waits_at_the_end_is_an_error() -> None:
    """Who waits for the same as a look ago was not answered; who only pauses was cut short by us."""
    driver = Driver(site(), Owed())
    for number in range(6):
        driver.start(Group(driver.site, cast("Any", None), number, "1"), 1)
    driver.look()
    driver.write_off()
    assert driver.figures.errors == {}
    driver.look()
    driver.write_off()
    assert (driver.under_way, driver.figures.errors) == (6, {"unanswered at the end": 3})
    driver.site.timers.close()


@pytest.mark.parametrize(
    ("fault", "reason", "told"),
    [
        (CallFailed("a push", "forbidden"), "forbidden", []),
        (KeyError("seq"), "KeyError", ["KeyError: 'seq'"]),
    ],
)
def test_a_failing_act_is_counted_and_others_go_on(fault: Exception, reason: str, told: list[str]) -> None:
    """A refusal counts by its reason; a fault of the scenario itself is told once besides."""
    driver = driven(arrivals("50/s", Waiting(0.0, fault)), groups=2, for_s=1.2)
    assert driver.figures.errors == {reason: 50}
    assert driver.site.faults == told
