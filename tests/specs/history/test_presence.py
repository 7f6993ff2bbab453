"""Each rule about presence, with a history that breaks it and the nearest ones that do not."""

from __future__ import annotations

import pytest

from tests.specs.history.story import HALL, Story


def entries(**refs: str) -> dict[str, object]:
    """Return presence entries: each key with the metas of the refs that are given, with spaces between."""
    return {key: {"metas": [{"phx_ref": ref} for ref in each.split()]} for key, each in refs.items()}


def state(story: Story, connection: str, **refs: str) -> None:
    """Push a presence_state."""
    story.record.received(connection, HALL, "presence_state", entries(**refs))


def diff(story: Story, joins: dict[str, str], leaves: dict[str, str], *to: str) -> None:
    """Push a presence_diff."""
    for connection in to:
        story.told(connection, HALL, "presence_diff", joins=entries(**joins), leaves=entries(**leaves))


@pytest.fixture
def story() -> Story:
    """Ann (a) and ben (b) are there, and know it."""
    story = Story().enter(HALL, {}, a="ann")
    state(story, "a", ann="1")
    story.enter(HALL, {}, b="ben")
    state(story, "b", ann="1", ben="2")
    diff(story, {"ben": "2"}, {}, "a")
    assert story.settled(HALL) == []
    return story


def test_comings_and_goings_that_are_told_have_no_finding(story: Story) -> None:
    """A second connection, an update, a loss, strangers, and diffs that come before their snapshot."""
    story.record.opened("a2", "ann")
    join = story.record.invoked("a2", HALL, "phx_join", {})
    story.ok(join)
    diff(story, {"ann": "3"}, {}, "a", "b", "a2")
    state(story, "a2", ann="1 3", ben="2", stranger="9")
    diff(story, {"stranger": "9"}, {}, "a", "b")
    diff(story, {"ben": "4"}, {"ben": "2"}, "a", "b", "a2")
    story.record.ended("a")
    diff(story, {}, {"ann": "1"}, "b", "a2")
    assert story.settled(HALL) == []


def test_a_newcomer_that_is_not_announced_is_found(story: Story) -> None:
    """presence/joins-announced: the pictures of those who were there lack it."""
    story.enter(HALL, {}, z="zoe")
    state(story, "z", ann="1", ben="2", zoe="3")
    diff(story, {"zoe": "3"}, {}, "a")
    assert story.settled(HALL) == ["presence/joins-announced", "presence/state-equals-folded-diffs"]


def test_a_snapshot_that_is_not_full_is_found(story: Story) -> None:
    """discovery/presence-state-full."""
    story.enter(HALL, {}, z="zoe")
    state(story, "z", ann="1", zoe="3")
    diff(story, {"zoe": "3"}, {}, "a", "b")
    assert story.settled(HALL)[0] == "discovery/presence-state-full"


def test_a_departure_that_is_not_told_is_found(story: Story) -> None:
    """presence/leaves-announced; a leave whose outcome is unknown says nothing."""
    story.lost(story.record.invoked("b", HALL, "phx_leave", {}))
    assert story.settled(HALL) == []
    story.record.ended("b")
    assert story.settled(HALL) == ["presence/leaves-announced"]


def test_a_snapshot_with_somebody_who_left_is_found(story: Story) -> None:
    """discovery/presence-state-no-absent."""
    story.record.left("b", HALL)
    diff(story, {}, {"ben": "2"}, "a")
    story.enter(HALL, {}, z="zoe")
    state(story, "z", ann="1", ben="2", zoe="3")
    diff(story, {"zoe": "3"}, {}, "a")
    assert story.settled(HALL)[0] == "discovery/presence-state-no-absent"


def test_a_meta_for_each_connection_is_asked_for(story: Story) -> None:
    """presence/several-connections-several-metas, presence/key-gone-with-last-meta."""
    story.enter(HALL, {}, a2="ann")
    state(story, "a2", ann="1", ben="2")
    assert story.settled(HALL)[0] == "presence/several-connections-several-metas"
    other = Story().enter(HALL, {}, a="ann")
    state(other, "a", ann="1 7")
    assert other.settled(HALL) == ["presence/key-gone-with-last-meta"]


def test_a_newcomer_without_a_snapshot_is_found(story: Story) -> None:
    """discovery/presence-state-on-join: none, or more than one."""
    story.enter(HALL, {}, z="zoe")
    diff(story, {"zoe": "3"}, {}, "a", "b", "z")
    assert story.settled(HALL) == ["discovery/presence-state-on-join"]
    other = Story().enter(HALL, {}, a="ann")
    state(other, "a", ann="1")
    state(other, "a", ann="1")
    assert other.settled(HALL) == ["discovery/presence-state-on-join"]


def test_two_metas_of_one_ref_are_found(story: Story) -> None:
    """presence/phx-ref-unique."""
    diff(story, {"stranger": "1"}, {}, "a", "b")
    assert story.settled(HALL) == ["presence/phx-ref-unique"]


def test_pictures_that_differ_are_found(story: Story) -> None:
    """presence/state-equals-folded-diffs: an update that only one was told."""
    diff(story, {"ben": "4"}, {"ben": "2"}, "a")
    assert story.settled(HALL) == ["presence/state-equals-folded-diffs"]


def test_keys_that_are_no_agent_ids_are_left_alone() -> None:
    """Where keys mean something else, it is not told who is missing."""
    story = Story().enter(HALL, {}, a="ann")
    state(story, "a", **{"user:7": "1"})
    assert story.settled(HALL) == []
