"""A run under serializer 1.0.0: what does not choose a serializer speaks it, nobody is accused, and faults are found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.endpoint import read_endpoint
from conformance.faults import ConfigurationFaulty
from tests.variations import UNLESS_WHOLE, options

SERVE = Path(__file__).parents[1] / "innocent_servers" / "serve.py"
#: The cases about refs and frames, of which serializer 1.0.0 shows less, and some of each topic.
SHOWN_LESS = ("joining/*", "stale/*", "leaving/*", "binary/*", "frames/*", "heartbeat/*", "malformed/*")
SOME = (
    "presence/*",
    "broadcast/*",
    "ordering/*",
    "task/progress/*",
    "signatures/repeated-*",
    "messages/join/*",
)

Check = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def check(wireproof: Any, tmp_path: Path) -> Check:
    """Check a server under serializer 1.0.0 and give the exit code and the record of the run."""

    def run(server: Any, *globs: str) -> tuple[int, list[dict[str, Any]]]:
        folder = tmp_path / "run"
        done = wireproof(
            *("check", server.url, "--vsn", "1.0.0", "--seed", "9", "--run-dir", str(folder)),
            *options(globs, UNLESS_WHOLE),
            WIREPROOF_CONTROL_TOKEN=server.token,
        )
        assert done.stderr == ""
        rows = (folder / "run.jsonl").read_text(encoding="utf-8").splitlines()
        return done.returncode, [json.loads(row) for row in rows]

    return run


def test_an_honest_server_is_not_accused(check: Check, reference_server: Any) -> None:
    """Nothing fails, nothing is left open, and what can only hold under 2.0.0 asks for it itself."""
    code, rows = check(reference_server, *SHOWN_LESS, *SOME)
    assert rows[0]["profile"]["vsn"] == "1.0.0"
    verdicts = {row["verdict"] for row in rows if row["type"] == "case"}
    reasons = {row["reason"] for row in rows if row["type"] == "case" and row["verdict"] == "not_run"}
    assert (code, verdicts) == (0, {"pass", "not_run"})
    assert reasons == {"no input that we know makes a channel of this server crash"}


def test_cases_speak_the_serializer_of_the_run(check: Check, start_server: Any) -> None:
    """The connections of a case that does not choose one are opened with it, and objects go over them."""
    _, rows = check(start_server(command=[str(SERVE), "pushes-extra-events"]), "task/progress/accepts/*")
    entries = [
        entry
        for row in rows
        if row["type"] == "case"
        for finding in row["findings"]
        for entry in finding["transcript"]
    ]
    opened = [entry["text"] for entry in entries if entry["direction"] == "opened"]
    assert opened
    assert all("vsn=1.0.0" in text for text in opened)
    assert all(entry["text"].startswith("{") for entry in entries if entry["direction"] == "sent")


@pytest.mark.parametrize(
    ("deviation", "glob"),
    [("accepts-replayed-nonce", "payment/nonce-*"), ("task/progress/drops-relay", "task/progress/accepts/*")],
)
def test_a_deviating_server_is_caught(check: Check, start_server: Any, deviation: str, glob: str) -> None:
    """What is not about refs in frames is judged under either serializer."""
    code, rows = check(start_server("--deviate", deviation), glob)
    assert code == 1
    assert any(row["verdict"] == "fail" for row in rows if row["type"] == "case")


def test_a_profile_may_choose(tmp_path: Path) -> None:
    """The key of the file counts unless the command line says otherwise; another version is no choice."""
    path = tmp_path / "endpoint.toml"
    path.write_text('url = "ws://h"\n[profile]\nvsn = "1.0.0"', encoding="utf-8")
    assert read_endpoint(path, {}).profile.vsn == "1.0.0"
    assert read_endpoint(path, {"vsn": "2.0.0"}).profile.vsn == "2.0.0"
    assert read_endpoint(None, {"url": "ws://h"}).profile.vsn == "2.0.0"
    path.write_text('url = "ws://h"\n[profile]\nvsn = "3.0.0"', encoding="utf-8")
    with pytest.raises(ConfigurationFaulty, match=r"profile\.vsn"):
        read_endpoint(path, {})
