"""Tests of `reference_server.chaos.draws`: which frame meets which fault."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from reference_server.chaos.draws import Carried, FaultStream, is_about
from reference_server.chaos.rules import Rules

RELAY = Carried("task:1", "task", "progress")
REPLY = Carried("task:1", "task", "phx_reply", is_reply=True)


def rules(*faults: dict[str, Any]) -> Rules:
    return Rules.model_validate({"fault": faults})


ALL = rules(
    {"kind": "delay", "probability": 0.2, "delay_s": [0.1, 0.3]},
    {"kind": "drop", "probability": 0.2},
    {"kind": "duplicate", "probability": 0.2},
    {"kind": "reorder", "probability": 0.2},
    {"kind": "cut", "probability": 0.05},
    {"kind": "truncate", "probability": 0.05},
    {"kind": "refuse", "probability": 0.5, "for_s": [1, 2]},
)


def kinds(stream: FaultStream, count: int) -> list[str]:
    strikes = [stream.next(RELAY) for _ in range(count)]
    return ["-" if strike is None else strike.rule.kind for strike in strikes]  # type: ignore[attr-defined]


def test_a_seed_gives_this_very_sequence() -> None:
    """On every machine and with every Python that is supported."""
    assert kinds(FaultStream(ALL, 7, 1), 16) == [
        "delay",
        "-",
        "-",
        "delay",
        "-",
        "-",
        "delay",
        "-",
        "delay",
        "-",
        "-",
        "duplicate",
        "drop",
        "duplicate",
        "-",
        "drop",
    ]
    assert kinds(FaultStream(ALL, 7, 2), 16) == [
        "-",
        "-",
        "drop",
        "-",
        "drop",
        "-",
        "delay",
        "-",
        "drop",
        "drop",
        "duplicate",
        "delay",
        "reorder",
        "-",
        "-",
        "-",
    ]


def test_amounts_are_drawn_from_their_spans() -> None:
    """Seconds have three digits, as they are recorded."""
    stream = FaultStream(rules({"kind": "delay", "probability": 1, "delay_s": [0.1, 0.3]}), 7, 1)
    amounts = [strike.amount for strike in (stream.next(RELAY) for _ in range(200)) if strike]
    assert amounts[:4] == [0.132, 0.195, 0.221, 0.248]
    assert 0.1 <= min(amounts) < 0.11
    assert 0.29 < max(amounts) <= 0.3
    stream = FaultStream(rules({"kind": "truncate", "probability": 1, "keep": [0.5, 0.6]}), 7, 1)
    amounts = [strike.amount for strike in (stream.next(RELAY) for _ in range(200)) if strike]
    assert 0.5 <= min(amounts) < 0.51 < 0.59 < max(amounts) <= 0.6


def test_probabilities_are_met() -> None:
    """Of 20,000 frames each kind strikes its share of those that the rules before it let pass."""
    found = Counter(kinds(FaultStream(ALL, 7, 1), 20_000))
    left = 20_000.0
    for rule in ALL.about_frames:
        expected = left * rule.probability
        assert found[rule.kind] == pytest.approx(expected, rel=0.1)  # type: ignore[attr-defined]
        left -= expected
    assert found["-"] == pytest.approx(left, rel=0.1)


def test_frames_that_no_rule_is_about_draw_nothing() -> None:
    """Replies between them leave the faults of relays as they are."""
    plain, mixed = FaultStream(ALL, 7, 1), FaultStream(ALL, 7, 1)
    for _ in range(100):
        assert mixed.next(REPLY) is None
        assert mixed.next(RELAY) == plain.next(RELAY)


def test_a_rule_strikes_no_more_than_it_may() -> None:
    """Then the rules behind it get their turn."""
    stream = FaultStream(
        rules({"kind": "drop", "probability": 1, "at_most": 2}, {"kind": "duplicate", "probability": 1}), 7, 1
    )
    assert kinds(stream, 4) == ["drop", "drop", "duplicate", "duplicate"]


@pytest.mark.parametrize(
    ("limits", "carried", "is_meant"),
    [
        ({}, RELAY, True),
        ({}, REPLY, False),
        ({"replies": True}, REPLY, True),
        ({"replies": True}, RELAY, True),
        ({"topics": ["task"]}, RELAY, True),
        ({"topics": ["payment"]}, RELAY, False),
        ({"events": ["progress"]}, RELAY, True),
        ({"events": ["complete"]}, RELAY, False),
        ({"topics": ["task"], "events": ["phx_reply"]}, REPLY, False),
        ({"topics": ["task"]}, Carried("phoenix", None, "x"), False),
    ],
)
def test_rules_are_about_what_they_name(limits: dict[str, Any], carried: Carried, is_meant: bool) -> None:
    """Topic families, events and replies."""
    [rule] = rules({"kind": "drop", "probability": 1, **limits}).about_frames
    assert is_about(rule, carried) is is_meant


def test_refusals_are_drawn_from_the_same_stream() -> None:
    """About half of the cuts are followed by one, of a second or two."""
    stream = FaultStream(ALL, 7, 1)
    spans = [for_s for _ in range(1000) for _, for_s in stream.refusals()]
    assert len(spans) == pytest.approx(500, rel=0.1)
    assert 1 <= min(spans) < max(spans) <= 2
