"""The presence tracker, folded by the client's algorithm."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.identifiers import Identifiers
from reference_server.outcome import Channel
from reference_server.presence import PresenceTracker

FAMILY: Any = None


def _channel(topic: str = "agents:discovery") -> Channel:
    return Channel(topic, FAMILY, FAMILY)


@pytest.fixture
def tracker() -> PresenceTracker:
    """Return an empty tracker."""
    return PresenceTracker(Identifiers(1))


def test_every_meta_has_its_own_reference_of_sixteen_base64url_characters(tracker):
    """Two connections under one key have two metas."""
    diffs = [tracker.track(_channel(), "ann", {"status": "online"}) for _ in range(2)]
    metas = tracker.state("agents:discovery")["ann"]["metas"]
    assert [diff["joins"]["ann"]["metas"][0] for diff in diffs] == metas
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16}", meta["phx_ref"]) for meta in metas)
    assert metas[0]["phx_ref"] != metas[1]["phx_ref"]


def test_a_key_is_gone_with_its_last_meta(tracker):
    """Each leave removes one meta and tells that one."""
    channels = [_channel(), _channel()]
    joined = [tracker.track(channel, "ann", {})["joins"] for channel in channels]
    assert tracker.untrack(channels[0]) == {"joins": {}, "leaves": joined[0]}
    assert tracker.state("agents:discovery") == joined[1]
    assert tracker.untrack(channels[1]) == {"joins": {}, "leaves": joined[1]}
    assert tracker.state("agents:discovery") == {}


def test_an_update_is_one_diff_and_changes_one_connection(tracker):
    """The new meta names the reference of the old one; a second update that of the first."""
    channels = [_channel(), _channel()]
    metas = [
        tracker.track(channel, "ann", {"a": 1, "b": 1})["joins"]["ann"]["metas"][0] for channel in channels
    ]
    diff = tracker.update(channels[0], {"b": 2})
    (new,) = diff["joins"]["ann"]["metas"]
    assert diff["leaves"] == {"ann": {"metas": [metas[0]]}}
    assert new == {"a": 1, "b": 2, "phx_ref": new["phx_ref"], "phx_ref_prev": metas[0]["phx_ref"]}
    assert tracker.state("agents:discovery")["ann"]["metas"] == [new, metas[1]]
    (newer,) = tracker.update(channels[0], {})["joins"]["ann"]["metas"]
    assert newer["phx_ref_prev"] == new["phx_ref"]


def test_an_untracked_channel_has_nothing_to_update_or_leave(tracker):
    """Neither makes a diff, nor a topic."""
    assert tracker.update(_channel(), {"a": 1}) is None
    assert tracker.untrack(_channel()) is None
    assert tracker.state("agents:discovery") == {}


def test_topics_are_apart(tracker):
    """Who is on one topic is not on another."""
    tracker.track(_channel("one"), "ann", {})
    assert tracker.state("two") == {}


def test_what_is_tracked_is_a_copy(tracker):
    """Changing the given meta or a state changes nothing."""
    meta = {"m": [1]}
    tracker.track(_channel(), "ann", meta)
    meta["m"].append(2)
    tracker.state("agents:discovery")["ann"]["metas"][0]["m"].append(3)
    assert tracker.state("agents:discovery")["ann"]["metas"][0]["m"] == [1]


@given(st.lists(st.tuples(st.sampled_from("jul"), st.integers(0, 4), st.sampled_from(["ann", "__proto__"]))))
def test_the_folded_diffs_are_the_state(steps):
    """Whatever joins, updates and leaves in whatever order."""
    tracker = PresenceTracker(Identifiers(1))
    channels = [_channel() for _ in range(5)]
    tracked: set[int] = set()
    folded: dict[str, dict[str, Any]] = {}
    for step, number, key in steps:
        if step == "j" and number not in tracked:
            tracked.add(number)
            diff = tracker.track(channels[number], key, {})
        elif step == "u":
            diff = tracker.update(channels[number], {"n": number})
        else:
            diff = tracker.untrack(channels[number]) if step == "l" else None
            tracked.discard(number) if step == "l" else None
        _fold(folded, diff)
    state = tracker.state("agents:discovery")
    flat = {meta["phx_ref"]: meta for entry in state.values() for meta in entry["metas"]}
    assert folded == flat


def _fold(folded: dict[str, dict[str, Any]], diff: Any) -> None:
    for entry in (diff or {"joins": {}})["joins"].values():
        folded.update({meta["phx_ref"]: meta for meta in entry["metas"]})
    for entry in (diff or {"leaves": {}})["leaves"].values():
        for meta in entry["metas"]:
            del folded[meta["phx_ref"]]
