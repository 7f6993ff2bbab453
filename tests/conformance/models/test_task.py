"""The model of a task, against `reading.md` section 4."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from conformance.models.expectation import Kind, Push
from conformance.models.task import Task


def chunk(seq: int, text: str = "a", *, by: str = "client", stream: str = "input") -> Push:
    """Return a chunk."""
    return Push(by, f"{stream}_stream", {"chunk": text, "seq": seq})


def whole(content: str, *, size: int | None = None, by: str = "client", stream: str = "input") -> Push:
    """Return a completion."""
    data = content.encode()
    payload = {
        "checksum": hashlib.sha256(data).hexdigest(),
        "total_size": len(data) if size is None else size,
    }
    return Push(by, f"{stream}_complete", payload)


def push(by: str, event: str, **payload: Any) -> Push:
    """Return a push."""
    return Push(by, event, payload)


OPEN = Task()
TWO = OPEN.after(chunk(1, "é")).after(chunk(0, "b"))
GAP = OPEN.after(chunk(1))
DONE = TWO.after(whole("bé"))


@pytest.mark.parametrize(
    ("task", "made"),
    [
        (OPEN, chunk(0)),
        (OPEN, chunk(3)),
        (TWO, chunk(1, "é")),
        (TWO, whole("bé")),
        (OPEN, whole("")),
        (GAP, chunk(0)),
        (OPEN, chunk(0, by="provider", stream="output")),
        (OPEN, push("client", "progress", percent=100, message="")),
        (OPEN, push("client", "checkpoint", state={}, seq=0)),
        (OPEN, push("client", "cancel", reason="r")),
        (OPEN, push("provider", "complete", result=None)),
    ],
)
def test_what_has_to_be_accepted(task: Task, made: Push) -> None:
    """In any order of seq, from whoever may send it."""
    assert task.expects(made).kind is Kind.ACCEPT


@pytest.mark.parametrize(
    ("task", "made", "requirement"),
    [
        (TWO, chunk(1, "x"), "seq-conflict-refused"),
        (DONE, chunk(2), "stream-closed-after-completion"),
        (OPEN, chunk(0, by="provider"), "sender-role"),
        (OPEN, push("client", "complete", result=1), "sender-role"),
        (GAP, whole("a"), "gap-refused"),
        (TWO, whole("bé", size=2), "size-verified"),
        (TWO, whole("xé"), "checksum-verified"),
        (TWO, whole("éb"), "checksum-in-seq-order"),
        (OPEN, push("client", "progress", percent=101, message=""), "progress-bounds"),
        *(
            (OPEN.after(push("provider", event, **payload)), chunk(0), "closed-is-final")
            for event, payload in (
                ("complete", {"result": 1}),
                ("error", {"type": "t", "details": {}}),
                ("cancel", {"reason": "r"}),
            )
        ),
    ],
)
def test_what_has_to_be_refused(task: Task, made: Push, requirement: str) -> None:
    """Each with the requirement that its acceptance breaks."""
    expected = task.expects(made)
    assert (expected.kind, expected.requirement) == (Kind.REFUSE, f"task/{requirement}")


@pytest.mark.parametrize(
    ("task", "made"),
    [
        (DONE, chunk(1, "é")),
        (DONE, whole("bé")),
        (
            OPEN.after(push("client", "checkpoint", state={}, seq=5)),
            push("client", "checkpoint", state={}, seq=4),
        ),
        (TWO.after(chunk(1, "x")), whole("bé")),
    ],
)
def test_what_is_left_open(task: Task, made: Push) -> None:
    """Repetitions after the completion, a late checkpoint, a stream of which nobody knows what counts."""
    assert task.expects(made).kind is Kind.EITHER


def test_a_repetition_need_not_be_relayed() -> None:
    """Only a chunk whose seq was taken."""
    assert TWO.is_repetition(chunk(1, "é"))
    assert not TWO.is_repetition(chunk(2))
    assert not TWO.is_repetition(push("client", "cancel", reason="r"))
