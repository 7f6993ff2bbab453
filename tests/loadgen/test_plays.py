"""Coroutines that callbacks carry on."""

from __future__ import annotations

from typing import Any

from loadgen.client.plays import All, Awaitable, Pause, Play, awaited
from loadgen.client.timers import Timers


def test_a_play_goes_on_when_what_it_waits_for_has_come() -> None:
    """It waits, is resumed once, and ends; what has come already is not waited for."""
    came, told = Awaitable(), []

    async def script() -> None:
        told.append("begun")
        await came
        await came
        told.append("ended")

    ends: list[BaseException | None] = []
    Play(script(), ends.append)
    assert (told, ends) == (["begun"], [])
    came.done()
    assert (told, ends) == (["begun", "ended"], [None])


def test_a_fault_ends_one_play_alone() -> None:
    """Who waits for several gets their faults once all are over."""
    first, second = Awaitable(), Awaitable()

    async def waits(awaited: Awaitable) -> None:
        await awaited

    async def fails(awaited: Awaitable) -> None:
        await awaited
        raise ValueError("a fault")

    together = All([waits(first), fails(second)])
    second.done()
    assert not together.is_done
    first.done()
    assert together.is_done
    assert [str(fault) for fault in together.faults] == ["a fault"]


def test_a_stopped_play_is_not_resumed() -> None:
    """It ends where it stands."""
    came, told = Awaitable(), []

    async def script() -> None:
        await came
        told.append("went on")

    play = Play(script(), told.append)
    play.stop()
    came.done()
    assert told == []


def test_what_a_play_waits_for_can_be_told() -> None:
    """Also through coroutines that it awaits, and through plays side by side; a pause is nothing that somebody owes."""
    first, second, timers = Awaitable(), Awaitable(), Timers()

    async def waits(what: Any) -> None:
        await what

    async def deep() -> None:
        await waits(first)
        await All([waits(first), waits(second), waits(Pause(timers, 60))])
        await Pause(timers, 60)

    play = Play(deep(), lambda _fault: None)
    assert list(awaited(play)) == [first]
    first.done()
    assert list(awaited(play)) == [second]
    second.done()
    assert list(awaited(play)) == []
    play.stop()
    timers.close()
