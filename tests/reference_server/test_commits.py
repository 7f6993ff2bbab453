"""Tests of `reference_server.commits`: what waits for what, and when nobody is read from."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reference_server import commits as module
from reference_server.commits import Commits


class Reader:
    """Notes what it is to do whenever it is told to reconsider."""

    def __init__(self, commits: Commits) -> None:
        self.told: list[str] = []
        self._commits = commits

    def reconsider_reading(self) -> None:
        self.told.append("stop" if self._commits.is_congested else "go on")


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    monkeypatch.setattr(module, "MOST_WAITING", 4)
    monkeypatch.setattr(module, "MOST_HELD_BYTES", 100)
    return Commits()


def test_a_call_waits_for_all_that_was_made_before_it(commits: Commits) -> None:
    """And for nothing that is made after it; calls come in their order, never at once."""
    called: list[str] = []
    commits.make()
    commits.call_when_kept(lambda: called.append("first"))
    commits.make()
    commits.call_when_kept(lambda: called.append("second"))
    commits.call_when_kept(lambda: called.append("third"))
    assert called == []
    commits.keep(1)
    assert called == ["first"]
    commits.keep(2)
    assert called == ["first", "second", "third"]


def test_what_is_called_may_wait_again(commits: Commits) -> None:
    """A call within `keep` for what is kept by then comes in the same turn."""
    called: list[str] = []
    commits.make()
    commits.call_when_kept(lambda: commits.call_when_kept(lambda: called.append("x")))
    commits.keep(1)
    assert called == ["x"]


@pytest.mark.parametrize(
    "fill",
    [
        lambda commits: [commits.make() for _ in range(4)],
        lambda commits: [commits.make(), *(commits.call_when_kept(lambda: None, 25) for _ in range(4))],
    ],
    ids=["transactions", "bytes"],
)
def test_too_much_waiting_stops_every_reader_until_half_is_kept(
    commits: Commits, fill: Callable[[Commits], object]
) -> None:
    """Each is told once, however much more comes in."""
    reader = Reader(commits)
    commits.readers = [reader]
    fill(commits)
    fill(commits)
    assert (commits.is_congested, reader.told) == (True, ["stop"])
    commits.keep(commits.made - 3 if commits.made > 4 else 1)
    commits.keep(commits.made)
    assert (commits.is_congested, reader.told) == (False, ["stop", "go on"])


def test_reading_goes_on_at_half_not_just_below_the_bound(commits: Commits) -> None:
    """Else readers would be stopped and started for every transaction."""
    reader = Reader(commits)
    commits.readers = [reader]
    for _ in range(4):
        commits.make()
    commits.keep(1)
    assert reader.told == ["stop"]
    commits.keep(2)
    assert reader.told == ["stop", "go on"]
