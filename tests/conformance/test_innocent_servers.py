"""Honest servers that use the freedom that the source leaves them are accused of nothing; so is every Phoenix version.

Where a way shows on some topics only, or replies are left out and each is waited for, a part of the cases is run. Of the
rest each server is asked a part, with `make variations` everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.variations import UNLESS_WHOLE, Globs, options, part

SERVE = Path(__file__).parents[1] / "innocent_servers" / "serve.py"

SHORT_S = 0.3
REFUSING = (
    *("task/input_stream/*", "task/ending/*", "task/refusals/*"),
    *("negotiation/offer/refuses/payload/*", "messages", "signatures/refusal-reason"),
)
ACCEPTING = (
    "task/input_stream/*",
    "task/ending/*",
    "negotiation/accept/accepts/*",
    "negotiation/accept/moves-to/*",
)
WHOLE: Globs = ()
PHOENIX = ("phoenix",)
"""Other topics know no version."""
RELAYING = ("broadcast/*", "joining/*", "leaving/*", "ordering/*", "task", "negotiation", "payment")
PLACES = ("joining/*", "leaving/*", "broadcast/*", "ordering/*")
SLOWED = ("joining/*", "ordering/*", "discovery")
PRESENCE = ("presence/*", "joining/*", "broadcast/*", "discovery")
AGAIN = ("joining/*", "discovery/presence/*")
OTHER_REASONS = ("task/closed-reason", "signatures/refusal-reason", "messages/unknown-id-reason")
UNANSWERED = {"task/events-answered", "negotiation/events-answered"}

CLOSING = ("messages/settling/*", "discovery/search/*")

Check = Callable[..., dict[str, Any]]


@pytest.fixture
def check(wireproof: Any, start_server: Any, tmp_path: Path) -> Check:
    """Check a server and give the JSON summary; it is conformant, and nothing is red."""

    def run(
        *served: str, asked: tuple[str, ...], command: list[str] | None = None, reply_s: float = 2.0
    ) -> dict[str, Any]:
        server = start_server(*served, command=command)
        endpoint = tmp_path / "endpoint.toml"
        endpoint.write_text(
            f'url = "{server.url}"\n[profile.timeouts]\nreply_s = {reply_s}\n', encoding="utf-8"
        )
        done = wireproof(
            *("check", "--endpoint", str(endpoint), "--seed", "11", "--json"),
            *asked,
            WIREPROOF_CONTROL_TOKEN=server.token,
        )
        assert done.stderr == ""
        summary: dict[str, Any] = json.loads(done.stdout)
        assert summary["findings"] == []
        assert (done.returncode, summary["exit_code"]) == (0, 0)
        assert summary["counts"]["pass"] > 0
        return summary

    return run


def advised(summary: dict[str, Any]) -> set[str]:
    return {finding["requirement"] for finding in summary["advisories"]}


@pytest.mark.parametrize(("index", "version"), [*enumerate(["1.6", "1.7", "1.8", "main"])])
def test_every_phoenix_version_is_conformant_without_advice(check: Check, index: int, version: str) -> None:
    """What differs between Phoenix versions is accepted in the form of each."""
    summary = check("--phoenix-version", version, asked=part(WHOLE, PHOENIX, index))
    assert advised(summary) == set()
    assert summary["counts"]["pass"] >= 300


@pytest.mark.parametrize(
    ("index", "name", "whole", "own", "machines", "advice"),
    [
        (0, "crashes-on-malformed-payload", WHOLE, ("*/refuses/payload/*", "malformed/*"), (), set()),
        (1, "echoes-to-sender", RELAYING, PLACES, ("task/machine", "negotiation/machine"), set()),
        (2, "adds-members-to-relays", RELAYING, PLACES, ("payment/machine",), set()),
        (3, "uses-other-reasons", WHOLE, OTHER_REASONS, (), set(OTHER_REASONS)),
        (0, "pushes-extra-events", WHOLE, (*PLACES, "frames/*"), (), {"frames/known-event"}),
        (1, "sends-presence-state-first", PRESENCE, PRESENCE, (), set()),
        (2, "sends-presence-state-twice", AGAIN, AGAIN, (), {"discovery/presence-state-on-join"}),
        (3, "reorders-json-keys", WHOLE, ("signatures/*",), (), set()),
    ],
)
def test_a_server_that_uses_its_freedom_is_not_accused(
    check: Check, index: int, name: str, whole: Globs, own: Globs, machines: Globs, advice: set[str]
) -> None:
    """Nothing is red, and exactly the requirements that are open to interpretation are advised."""
    summary = check(command=[str(SERVE), name], asked=part(whole, own, index, machines))
    assert advised(summary) == advice


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("echoes-to-sender-behind-the-reply", ("payment/race/*", "negotiation/race/*")),
        ("relays-behind-the-reply", ("*/race/*",)),
        ("broadcasts-behind-the-reply", ("discovery/machine", "task/race/*", "signatures/repeated-*")),
        ("relays-to-the-other-role-only", ("joining/race/*", "leaving/race/*")),
        ("writes-whole-numbers-as-decimals", ("payment/race/*", "task/race/*")),
        (
            "says-when-it-tells",
            ("messages/delivery/*", "messages/redelivery/*", "analytics_agent/sibling-joins"),
        ),
        ("replies-to-every-other-announcement", ("discovery/machine",)),
    ],
)
def test_what_is_told_in_another_way_is_the_same(check: Check, name: str, asked: Globs) -> None:
    """To whom besides, in which notation, with what more, and with or without a reply: no finding, no doubt."""
    summary = check(command=[str(SERVE), name], reply_s=0.5, asked=options(asked))
    assert advised(summary) <= {"discovery/events-answered"}
    assert summary["counts"]["inconclusive"] == 0


@pytest.mark.parametrize("name", ["closes-behind-an-error-reply", "closes-late-behind-an-error-reply"])
def test_a_server_that_closes_the_channel_behind_an_error_reply_is_not_accused(
    check: Check, name: str
) -> None:
    """What is pushed next is pushed on a new channel: it is judged, and not that the former one was gone."""
    summary = check(command=[str(SERVE), name], asked=options(CLOSING, UNLESS_WHOLE))
    assert advised(summary) == set()
    assert summary["counts"]["inconclusive"] == 0


@pytest.mark.parametrize(
    "name",
    ["takes-first-of-repeated-members", "takes-last-of-repeated-members", "closes-on-repeated-members"],
)
def test_a_member_named_twice_may_be_read_in_any_one_way(check: Check, name: str) -> None:
    """The first value, the last, or the end of the connection: no finding, and no advice either."""
    summary = check(command=[str(SERVE), name], asked=options(("signatures/repeated-*",)))
    assert advised(summary) == set()
    assert summary["counts"]["pass"] == 3


def test_a_slow_server_is_not_accused(check: Check) -> None:
    """Frames that leave 20 ms later change no verdict."""
    slow = check(command=[str(SERVE), "answers-slowly"], asked=options(SLOWED, UNLESS_WHOLE))
    assert advised(slow) == set()


def test_a_server_that_refuses_in_silence_is_advised_only(check: Check) -> None:
    """A refusal may be no reply and no effect; that replies and reasons are missing is advice."""
    summary = check(
        command=[str(SERVE), "refuses-in-silence"], reply_s=SHORT_S, asked=options(REFUSING, UNLESS_WHOLE)
    )
    expected = UNANSWERED | {
        "messages/events-answered",
        "messages/unknown-id-refused",
        "task/closed-reason",
        "signatures/refusal-reason",
    }
    assert advised(summary) == expected


def test_a_server_that_shows_acceptance_by_effect_alone_is_advised_only(check: Check) -> None:
    """An accepted event with a relay or a broadcast needs no reply."""
    summary = check(
        command=[str(SERVE), "replies-nothing-to-ok-events"], reply_s=SHORT_S, asked=options(ACCEPTING)
    )
    assert advised(summary) == UNANSWERED
