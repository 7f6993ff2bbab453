"""Tests of messages."""

from __future__ import annotations

import pytest

from specs.message import PHX_REPLY, Message, reply


def test_a_reply_has_exactly_status_and_response():
    """The payload of a reply is status and response, nothing else (F-7)."""
    message = reply("3", "4", "room:a", "ok", {"x": 1})
    assert message == Message("3", "4", "room:a", PHX_REPLY, {"status": "ok", "response": {"x": 1}})


def test_a_log_line_names_refs_topic_event_and_payload():
    """The line is short and in wire order."""
    assert str(Message(None, "5", "phoenix", "heartbeat", {})) == "[- 5] phoenix heartbeat {}"


@pytest.mark.parametrize(
    "hostile",
    [
        "a\nb",
        "\x1b[31m",
        "\ud800",
        {"k": "\r\n\u2028"},
        object(),
        b"\n",
        float("nan"),
        "x" * 10_000,
        {(1,): 2},
    ],
)
def test_a_log_line_stays_one_short_printable_line(hostile):
    """Whatever a peer sends in any field cannot break or flood a log."""
    line = str(Message(hostile, hostile, hostile, hostile, hostile))
    assert line.isprintable()
    assert len(line) < 5 * 200


def test_a_binary_payload_shows_its_size_and_head():
    """Long bytes are elided after 16."""
    assert str(Message("1", None, "t", "e", bytes(20))).endswith("<20 bytes " + "00 " * 15 + "00…>")
