"""Servers that nobody can work with: a clear report, the right exit code, in time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.jsonl import read_run
from reports.record import Verdict

SERVE = Path(__file__).parents[1] / "hopeless_servers" / "serve.py"
SPEECHLESS = {
    "closes-at-once": "no answer to the WebSocket handshake",
    "never-answers": "no answer to the WebSocket handshake",
    "lets-in-and-never-answers": "neither a heartbeat nor a join is answered",
}
TALKATIVE = ["says-ok", "says-error", "says-random-json"]
SHORT = "[profile.timeouts]\nconnect_s = 1.0\nreply_s = 0.2\n"
"""Whom nobody can work with need not be waited for long; the usual time-outs only take longer."""
SAMPLE = ("heartbeat/*", "frames/*", "task/*/accepts/*", "payment/*/refuses/payload/*")

Check = Callable[..., Any]


@pytest.fixture
def check(wireproof: Any, start_server: Any, reference_server: Any, tmp_path: Path) -> Check:
    """Check a hopeless server whose agents and resources come from an honest one, or from itself."""

    def run(name: str, *options: str, helped: bool = True) -> Any:
        server = start_server(command=[str(SERVE), name])
        endpoint = tmp_path / "endpoint.toml"
        helper = f'[provisioner]\nurl = "{reference_server.url}"\n' if helped else ""
        endpoint.write_text(f'url = "{server.url}"\n{SHORT}{helper}', encoding="utf-8")
        return wireproof(
            *("check", "--endpoint", str(endpoint), "--seed", "5", "--run-dir", str(tmp_path / "run")),
            *options,
            timeout_s=300,
            WIREPROOF_CONTROL_TOKEN=server.token,
        )

    return run


@pytest.mark.parametrize("name", SPEECHLESS)
def test_who_says_nothing_cannot_be_tested(check: Check, tmp_path: Path, name: str) -> None:
    """One line says what was tried and what came of it, the record holds the same, and nobody is accused."""
    done = check(name)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert SPEECHLESS[name] in line
    run = read_run(tmp_path / "run" / "run.jsonl")
    assert (run.cases, run.footer.exit_code) == ([], 3)
    reasons = {phase.phase: phase.reason for phase in run.footer.phases}
    assert (reasons["reach"], reasons["provision"]) == (None, None)
    assert SPEECHLESS[name] in str(reasons["controls"])
    assert reasons["generated"] == "not reached"


@pytest.mark.parametrize("name", [*SPEECHLESS, *TALKATIVE])
def test_who_gives_no_agents_cannot_be_tested(check: Check, tmp_path: Path, name: str) -> None:
    """Where the hopeless server is to provision as well, that is what is said, and the record holds it."""
    done = check(name, helped=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
    footer = read_run(tmp_path / "run" / "run.jsonl").footer
    assert footer.note is not None
    assert " ".join(footer.note.split())[:40] in done.stderr


@pytest.mark.parametrize("name", TALKATIVE)
def test_who_talks_nonsense_is_accused(check: Check, name: str) -> None:
    """Exit code 1: failures with evidence, hardly anything passes, and no fault is ours."""
    globs = [argument for glob in SAMPLE for argument in ("--include", glob)]
    # A server that answers at all is right about most of what is below the codec.
    done = check(name, "--json", "--workers", "8", *globs, "--exclude", "wire/*")
    assert (done.returncode, done.stderr) == (1, "")
    summary = json.loads(done.stdout)
    assert summary["counts"]["error"] == 0
    assert summary["counts"]["fail"] >= 5
    assert summary["counts"]["pass"] < summary["cases"] / 3
    failed = {finding["requirement"] for finding in summary["findings"] if finding["verdict"] == "fail"}
    expected = {
        "says-ok": "task/stream-relayed",
        "says-error": "heartbeat/answered",
        "says-random-json": "frames/v2-five-elements",
    }
    assert expected[name] in failed


def test_who_falls_silent_in_the_middle_is_given_up(check: Check, tmp_path: Path) -> None:
    """After a row of cases without any answer the run ends, says so once, and is not green."""
    done = check("falls-silent", "--workers", "2", "--include", "task", "--include", "payment")
    run = read_run(tmp_path / "run" / "run.jsonl")
    assert done.returncode in {1, 3}
    assert len(run.cases) < 200
    assert "nothing is answered any more" in str(run.footer.note)
    assert "cases were not reached" in str(run.footer.note)
    assert "nothing is answered any more" in done.stdout
    assert {case.verdict for case in run.cases} <= {Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.FLAKY}
