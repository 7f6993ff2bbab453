"""The models of messages and of discovery, against `reading.md` sections 10 and 5."""

from __future__ import annotations

import pytest

from conformance.models.discovery import Directory
from conformance.models.expectation import Kind, Push
from conformance.models.messages import Inboxes

SENT = Inboxes().sent("alice", "m1").sent("bob", "m2").sent("alice", "m3")


def settle(by: str, message_id: str, event: str = "acknowledge") -> Push:
    """Return an acknowledgement."""
    return Push(by, event, {"message_id": message_id})


@pytest.mark.parametrize(
    ("inboxes", "made", "kind", "requirement"),
    [
        (SENT, settle("alice", "m1"), Kind.ACCEPT, "event-accepted"),
        (SENT, settle("alice", "m3", "reject"), Kind.ACCEPT, "event-accepted"),
        (SENT, settle("alice", "m2"), Kind.REFUSE, "foreign-message-refused"),
        (SENT, settle("alice", "m9"), Kind.REFUSE, "unknown-id-refused"),
        (
            SENT.after(settle("alice", "m1")),
            settle("alice", "m1", "reject"),
            Kind.REFUSE,
            "unknown-id-refused",
        ),
        (SENT.after(settle("alice", "m1")), settle("bob", "m1"), Kind.REFUSE, "unknown-id-refused"),
    ],
)
def test_a_message_is_settled_once_and_by_its_addressee(
    inboxes: Inboxes, made: Push, kind: Kind, requirement: str
) -> None:
    """Everything else is refused."""
    expected = inboxes.expects(made)
    assert (expected.kind, expected.requirement) == (kind, f"messages/{requirement}")


def test_what_is_settled_is_not_pending() -> None:
    """In the order in which it was sent."""
    assert SENT.pending_of("alice") == ["m1", "m3"]
    assert SENT.after(settle("alice", "m1")).pending_of("alice") == ["m3"]
    assert SENT.after(settle("bob", "m1")) == SENT


def test_the_latest_announcement_counts() -> None:
    """It replaces all that was announced before."""
    directory = Directory()
    for capabilities in (["one", "two"], ["two", "three"]):
        directory = directory.after(Push("alice", "announce", {"capabilities": capabilities}))
    assert directory.capable("one") == frozenset()
    assert directory.capable("two") == directory.capable("three") == {"alice"}
    assert directory.after(Push("bob", "discover", {"capability": "one"})) == directory
