"""The fingerprint of a finding: the same for the same fault, another for another."""

from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING

import pytest

from reports.fingerprint import fingerprint, shape
from reports.record import Verdict

if TYPE_CHECKING:
    from conftest import Builder

ALIKE = [
    ("reply ok {'id': 'task_3fK0aVb1Qw-_'}", "reply ok {'id': 'task_abCDefGHijKL'}"),
    ("nothing on task:task_3fK0aVb1Qw", "nothing on task:42"),
    ("nothing on task:alpha, nothing else", "nothing on task:beta, nothing else"),
    ("a reply with ref '17' on topic 'agent-0011223344556677'", "a reply with ref '4' on topic 'agent-x9'"),
    ("cannot connect to ws://127.0.0.1:4000/socket", "cannot connect to ws://10.0.0.7:41234/socket"),
    ("<12 bytes: 00 01 ab cd ef>", "<3 bytes: aa bb cc>"),
    ("replies to 1 2 3 in this order", "replies to 14 15 16 17 in this order"),
    ("refs ['1', '2']", "refs ['1', '2', '3']"),
    ("it stays open for 0.25 s", "it stays open for 12 s"),
    ("online_at 2026-11-22T10:00:00.123Z", "online_at 2027-01-02T03:04:05Z"),
    (
        "signature " + base64.b64encode(bytes(64)).decode(),
        "signature " + base64.b64encode(b"9" * 64).decode(),
    ),
    ("chunk 'é'", "chunk 'ñü'"),
]

DIFFERENT = [
    ("HTTP 200", "HTTP 500"),
    ("closed with code 1011", "closed with code 1000"),
    ("no reply", "reply error {'reason': 'no'}"),
    ("reply error {'reason': 'task_closed'}", "reply error {'reason': 'invalid_payload'}"),
    ("phx_error on the topic", "phx_close on the topic"),
    ("ValueError: no", "KeyError: no"),
    ("/amount: missing", "/total: missing"),
    ("event 'progress' on task:1", "event 'cancel' on task:1"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_what_varies_from_run_to_run_is_masked(build: Builder, one: str, other: str) -> None:
    """Ids, refs, ports, times, counts, bytes and signatures make no difference, wherever they stand."""
    assert shape(one) == shape(other)
    assert fingerprint(build.finding(observed=one)) == fingerprint(build.finding(observed=other))
    assert fingerprint(build.finding(expected=one)) == fingerprint(build.finding(expected=other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_tells_faults_apart_is_kept(build: Builder, one: str, other: str) -> None:
    """Words, reasons, events, pointers and status codes make a difference."""
    assert fingerprint(build.finding(observed=one)) != fingerprint(build.finding(observed=other))


def test_requirement_expected_and_observed_count_and_nothing_else(build: Builder) -> None:
    """The case, the verdict and the transcript are no part of it."""
    one = build.finding()
    assert fingerprint(one) == fingerprint(build.finding("task/other", transcript=[], verdict=Verdict.FLAKY))
    assert (
        len(
            {fingerprint(build.finding(**{name: "else"})) for name in ("requirement", "expected", "observed")}
        )
        == 3
    )
    assert fingerprint(one) not in {
        fingerprint(build.finding(expected="else")),
        fingerprint(build.finding(observed="else")),
    }


def test_random_ids_of_the_reference_server_never_show(build: Builder) -> None:
    """Ids of nine random bytes in base64url vanish, whatever letters they happen to have."""
    draw = random.Random(5)  # noqa: S311
    ids = [base64.urlsafe_b64encode(draw.randbytes(9)).decode() for _ in range(2000)]
    shapes = [shape(f'in [null,null,"task:task_{one}","progress",{{"id":"task_{one}"}}]') for one in ids]
    # An id of small letters alone is one in twenty thousand.
    assert shapes.count(max(set(shapes), key=shapes.count)) >= len(ids) - 1


def test_where_a_long_text_was_cut_off_makes_no_difference() -> None:
    """Ids of different lengths before the cut move it."""
    frames = [
        f'["1","{ref}","task:{ref}","progress",{{"message":"{"working " * 40}"}}]'[:200]
        for ref in (1, 123456)
    ]
    assert shape(frames[0]) == shape(frames[1])
    assert len(shape("word " * 1000)) <= 120


def test_the_same_text_always_has_the_same_fingerprint(build: Builder) -> None:
    """It is written into files, so it must not change unnoticed."""
    assert fingerprint(build.finding()) == "d9b93fc980f3cca5"
