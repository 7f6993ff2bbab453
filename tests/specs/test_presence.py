"""Tests of presence folding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specs.presence import Joined, Left, MalformedPresence, PresenceView


def entry(*refs, **more):
    return {"metas": [{"phx_ref": ref} for ref in refs], **more}


def synced(**entries):
    view = PresenceView()
    view.state(entries, "1")
    return view


def refs(view):
    return {key: [meta["phx_ref"] for meta in value["metas"]] for key, value in view.entries.items()}


def test_a_snapshot_joins_everyone():
    """The first state is all joins (PR-8 b)."""
    view = PresenceView()
    change = view.state({"a": entry("1"), "b": entry("2", name="B")}, "1")
    assert change.joins == (Joined("a", None, entry("1")), Joined("b", None, entry("2", name="B")))
    assert change.leaves == ()
    assert view.entries["b"] == entry("2", name="B")


def test_a_second_snapshot_tells_who_came_and_who_went():
    """Missing keys and metas left, new ones joined, unchanged ones are not mentioned."""
    view = synced(a=entry("1", "2"), b=entry("3"), c=entry("4"))
    change = view.state({"a": entry("2", "5"), "c": entry("4")}, "1")
    assert [(joined.key, joined.new) for joined in change.joins] == [("a", entry("5"))]
    assert {(left.key, left.left["metas"][0]["phx_ref"]) for left in change.leaves} == {
        ("a", "1"),
        ("b", "3"),
    }
    assert refs(view) == {"a": ["2", "5"], "c": ["4"]}


def test_a_join_puts_the_older_metas_in_front():
    """A second connection of a key adds its meta behind (PR-8 c)."""
    view = synced(a=entry("1"))
    change = view.diff({"joins": {"a": entry("2", name="A")}, "leaves": {}})
    assert refs(view) == {"a": ["1", "2"]}
    assert view.entries["a"]["name"] == "A"
    assert change.joins == (Joined("a", entry("1"), entry("2", name="A")),)


def test_the_last_leave_removes_the_key():
    """Each leave removes its meta; the key goes with the last (PR-6)."""
    view = synced(a=entry("1", "2"))
    change = view.diff({"joins": {}, "leaves": {"a": entry("1")}})
    assert change.leaves == (Left("a", entry("2"), entry("1")),)
    view.diff({"joins": {}, "leaves": {"a": entry("2")}})
    assert view.entries == {}


def test_an_update_is_a_join_and_a_leave_in_one_diff():
    """The new meta replaces the old one (PR-4)."""
    view = synced(a=entry("1"))
    view.diff({"joins": {"a": entry("2")}, "leaves": {"a": entry("1")}})
    assert refs(view) == {"a": ["2"]}


def test_the_own_join_seen_twice_counts_once():
    """A diff repeats what the snapshot had; phx_ref tells (PR-5)."""
    view = synced(a=entry("1"))
    view.diff({"joins": {"a": entry("1")}, "leaves": {}})
    assert refs(view) == {"a": ["1"]}


def test_a_leave_of_an_unknown_key_is_ignored():
    """Nothing changes and nothing is told (PR-8 c)."""
    view = synced(a=entry("1"))
    assert view.diff({"joins": {}, "leaves": {"b": entry("9")}}).leaves == ()
    assert refs(view) == {"a": ["1"]}


def test_diffs_before_the_snapshot_wait_in_order():
    """They are applied after it, and their joins and leaves are told then (PR-8 a)."""
    view = PresenceView()
    assert view.diff({"joins": {"b": entry("2")}, "leaves": {}}).is_queued
    assert view.diff({"joins": {}, "leaves": {"b": entry("2"), "a": entry("1")}}).is_queued
    assert view.entries == {}
    change = view.state({"a": entry("1")}, "1")
    assert [joined.key for joined in change.joins] == ["a", "b"]
    assert [left.key for left in change.leaves] == ["b", "a"]
    assert view.entries == {}


def test_after_a_new_join_diffs_wait_again_and_the_old_state_stays():
    """A new join_ref goes back to queueing (PR-8 e)."""
    view = synced(a=entry("1"))
    view.joined("2")
    assert not view.is_synced
    assert view.diff({"joins": {"b": entry("2")}, "leaves": {}}).is_queued
    assert refs(view) == {"a": ["1"]}
    view.state({}, "2")
    assert view.is_synced
    assert refs(view) == {"b": ["2"]}


def test_keys_of_other_languages_prototypes_are_ordinary():
    """`__proto__` and its like are keys as any other (PR-8 f)."""
    view = PresenceView()
    for key in ("__proto__", "constructor", "__class__", ""):
        view.state({key: entry("1")}, "1")
        assert refs(view) == {key: ["1"]}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {"a": None},
        {"a": {}},
        {"a": {"metas": {}}},
        {"a": {"metas": [{}]}},
        {"a": {"metas": [{"phx_ref": 1}]}},
    ],
)
def test_a_malformed_payload_changes_nothing(payload):
    """A state or a diff in another shape is refused as a whole."""
    view = synced(a=entry("1"))
    with pytest.raises(MalformedPresence):
        view.state(payload, "9")
    for diff in ({"joins": payload, "leaves": {}}, {"joins": {}, "leaves": payload}, {"joins": {}}, payload):
        with pytest.raises(MalformedPresence):
            view.diff(diff)
    assert refs(view) == {"a": ["1"]}
    assert view.is_synced


metas_by_key = st.dictionaries(
    st.sampled_from("abc"), st.lists(st.sampled_from("123456"), min_size=1, unique=True), max_size=3
).map(lambda keys: {key: entry(*(f"{key}{ref}" for ref in metas)) for key, metas in keys.items()})


@given(metas_by_key, metas_by_key)
def test_a_snapshot_always_becomes_the_state(old, new):
    """Whatever was there before, the same metas are there afterwards as the server sent."""
    view = synced(**old)
    view.state(new, "1")
    assert {key: set(found) for key, found in refs(view).items()} == {
        key: {meta["phx_ref"] for meta in value["metas"]} for key, value in new.items()
    }
