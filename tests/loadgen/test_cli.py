"""What a user of `wireproof load` may write."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from loadgen.cli import app
from loadgen.plan import TOKEN_VARIABLE


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["ws://192.0.2.1", "--control-token", "x"], "--i-own-this-target"),
        (["ws://127.0.0.1:9"], "no control token"),
        (["http://127.0.0.1:9", "--control-token", "x"], "ws://"),
        (["--control", "ws://127.0.0.1:9"], "none is given"),
        (["--scenario", "dancing"], "task-streaming"),
        (["--set", "burst"], "NAME=VALUE"),
        (["--set", "burst=quick"], "burst"),
        (["--arrivals", "often"], "spike"),
        (["--duration", "0s"], "longer than nothing"),
        (["--duration", "soon"], "90s"),
        (["--objective", "fast"], "objective"),
        (["--agents", "3"], "client, provider"),
        (["--plan", "missing.toml"], "missing.toml"),
        (["--provision", "magic"], "invented"),
        (["--spec", "missing"], "missing"),
    ],
)
def test_wrong_usage_is_one_line(options: list[str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is exit code 2, says what is wrong, and starts no server for it."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr("loadgen.cli.signal.signal", lambda *_: None)
    done = CliRunner().invoke(app, options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
