"""Frames beside the hot path."""

from __future__ import annotations

import pytest

from loadgen.client.odd_frames import BrokenFrame, Closed, Fragments, Whole


def test_a_ping_is_answered() -> None:
    """The answer is a masked pong, and the ping itself means nothing more."""
    meaning, answer = Fragments().take(0x89, b"abc")
    assert meaning is None
    assert (answer[0], answer[1]) == (0x8A, 0x83)


def test_a_close_is_echoed() -> None:
    """A close says its code and is answered by a close."""
    meaning, answer = Fragments().take(0x88, (1001).to_bytes(2, "big") + b"bye")
    assert meaning == Closed(1001, "bye")
    assert answer[0] == 0x88


def test_fragments_become_one_message() -> None:
    """A text in three fragments, with a ping in between, is one message."""
    fragments = Fragments()
    assert fragments.take(0x01, b"a")[0] is None
    assert fragments.take(0x89, b"")[0] is None
    assert fragments.take(0x00, b"b")[0] is None
    assert fragments.take(0x80, b"c")[0] == Whole(b"abc", is_text=True)


@pytest.mark.parametrize(
    ("first", "data"),
    [(0xC1, b""), (0x80, b""), (0x83, b""), (0x8B, b""), (0x09, b""), (0x89, b"x" * 126), (0x88, b"\x00")],
)
def test_what_no_server_may_send_is_refused(first: int, data: bytes) -> None:
    """Reserved bits and opcodes, a lone continuation, and broken control frames are faults."""
    with pytest.raises(BrokenFrame):
        Fragments().take(first, data)


def test_a_new_message_within_fragments_is_refused() -> None:
    """A fragmented message must end first."""
    fragments = Fragments()
    fragments.take(0x01, b"a")
    with pytest.raises(BrokenFrame):
        fragments.take(0x01, b"b")
