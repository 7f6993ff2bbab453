"""Frames recorded from real Phoenix, replayed against the reference server: it gives the same answers.

What the recording's own app chose is not compared: its ok responses, the content of presence metas, the `from` that it adds to
what it relays. Payloads are replaced by such as our documents know, its agents and tasks by provisioned ones; so the length of
its longest topic is not replayed, its longest ref is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from conformance.endpoint import Endpoint
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.control import ControlProvisioner
from specs.loader import load
from tests.captures.replay import IDLE_TIMEOUT_S, Replay, Servers
from tests.conftest import TOKEN, running

ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "phoenix-captures.jsonl").read_bytes().splitlines()
]
ROW_COUNT = 227
REPLAYED_COUNT = 188

OWN_EVENTS = "events of the recording's own app"
OWN_TOPIC = "a topic of the recording's own app"
BANDIT = "Bandit closes otherwise than Cowboy, which the server follows"
CRASH_MODE = "the recording's app was told to crash on unknown events; the server answers them"


@dataclass(frozen=True)
class Skip:
    """Rows, or steps of rows, that are not replayed."""

    runs: str
    case: str
    reason: str
    steps: tuple[int, ...] | None = None
    """Indices in the log; None for the whole row."""

    def matches(self, row: dict[str, Any]) -> bool:
        """Tell whether this is about a row."""
        return fnmatch(row["run"], self.runs) and row["case"] == self.case


SKIPPED = (
    Skip("cowboy/1.7.24/crash", "client_sends_phx_close_phx_error_phx_reply", CRASH_MODE),
    Skip("cowboy/1.7.24/crash", "unknown_event", CRASH_MODE),
    Skip("cowboy/1.7.24/crash", "payload_nonmap_progress", CRASH_MODE),
    Skip("cowboy/1.7.24/crash", "event_nonstring", CRASH_MODE),
    Skip("*", "unknown_event_function_clause", OWN_TOPIC),
    Skip("*", "handler_returns_list_reply", OWN_TOPIC),
    Skip("*", "join_crashes", OWN_TOPIC),
    Skip("*", "join_payload_nonmap", "its app takes any join payload, our documents an object"),
    Skip("*", "join_binary_frame", "its app takes any join payload, our documents an object"),
    Skip("*", "channel_stops", OWN_EVENTS),
    Skip("*", "payload_nonmap", OWN_EVENTS),
    Skip("*", "broadcast_nonmap_payload", OWN_EVENTS),
    Skip("*", "server_broadcast", OWN_EVENTS),
    Skip("*", "longpoll", "the server has no LongPoll transport"),
    Skip("bandit/*", "unmasked_frame", BANDIT),
    Skip("bandit/*", "server_disconnect", BANDIT),
    Skip("bandit/*", "idle_timeout_2s", BANDIT),
    Skip("bandit/*", "idle_timeout_ws_ping_resets", BANDIT),
    Skip("bandit/*", "client_close_codes", BANDIT, (3, 5)),
    Skip("*", "join_unauthorized", "messages live on the user socket", (1, 2)),
    Skip("*", "messages", "its app takes any message id, and any twice", (3, 4, 5, 6)),
    Skip("*", "push_ok_and_broadcast", "its app relays every event of any sender", tuple(range(9, 12))),
    Skip("*", "push_ok_and_broadcast", "its app relays every event of any sender", tuple(range(15, 27))),
    Skip("*", "push_ok_and_broadcast", OWN_EVENTS, (27, 28, 29)),
    Skip("*", "crash_does_not_affect_other_channels", OWN_EVENTS, (5, 6)),
    Skip("*", "default_vsn_v1", OWN_EVENTS, (7, 8)),
    Skip("*", "presence", "its app names the broadcast of an announcement otherwise", (28, 29, 30, 33)),
    Skip("*", "binary_push", OWN_EVENTS, tuple(range(6, 18))),
    Skip("*", "key_order_and_numbers", OWN_EVENTS, (3, 4)),
    Skip("*", "long_refs_and_topics", OWN_EVENTS, (5, 6)),
    Skip("*", "push_then_leave_then_push_pipelined", "the race of phoenix-wire.md L-4", (5, 6)),
    Skip("*", "auth_http", "a socket of its own with an error handler", (5, 6, 7)),
    Skip("*", "http_handshake_edge", "a socket of its own that compresses", (8,)),
)

#: Our reason for a refusal where the recording's app gives another one.
REASONS = {
    "payload_nonmap_progress": {"unknown_event": "invalid_payload"},
    "messages": {"message_id required": "invalid_payload"},
}
#: Steps between whose frames Phoenix promises no order (O-2).
SWAPPABLE = {"pipelined_join_then_push": frozenset({5, 6})}
#: The socket on which the documents have the row's topics.
MOVED = {"messages": "/user_socket/websocket?agent_id=a1&token=t&vsn=2.0.0"}
#: What an operator did out of sight.
PROVOKED = {"server_disconnect": {3: "disconnect_agent"}}


def _skipped_steps(row: dict[str, Any]) -> set[int]:
    skips = [skip for skip in SKIPPED if skip.matches(row)]
    if any(skip.steps is None for skip in skips):
        return set(range(len(row["log"])))
    return {index for skip in skips for index in skip.steps or ()}


REPLAYED = [row for row in ROWS if len(_skipped_steps(row)) < len(row["log"])]


@pytest.fixture(scope="module")
def servers_of() -> Iterator[Callable[[str], Servers]]:
    """Return the servers for a run: the release of Phoenix that was recorded."""
    started: dict[str, Servers] = {}
    with ExitStack() as stack:

        def start(*options: str) -> tuple[str, ControlProvisioner]:
            server = stack.enter_context(running(["-m", "wireproof", "serve"], *options))
            endpoint = Endpoint(url=server.url, provisioner=ControlSettings(token=TOKEN))
            provisioner = ControlProvisioner(endpoint, load())
            provisioner.open()
            stack.callback(provisioner.close)
            return server.url, provisioner

        def servers(run: str) -> Servers:
            version = run.split("/")[1]
            if version not in started:
                options = ("--phoenix-version", version)
                url, provisioner = start(*options, "--origin", "http://example.com")
                short_url, short = start(*options, "--idle-timeout-s", str(IDLE_TIMEOUT_S))
                started[version] = Servers(url, short_url, provisioner, short)
            return started[version]

        yield servers


def test_every_recorded_row_is_replayed_or_in_the_table() -> None:
    """No row is silently dropped, and every entry of the table is about something that was recorded."""
    keys = {(row["run"], row["case"]) for row in ROWS}
    replayed = {(row["run"], row["case"]) for row in REPLAYED}
    whole = {
        (row["run"], row["case"])
        for row in ROWS
        for skip in SKIPPED
        if skip.steps is None and skip.matches(row)
    }
    assert len(ROWS) == len(keys) == ROW_COUNT
    assert replayed | whole == keys
    assert not replayed & whole
    assert len(replayed) == REPLAYED_COUNT
    for skip in SKIPPED:
        matching = [row for row in ROWS if skip.matches(row)]
        assert matching, skip
        assert all(max(skip.steps or (0,)) < len(row["log"]) for row in matching), skip


@pytest.mark.parametrize("row", REPLAYED, ids=lambda row: f"{row['run']} {row['case']}")
def test_recorded_exchange_is_answered_as_phoenix_did(
    row: dict[str, Any], servers_of: Callable[[str], Servers]
) -> None:
    """Every step that the table does not except gives the recorded answer."""
    case, name, log = row["case"], f"{row['run']} {row['case']}", row["log"]
    if case in MOVED:
        log = [{**log[0], "open": MOVED[case]}, *log[1:]]
    replay = Replay(
        servers_of(row["run"]),
        name,
        log,
        REASONS.get(case, {}),
        SWAPPABLE.get(case, frozenset()),
        PROVOKED.get(case, {}),
    )
    try:
        for index in range(len(row["log"])):
            if index not in _skipped_steps(row):
                replay.play(index)
        replay.expect_silence()
    finally:
        replay.end()
