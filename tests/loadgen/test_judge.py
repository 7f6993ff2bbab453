"""The judge: a tape becomes a history, and what no order of it explains is named with its requirement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadgen.client.entries import ENDED, GIVEN_UP, MADE, OPENED, RECEIVED, SENT, SETTLED
from loadgen.judging.judge import NICENESS, Judge
from loadgen.judging.segments import HEAD_BYTES, Writer
from specs.loader import load

API = load()
ROOT = Path(__file__).parents[2]
TOPIC = "task:1"
OK = {"status": "ok", "response": {}}
JOINED = {"status": "ok", "response": {"task": {"id": "1", "status": "open"}, "checkpoint": None}}


def text(*fields: Any) -> bytes:
    return msgspec.json.encode(fields)


def joined(*numbers: int) -> list[tuple[Any, ...]]:
    """A task whose client and provider have joined."""
    tape: list[tuple[Any, ...]] = [(MADE, TOPIC, {"client": "agent-1", "provider": "agent-2"}, {})]
    for number in numbers:
        tape += [
            (OPENED, number, f"agent-{number}"),
            (SENT, number, 1, text("1", "1", TOPIC, "phx_join", {})),
            (RECEIVED, number, 2, text("1", "1", TOPIC, "phx_reply", JOINED)),
        ]
    return tape


def pushed(seq: int, *, relayed: int = 1, is_answered: bool = True) -> list[tuple[Any, ...]]:
    """A chunk of the provider, with its answer and its relays."""
    payload, ref = {"chunk": "a", "seq": seq}, str(seq + 2)
    tape: list[tuple[Any, ...]] = [(SENT, 2, 3, text("1", ref, TOPIC, "output_stream", payload))]
    tape += [(RECEIVED, 1, 4, text("1", None, TOPIC, "output_stream", payload))] * relayed
    return [*tape, (RECEIVED, 2, 5, text("1", ref, TOPIC, "phx_reply", OK))] if is_answered else tape


def judged(tape: list[tuple[Any, ...]]) -> dict[str, int]:
    judge = Judge(API)
    for entry in tape:
        judge.take(list(entry))
    return {row["requirement"]: row["count"] for row in judge.said()["findings"]}


def test_an_honest_run_is_not_accused() -> None:
    """Chunks that arrive once and in order, heartbeats, stale frames and an end break nothing."""
    tape = joined(1, 2) + pushed(0) + pushed(1)
    tape += [
        (SENT, 1, 6, text(None, "9", "phoenix", "heartbeat", {})),
        (RECEIVED, 1, 6, text(None, "9", "phoenix", "phx_reply", OK)),
        (RECEIVED, 1, 6, text("0", None, TOPIC, "output_stream", {"chunk": "of a former join", "seq": 0})),
        (SETTLED, TOPIC),
        (ENDED, 1),
        (ENDED, 2),
    ]
    assert judged(tape) == {}


def test_a_lost_relay_is_named() -> None:
    """What was accepted and never came breaks the requirement of the relay, once all has arrived."""
    tape = joined(1, 2) + pushed(0, relayed=0)
    assert judged(tape) == {}
    assert judged([*tape, (SETTLED, TOPIC)]) == {"task/stream-relayed": 1}


def test_a_doubled_relay_is_named() -> None:
    """A second arrival is one too many."""
    assert judged(joined(1, 2) + pushed(0, relayed=2)) == {"task/stream-relayed": 1}


def test_what_was_not_answered_may_have_happened() -> None:
    """A push that is given up accuses nobody, whether its relay came or not."""
    for relayed in (0, 1):
        tape = joined(1, 2) + pushed(0, relayed=relayed, is_answered=False)
        assert judged([*tape, (GIVEN_UP, 2, "2"), (SETTLED, TOPIC)]) == {}


def test_two_connections_of_one_agent_are_two() -> None:
    """A second connection of an agent, and one that comes back, have names of their own."""
    tape = [*joined(1, 2), (OPENED, 3, "agent-1"), (ENDED, 3), (OPENED, 3, "agent-1"), (ENDED, 3)]
    assert judged(tape) == {}


def run(tape: list[tuple[Any, ...]], folder: Path) -> dict[str, Any]:
    writer = Writer(folder)
    packed = msgspec.msgpack.encode(tape)
    writer.write(len(packed).to_bytes(HEAD_BYTES, "big") + packed)
    writer.close()
    done = subprocess.run(
        [sys.executable, "-m", "loadgen.judging.judge", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    assert not folder.exists()
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_the_process_says_what_it_has_found(tmp_path: Path) -> None:
    """A finding has its requirement, whether that is binding, and examples."""
    [row] = run(joined(1, 2) + pushed(0, relayed=2), tmp_path)["findings"]
    assert (row["requirement"], row["is_binding"], row["count"]) == ("task/stream-relayed", True, 1)
    assert row["examples"][0]["topic"] == TOPIC


def test_a_judge_leaves_the_machine_to_the_load(tmp_path: Path) -> None:
    """It runs at a lower priority than who measures, and than what is measured."""
    Writer(tmp_path).close()
    command = [sys.executable, "-m", "loadgen.judging.judge", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        until_s = time.monotonic() + 60
        while (niceness := os.getpriority(os.PRIO_PROCESS, process.pid)) <= os.nice(0):
            assert time.monotonic() < until_s
            time.sleep(0.05)
        process.communicate()
    assert niceness >= min(19, os.nice(0) + NICENESS)


def test_what_is_no_history_accuses_nobody(tmp_path: Path) -> None:
    """A fault of the recording is said, and takes all findings with it."""
    said = run([*joined(1, 2), *pushed(0, relayed=2), (OPENED, 4, "agent-4"), (99,)], tmp_path)
    assert said["findings"] == []
    assert "not recorded a history" in said["fault"]


@pytest.mark.parametrize("depth", range(940, 1000, 3))
def test_no_nesting_ends_the_judgement(depth: int) -> None:
    """What is nested too deeply is passed over like what cannot be decoded; what follows is judged."""
    deep = b"[" * depth + b"]" * depth
    pushes = [
        b'["1",null,"task:1","progress",{"percent":%b,"message":"m"}]' % deep,
        b'["1",null,"task:1","task_completed",{"task":{"id":"1","result":%b}}]' % deep,
    ]
    tape = [*joined(1, 2), (SENT, 2, 3, text("1", "9", TOPIC, "complete", {"result": [1]}))]
    tape += [(RECEIVED, 1, 4, push) for push in pushes]
    assert judged(tape + pushed(0, relayed=2))["task/stream-relayed"] == 1
