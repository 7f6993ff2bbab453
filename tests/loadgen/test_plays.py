"""Coroutines that callbacks carry on."""

from __future__ import annotations

from loadgen.client.plays import All, Awaitable, Play


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
