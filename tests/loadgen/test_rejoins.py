"""Joining again, with an agent that only notes what it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from loadgen.client.calls import TIMED_OUT, Call, Request
from loadgen.client.rejoins import RECOVERY, Rejoins
from loadgen.measure.statistics import Figures, Statistics

OK = {"status": "ok", "response": {}}


class Asking:
    """An agent with one topic, whose session believes that it is joining as soon as it was asked to."""

    def __init__(self) -> None:
        self.later: list[Callable[[int], object]] = []
        self.asked: list[Request] = []
        self.channels = {"task:1": SimpleNamespace(topic="task:1", is_joined=False, on_rejoined=None)}
        self.errored = ["task:1"]
        self.is_open = True
        self.session = SimpleNamespace(topics_to_rejoin=lambda: list(self.errored))
        timers = SimpleNamespace(after=lambda _delay_s, call: self.later.append(call))
        self.site = SimpleNamespace(timers=timers, statistics=Statistics())
        self.rejoins = Rejoins(cast("Any", self), "socket")
        self.rejoins.lost_at_us = 1

    def rejoin(self, _channel: Any, on_answer: Callable[[Call], object]) -> Request:
        self.errored.clear()
        self.asked.append(Request(Figures("task", "phx_join"), 1, 1, on_answer=on_answer))
        return self.asked[-1]

    @property
    def recovered(self) -> int:
        return self.site.statistics.of("socket", RECOVERY).histograms["service"].total


def test_a_join_that_was_not_answered_is_tried_again() -> None:
    """A session that waits for the answer for ever must not keep the agent out; only then has it recovered."""
    agent = Asking()
    agent.rejoins.begin()
    agent.asked[0].lost(TIMED_OUT)
    assert (len(agent.asked), agent.recovered) == (1, 0)
    agent.later.pop()(0)
    agent.channels["task:1"].is_joined = True
    agent.asked[1].answered(OK, 2)
    assert (len(agent.asked), agent.later, agent.recovered) == (2, [], 1)


def test_a_late_answer_makes_another_try_needless() -> None:
    """Who was let in meanwhile is not asked for again."""
    agent = Asking()
    agent.rejoins.begin()
    agent.asked[0].lost(TIMED_OUT)
    agent.channels["task:1"].is_joined = True
    agent.later.pop()(0)
    assert (len(agent.asked), agent.later, agent.recovered) == (1, [], 1)
