"""A plain Phoenix server that has none of our topics: its Phoenix layer is checked, the rest is not run, nobody is accused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SERVE = Path(__file__).parents[1] / "plain_phoenix" / "serve.py"
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "plain_phoenix.toml"
LEAST = '[provisioner]\nkind = "static"\n[[provisioner.plain]]\ntopic = "room:{room}"\n'
PHOENIX_CASES = 140
"""What is run of the Phoenix layer at least, where the file names all that can be named."""

Check = Callable[..., dict[str, Any]]


@pytest.fixture
def check(wireproof: Any, start_server: Any, tmp_path: Path) -> Check:
    """Check a plain server, described by the text of an endpoint file, and give the record of the run."""

    def run(text: str, *options: str, code: int = 0) -> dict[str, Any]:
        server = start_server(command=[str(SERVE)])
        lines = [line for line in text.splitlines() if not line.startswith("url")]
        endpoint, folder = tmp_path / "endpoint.toml", tmp_path / "run"
        endpoint.write_text("\n".join([f'url = "{server.url}"', *lines]), encoding="utf-8")
        command = ("check", "--endpoint", str(endpoint), "--seed", "5", "--json", "--run-dir", str(folder))
        done = wireproof(*command, *options)
        assert (done.returncode, done.stderr) == (code, "")
        summary: dict[str, Any] = json.loads(done.stdout)
        rows = [json.loads(line) for line in (folder / "run.jsonl").read_bytes().splitlines()]
        summary["cases"] = [row for row in rows if row["type"] == "case"]
        return summary

    return run


@pytest.mark.parametrize("vsn", ["2.0.0", "1.0.0"])
def test_the_phoenix_layer_is_checked_and_the_rest_is_not_run(check: Check, vsn: str) -> None:
    """Exit code 0 without finding or advice; every case of another topic says why it is not run."""
    summary = check(EXAMPLE.read_text(encoding="utf-8"), "--vsn", vsn)
    assert (summary["findings"], summary["advisories"]) == ([], [])
    verdicts = Counter((case["topic"] == "phoenix", case["verdict"]) for case in summary["cases"])
    assert verdicts.keys() == {(True, "pass"), (True, "not_run"), (False, "not_run")}
    assert verdicts[True, "pass"] >= PHOENIX_CASES
    reasons = {case["reason"] for case in summary["cases"] if case["verdict"] == "not_run"}
    assert {
        "the provisioner lists no task resource",
        "the provisioner cannot cause disconnect_agent",
    } <= reasons
    assert all(reasons)


@pytest.mark.parametrize(
    "event",
    [
        'event = "ping"\npayload = { body = "hello" }\nlabel = "body"\nanswer = "error"',
        'event = "whisper"\npayload = { body = "hello" }\nlabel = "body"\nanswer = "none"\nrelayed = true',
    ],
)
def test_an_event_may_be_answered_otherwise_than_with_ok(check: Check, event: str) -> None:
    """What the file says is the answer shows that a push has reached its channel."""
    globs = ("joining/ok-reply", "stale/*", "ordering/*", "leaving/push-*", "frames/v1-*")
    summary = check(LEAST + event, *(option for glob in globs for option in ("--include", glob)))
    assert (summary["findings"], summary["advisories"]) == ([], [])
    assert summary["counts"]["pass"] >= 10


def test_a_file_that_names_little_is_enough(check: Check) -> None:
    """Without an event there are still handshakes, heartbeats and topics that nobody has."""
    globs = ("handshake/*", "heartbeat/*", "malformed/push-unjoined-unmatched", "joining/ok-reply")
    summary = check(LEAST, *(option for glob in globs for option in ("--include", glob)))
    assert summary["findings"] == []
    by_case = {case["case"]: (case["verdict"], case["reason"]) for case in summary["cases"]}
    assert by_case["heartbeat/before-join"] == ("pass", None)
    assert by_case["malformed/push-unjoined-unmatched"] == ("pass", None)
    assert by_case["handshake/bad-credential-refused"] == (
        "not_run",
        "the endpoint file names no credential that the endpoint checks",
    )
    assert by_case["joining/ok-reply"] == (
        "not_run",
        "no topic of the endpoint has an event that can be pushed again and again",
    )


def test_where_nothing_can_be_run_nothing_is_green(check: Check) -> None:
    """A run of cases of which each lacks something ends with exit code 3."""
    summary = check(LEAST, "--include", "task", code=3)
    assert summary["counts"]["not_run"] == sum(summary["counts"].values())
