"""Timers."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from loadgen.client import clock
from loadgen.client.clock import ALWAYS_AWAKE, MOSTLY_AWAKE, NEVER_AWAKE, now_us
from loadgen.client.timers import Timers


@pytest.fixture(params=["timerfd", "loop"])
def timers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Timers:
    """Timers on each kind of alarm that the system has."""
    if request.param == "loop":
        monkeypatch.setattr(clock.sys, "platform", "elsewhere")
    elif sys.platform != "linux":
        pytest.skip("timerfd is Linux'")
    return Timers()


def until(is_so: Callable[[], bool]) -> None:
    with gevent.Timeout(20):
        while not is_so():
            gevent.sleep(0.005)


def test_what_is_due_is_called_in_its_order(timers: Timers) -> None:
    """Each is called once with the time at which it was due, never before it, whatever the order of asking."""
    called: list[tuple[int, bool]] = []
    base_us = now_us() + 20_000
    for offset in (30_000, 0, 20_000, 10_000):
        timers.at(base_us + offset, lambda due_us: called.append((due_us - base_us, now_us() >= due_us)))
    until(lambda: len(called) == 4)
    assert called == [(0, True), (10_000, True), (20_000, True), (30_000, True)]
    timers.close()


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux'")
@pytest.mark.parametrize("awake_beyond_us", [ALWAYS_AWAKE, MOSTLY_AWAKE])
def test_a_loop_that_is_awake_early_reads_what_comes(
    awake_beyond_us: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Being awake before the time takes no turn from any socket, calls nothing before its time, and is told of."""
    monkeypatch.setattr(clock, "_LEAD_US", 200_000)
    timers = Timers(awake_beyond_us)
    called: list[int] = []
    read: list[int] = []
    here, there = socket.socketpair()
    with here, there:
        watcher: Any = gevent.get_hub().loop.io(here.fileno(), 1)
        watcher.start(lambda: read.append(len(here.recv(1))))
        began_us = now_us()
        writer = threading.Thread(target=written, args=(there, 20))
        writer.start()
        timers.after(0.25, lambda due_us: called.append(now_us() - due_us))
        until(lambda: bool(called))
        writer.join()
        watcher.close()
    assert len(read) >= 15
    assert called[0] >= 0
    assert 0 < timers.awake_s < (now_us() - began_us) / 1e6
    timers.close()


def written(there: socket.socket, count: int) -> None:
    for _ in range(count):
        time.sleep(0.01)
        there.send(b"-")


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux'")
@pytest.mark.parametrize(
    ("awake_beyond_us", "is_awake"), [(ALWAYS_AWAKE, True), (50_000.0, False), (NEVER_AWAKE, False)]
)
def test_short_waits_are_slept_through_unless_it_is_asked_for(
    awake_beyond_us: float, is_awake: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes most of a core is only done where it is worth that."""
    monkeypatch.setattr(clock, "_LEAD_US", 20_000)
    timers = Timers(awake_beyond_us)
    called: list[int] = []
    timers.after(0.04, called.append)
    until(lambda: bool(called))
    assert (timers.awake_s > 0) == is_awake
    timers.close()


def test_what_is_cancelled_is_not_called(timers: Timers) -> None:
    """A cancelled timer is passed over, and those behind it are not."""
    called: list[int] = []
    timers.after(0.01, lambda _: called.append(1)).cancel()
    timers.after(0.02, lambda _: called.append(2))
    until(lambda: bool(called))
    assert called == [2]
    timers.close()


def test_a_timer_may_set_the_next(timers: Timers) -> None:
    """What is past is called in the next turn, again and again, and others get theirs."""
    called: list[int] = []

    def again(due_us: int) -> None:
        called.append(due_us)
        if len(called) < 50:
            timers.at(due_us, again)

    timers.at(1, again)
    until(lambda: len(called) == 50)
    assert len(timers.lags_us) >= 50
    timers.close()


def test_what_would_have_come_during_a_stall_is_late_as_well(timers: Timers) -> None:
    """A process that was away for long is not late once: so was all that was due meanwhile."""
    until_us = now_us() + 60_000
    timers.after(0.001, lambda _: None)
    while now_us() < until_us:
        pass
    until(lambda: bool(timers.lags_us))
    lag_us = timers.lags_us[0]
    assert lag_us > 50_000
    assert timers.lags_us == list(range(lag_us, 0, -10_000))
    timers.close()


def test_what_was_held_up_before_is_not_late(timers: Timers) -> None:
    """What a process does before a load, such as collecting its garbage, is no lag of the load."""
    until_us = now_us() + 500_000
    timers.after(0.001, lambda _: None)
    while now_us() < until_us:
        pass
    timers.begin_anew()
    until(lambda: bool(timers.lags_us))
    assert max(timers.lags_us) < 400_000
    timers.close()


@pytest.mark.filterwarnings("ignore")
def test_a_fault_does_not_end_the_others(timers: Timers, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told on standard error, and the next timer is called."""
    called: list[int] = []

    def faulty(_due_us: int) -> None:
        raise ValueError("a fault")

    timers.after(0.001, faulty)
    timers.after(0.002, called.append)
    until(lambda: bool(called))
    assert "a fault" in capsys.readouterr().err
    timers.close()
