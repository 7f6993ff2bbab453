"""The end of a load on discovery: everybody's picture is only held against the others' where nobody comes or goes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadgen.client.entries import SETTLED
from loadgen.client.plays import Awaitable, Play
from loadgen.scenarios.discovery import RESTLESS, TOPIC, TRIES, DiscoveryBrowsing, standing
from loadgen.scenarios.scenario import Group


class Answered(Awaitable):
    """A barrier that is answered at once."""

    def __init__(self, *, is_ok: bool) -> None:
        super().__init__()
        self.is_ok = is_ok
        self.done()


class Member:
    """An agent on the topic, and its channel."""

    def __init__(self, on_probe: Callable[[Member], bool] = lambda _member: True) -> None:
        self.is_open = self.is_joined = True
        self.connection_count, self.join_ref = 1, "1"
        self.channels = {TOPIC: self}
        self.probes = 0
        self._on_probe = on_probe

    def probe(self, _event: str, _payload: Any) -> Answered:
        self.probes += 1
        return Answered(is_ok=self._on_probe(self))


def concluded(*members: Member) -> tuple[list[Any], list[str]]:
    """Conclude, and return what was noted and what is told."""
    noted: list[Any] = []
    site = SimpleNamespace(agents=lambda: iter(members), note=noted.append, faults=[])

    def pause(_delay_s: float) -> Awaitable:
        over = Awaitable()
        over.done()
        return over

    group = cast("Group", SimpleNamespace(site=site, pause=pause))
    faults: list[BaseException | None] = []
    Play(DiscoveryBrowsing().conclude([group]), faults.append)
    assert faults == [None]
    return noted, site.faults


def comes_back(member: Member) -> bool:
    """Lose the connection at the first barrier, and be back before the others are told."""
    if member.probes == 1:
        member.connection_count += 1
    return True


def leaves(member: Member) -> bool:
    """Leave at each barrier, and come back at once."""
    member.join_ref = f"{member.probes + 1}"
    return True


def test_where_nobody_comes_or_goes_it_is_settled_at_once() -> None:
    """One barrier each is enough."""
    members = [Member(), Member()]
    assert concluded(*members) == ([(SETTLED, TOPIC)], [])
    assert [member.probes for member in members] == [1, 1]


@pytest.mark.parametrize("on_probe", [comes_back, lambda member: member.probes > 1])
def test_who_comes_back_meanwhile_is_waited_for(on_probe: Callable[[Member], bool]) -> None:
    """What others are told of that may come behind their barriers, so that there have to be new ones."""
    members = [Member(), Member(on_probe)]
    assert concluded(*members) == ([(SETTLED, TOPIC)], [])
    assert [member.probes for member in members] == [2, 2]


def test_where_somebody_always_comes_and_goes_nothing_is_settled() -> None:
    """Nobody is accused then, and it is told."""
    members = [Member(), Member(leaves)]
    assert concluded(*members) == ([], [RESTLESS])
    assert members[0].probes == TRIES


@pytest.mark.parametrize("is_open", [True, False])
def test_who_is_on_the_way_is_not_there(is_open: bool) -> None:
    """An agent without a connection, or whose join is not answered, will be told of behind any barrier."""
    member = Member()
    member.is_open, member.is_joined = is_open, False
    assert standing(cast("Any", SimpleNamespace(agents=lambda: iter([Member(), member])))) is None
    elsewhere = SimpleNamespace(channels={}, is_open=False)
    assert standing(cast("Any", SimpleNamespace(agents=lambda: iter([elsewhere])))) == {}
