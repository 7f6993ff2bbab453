"""A run never reads, and never overwrites, what another has measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadgen import cli
from loadgen.arrivals import parse_arrivals
from loadgen.capacity import cli as capacity_cli
from loadgen.command import Errand, carry_out
from loadgen.plan import Plan
from reports.run_folder import FolderInUse

HELD = ["run.jsonl", "junit.xml", "generator.json", "progress.jsonl", "load.json", "capacity.json", "steps"]


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("room", [cli, capacity_cli], ids=["load", "capacity"])
def test_the_folder_of_another_run_is_refused(
    name: str, room: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line and exit code 2 before a server is started, whatever file of a run it holds."""
    monkeypatch.setattr("loadgen.cli.signal.signal", lambda *_: None)
    monkeypatch.setattr("loadgen.cli.own_server", lambda *_: pytest.fail("a server was started"))
    (tmp_path / name).touch()
    done = CliRunner().invoke(room.app, ["--run-dir", str(tmp_path)])  # type: ignore[attr-defined]
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"already holds a run ({name})" in done.stderr


def test_results_of_another_run_are_never_this_ones(tmp_path: Path) -> None:
    """Even where nobody has looked before, a run does not begin beside them."""
    (tmp_path / "generator.json").write_text("{}")
    plan = Plan(
        "ws://127.0.0.1:9",
        "ws://127.0.0.1:9",
        "pushes",
        parse_arrivals("closed", 1),
        1.0,
        2,
        folder=str(tmp_path),
    )
    with pytest.raises(FolderInUse):
        carry_out(Errand(plan))
