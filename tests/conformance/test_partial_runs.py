"""Runs of a part, and in several processes: what they run, what they say, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.catalogue import all_cases, select
from reports.jsonl import read_run
from reports.record import Run, Verdict
from specs.model import Api

GLOBS = ["heartbeat/*", "leaving/*", "task/progress/*", "analytics_global", "discovery/announce/*"]
INCLUDED = [argument for glob in GLOBS for argument in ("--include", glob)]

INNOCENT = Path(__file__).parents[1] / "innocent_servers" / "serve.py"

Check = Callable[..., tuple[Run, Any]]


@pytest.fixture
def check(wireproof: Any, reference_server: Any, tmp_path: Path) -> Check:
    """Check an honest server, and return the record and what was printed."""

    def run(*options: str, folder: str = "run", url: str = "") -> tuple[Run, Any]:
        done = wireproof(
            *("check", url or reference_server.url, "--seed", "9", "--run-dir", str(tmp_path / folder)),
            *options,
            WIREPROOF_CONTROL_TOKEN=reference_server.token,
        )
        assert done.stderr == ""
        return read_run(tmp_path / folder / "run.jsonl"), done

    return run


def told(run: Run) -> list[tuple[str, str, str | None]]:
    return [(case.case, case.verdict.value, case.reason) for case in run.cases]


def test_the_number_of_workers_changes_nothing_but_the_time(check: Check) -> None:
    """Cases, order, verdicts and reasons are the same with one and with many."""
    alone, _ = check(*INCLUDED, "--workers", "1", folder="alone")
    many, _ = check(*INCLUDED, "--workers", "7", folder="many")
    assert told(alone) == told(many)
    assert len(alone.cases) > 40
    assert [run.header.options["workers"] for run in (alone, many)] == [1, 7]
    assert many.footer.exit_code == 0


def test_shards_run_every_case_once(check: Check, api: Api) -> None:
    """Together they are the whole, and each says that it is a part, and of what."""
    chosen = f"chosen by {' '.join(INCLUDED)}"
    shards = [check(*INCLUDED, "--shard", f"{n}/3", folder=str(n)) for n in (1, 2, 3)]
    ran = [case.case for run, _ in shards for case in run.cases]
    whole = select(all_cases(api), GLOBS, [])
    assert sorted(ran) == sorted(case.id for case in whole)
    for number, (run, done) in enumerate(shards, 1):
        assert run.footer.exit_code == 0
        shard = f"shard {number}/3: {len(run.cases)} of {len(whole)} cases"
        assert run.footer.partial == [chosen, shard]
        assert "no finding in the part that was run" in done.stdout


def test_a_budget_that_ends_says_what_was_not_run(check: Check) -> None:
    """Every case is in the record, those that were not reached with the reason; nothing is called conformant."""
    run, done = check("--budget", "4s", "--workers", "2")
    assert len(run.cases) > 700
    reasons = {case.reason for case in run.cases if case.verdict is Verdict.NOT_RUN}
    assert "out of budget" in reasons
    assert {case.verdict for case in run.cases} <= {Verdict.PASS, Verdict.NOT_RUN}
    assert done.returncode == (0 if run.footer.counts["pass"] else 3)
    assert "out of budget (4 s)" in done.stdout
    assert "conformant" not in done.stdout
    assert {phase.reason for phase in run.footer.phases if phase.ran < phase.cases} >= {"out of budget"}


def test_a_budget_that_is_not_used_up_leaves_nothing_out(check: Check) -> None:
    """The run is as whole as was asked for."""
    run, done = check("--budget", "1h", "--include", "heartbeat/*")
    assert run.footer.partial == ["chosen by --include heartbeat/*"]
    assert "no finding in the part that was run: " in done.stdout


def test_fail_fast_ends_a_run_of_several_workers(check: Check, start_server: Any) -> None:
    """At least the failure is reported, far from all cases are, and the note says how many were not reached."""
    server = start_server("--deviate", "answers-with-the-ref-before")
    run, done = check("--fail-fast", "--workers", "3", url=server.url)
    assert done.returncode == 1
    assert run.footer.counts["fail"] >= 1
    assert len(run.cases) < 400
    assert "not reached" in str(run.footer.note)


def test_a_finding_has_one_cause_however_many_cases_it_breaks(check: Check, start_server: Any) -> None:
    """What one fault breaks in many cases is one line of the summary, with the cases."""
    server = start_server("--deviate", "task/progress/drops-relay")
    _, done = check("--json", "--include", "task/progress/*", url=server.url)
    causes = [one for one in json.loads(done.stdout)["causes"] if one["verdict"] == "fail"]
    assert len(causes) < 4
    assert len(causes[0]["cases"]) > 1


def test_who_makes_no_agents_any_more_is_not_called_conformant(
    wireproof: Any, start_server: Any, tmp_path: Path
) -> None:
    """What could not be run after all was not asked to be left out: exit code 3, and the reason."""
    server = start_server(command=[str(INNOCENT), "makes-few-agents"])
    done = wireproof(
        *("check", server.url, "--include", "heartbeat/*", "--include", "leaving/*", "--json"),
        *("--run-dir", str(tmp_path / "run"), "--seed", "9"),
        WIREPROOF_CONTROL_TOKEN=server.token,
    )
    summary = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (3, "")
    assert summary["counts"]["pass"] > 0
    note = str(read_run(tmp_path / "run" / "run.jsonl").footer.note)
    assert "cases were not run: the control topic refuses create_agent" in note
    assert "quota_exceeded" in note
