"""Tests of `reference_server.versions`."""

from __future__ import annotations

import pytest

from reference_server.versions import PhoenixVersion, UnknownPhoenixVersion, identical


def version(text: str) -> PhoenixVersion:
    return PhoenixVersion.parse(text)


@pytest.mark.parametrize(
    ("text", "full"),
    [("1.6", "1.6.17"), ("1.7", "1.7.24"), ("1.8", "1.8.12"), ("1.7.21", "1.7.21"), ("main", "1.9.0")],
)
def test_short_name_means_the_newest_patch(text: str, full: str) -> None:
    """A release line stands for its newest patch."""
    assert str(version(text)) == full


@pytest.mark.parametrize(
    "text", ["", "1", "1.5.14", "1.9.0", "2.0.0", "1.8.x", "1.8.01", " 1.8", "1.8.1٢", "v1.8"]
)
def test_unknown_release_is_refused(text: str) -> None:
    """A text that names no known release raises."""
    with pytest.raises(UnknownPhoenixVersion):
        version(text)


@pytest.mark.parametrize(
    ("before", "since", "name", "old", "new"),
    [
        ("1.8.9", "1.8.10", "crash_payload", {}, {"reason": "channel_crash"}),
        ("1.8.7", "1.8.8", "disconnect_close_code", 1000, 1001),
        ("1.6.16", "1.6.17", "channel_limit", None, 100),
        ("1.7.23", "1.7.24", "channel_limit", None, 100),
        ("1.8.8", "1.8.9", "channel_limit", None, 100),
        ("1.8.5", "1.8.6", "non_string_vsn_status", 500, 403),
        ("1.7.9", "1.7.10", "bad_upgrade_status", 426, 400),
        ("1.7.3", "1.7.4", "drain_close_code", 1000, 1012),
        ("1.6.17", "1.7.0", "stringifies_refs", False, True),
    ],
)
def test_behaviour_changes_with_the_patch_that_changed_it(
    before: str, since: str, name: str, old: object, new: object
) -> None:
    """Each difference of section 14 begins with the release that brought it, and holds on the development line."""
    assert (getattr(version(before), name), getattr(version(since), name)) == (old, new)
    assert getattr(version("main"), name) == new


@pytest.mark.parametrize(
    ("release", "sent", "stored", "push", "leave"),
    [
        ("1.8.2", "9", "1", True, False),
        ("1.8.2", None, "1", True, False),
        ("1.8.2", "9", None, True, True),
        ("1.8.2", "1", "1", True, True),
        ("1.8.11", "9", "1", False, False),
        ("1.8.11", None, "1", False, False),
        ("1.8.11", "9", None, True, True),
        ("1.8.11", "", "1", False, False),
        ("1.8.12", "9", "1", False, False),
        ("1.8.12", None, "1", True, True),
        ("1.8.12", "9", None, False, False),
        ("1.8.12", "", "1", False, False),
        ("1.8.12", 1, "1", False, False),
    ],
)
def test_stale_rule_follows_the_table(
    release: str, sent: object, stored: object, push: bool, leave: bool
) -> None:
    """Whether a push and a leave are delivered is what the SJ table says for the release."""
    assert version(release).delivers(sent, stored) is push
    assert version(release).delivers_leave(sent, stored) is leave


@pytest.mark.parametrize(
    ("one", "other"), [(1, "1"), (1, 1.0), (1, True), (0, None), ([1], [True]), ({}, [])]
)
def test_values_of_other_types_are_not_identical(one: object, other: object) -> None:
    """Comparison is strict about types, inside containers too (F-6)."""
    assert not identical(one, other)


def test_equal_objects_are_identical() -> None:
    """Member order makes no difference."""
    assert identical({"a": 1, "b": [None]}, {"b": [None], "a": 1})
