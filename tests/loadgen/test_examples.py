"""The examples for several machines say what the commands understand; nothing here starts a container."""

from __future__ import annotations

import itertools
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import wireproof
from loadgen.objectives import parse_objective
from loadgen.plan import read_plan
from loadgen.scenarios.catalogue import find_scenario
from loadgen.users import users_of
from tests.conftest import ROOT

EXAMPLES = ROOT / "docs" / "examples" / "load"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file."""
    return dict(yaml.safe_load((EXAMPLES / "compose.yaml").read_text()))


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """The manifest of the operator."""
    return dict(yaml.safe_load((EXAMPLES / "locust-operator.yaml").read_text()))


def test_every_option_of_the_compose_file_exists(compose: dict[str, Any]) -> None:
    """Each service calls a command with options that its help names."""
    app = wireproof.build_app()
    for name, service in compose["services"].items():
        command, *rest = service["command"]
        shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
        options = [part for part in rest if part.startswith("--")]
        assert options, name
        assert not [option for option in options if option not in shown], name


def test_the_master_waits_for_as_many_workers_as_there_are(compose: dict[str, Any]) -> None:
    """Its scenario and objectives exist, and its image is built from this folder."""
    services = compose["services"]
    command = services["master"]["command"]
    given = dict(itertools.pairwise(command))
    assert int(given["--expect-workers"]) == services["worker"]["deploy"]["replicas"]
    assert find_scenario(given["--scenario"], {}).cast
    for flag, value in itertools.pairwise(command):
        if flag == "--objective":
            parse_objective(value)
    build = services["master"]["build"]
    assert (EXAMPLES / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_the_manifest_asks_locust_for_what_its_plan_says(manifest: dict[str, Any], tmp_path: Path) -> None:
    """The plan can be read, and users and workers are those of the plan."""
    spec = manifest["spec"]
    content = spec["locustfile"]["content"].partition("Path(")[0]
    known: dict[str, Any] = {}
    exec(compile(content, "locustfile", "exec"), known)  # noqa: S102 - our own example
    (tmp_path / "plan.json").write_text(known["json"].dumps(known["PLAN"]))
    plan = read_plan(tmp_path / "plan.json")
    flags = dict(part.removeprefix("--").partition("=")[::2] for part in shlex.split(spec["args"]))
    assert int(flags["users"]) == users_of(plan)
    assert int(flags["expect-workers"]) == spec["workers"] == plan.processes
    assert spec["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "wireproof", "key": "token"}


def test_locust_knows_the_flags_and_the_user_of_the_manifest(
    manifest: dict[str, Any], tmp_path: Path
) -> None:
    """The inline locustfile has a user that Locust finds, and every flag is one of Locust's."""
    spec = manifest["spec"]
    (tmp_path / "locustfile.py").write_text(spec["locustfile"]["content"].replace('"/tmp', f'"{tmp_path}'))
    run = [sys.executable, "-m", "locust"]
    listed = subprocess.run(
        [*run, "-f", "locustfile.py", "--list"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "AgentsUser" in listed.stdout, listed.stderr
    shown = subprocess.run([*run, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert not [part for part in shlex.split(spec["args"]) if part.partition("=")[0] not in shown]
