"""From the description of an endpoint to its provisioner."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from conformance.endpoint import Endpoint, read_endpoint
from conformance.faults import CannotTest
from conformance.provisioning.command import CommandProvisioner
from conformance.provisioning.control import ControlProvisioner
from conformance.provisioning.entry_point import PythonProvisioner
from conformance.provisioning.opening import provisioning
from conformance.provisioning.pools import Share
from conformance.provisioning.static import StaticProvisioner
from specs.model import Api
from specs.participants import derive_participant

PROGRAM = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    made = {"hello": {"format": 1}, "create_agent": {"agent_id": f"of-{sys.argv[1]}"}}
    print(json.dumps({"id": asked["id"], "ok": made[asked["request"]]}), flush=True)
"""
MODULE = """
from conformance.endpoint import Endpoint
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.control import ControlProvisioner

def make(commission):
    endpoint = Endpoint(url=commission.url, provisioner=ControlSettings())
    provisioner = ControlProvisioner(endpoint, commission.api)
    provisioner.open()
    return provisioner
"""


@pytest.fixture
def described(tmp_path: Path) -> Any:
    """Read the description of an endpoint with a certain provisioner."""

    def read(url: str, text: str) -> Endpoint:
        path = tmp_path / "endpoint.toml"
        path.write_text(f'url = "{url}"\n[provisioner]\n{text}', encoding="utf-8")
        return read_endpoint(path, {})

    return read


def test_each_kind_has_its_provisioner(
    described: Any, api: Api, reference_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gives an agent, and gives up what it holds when the block ends."""
    monkeypatch.setenv("WIREPROOF_CONTROL_TOKEN", reference_server.token)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "making.py").write_text(MODULE, encoding="utf-8")
    argv = json.dumps([sys.executable, "-c", PROGRAM, "program"])
    kinds = {
        ControlProvisioner: 'kind = "control"',
        StaticProvisioner: 'kind = "static"\n[[provisioner.agents]]\nagent_id = "of-list"',
        CommandProvisioner: f'kind = "command"\nargv = {argv}',
        PythonProvisioner: 'kind = "python"\nentry = "making:make"\npath = "."',
    }
    for kind, text in kinds.items():
        with provisioning(described(reference_server.url, text), api, Share(0, 2)) as provisioner:
            assert type(provisioner) is kind
            assert provisioner.create_agent(derive_participant(1, kind.__name__, "someone"), {}).agent_id


def test_what_was_started_is_ended_also_where_the_block_fails(described: Any, api: Api) -> None:
    """No program is left behind."""
    argv = json.dumps([sys.executable, "-c", PROGRAM, "program"])
    stack = ExitStack()
    opened: Any = stack.enter_context(
        provisioning(described("ws://h", f'kind = "command"\nargv = {argv}'), api)
    )
    process = opened._program._process
    stack.callback(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stack.close()
    assert opened._program is None
    assert process.poll() is not None


def test_a_program_that_is_not_ready_is_ended(described: Any, api: Api) -> None:
    """It has answered, but not as it must."""
    argv = json.dumps([sys.executable, "-c", "input(); print('{}', flush=True); input()"])
    with (
        pytest.raises(CannotTest, match="without its id"),
        provisioning(described("ws://h", f'kind = "command"\nargv = {argv}'), api),
    ):
        pytest.fail("the block must not be entered")


def test_several_workers_may_each_have_an_object(
    wireproof: Any, reference_server: Any, described: Any, tmp_path: Path
) -> None:
    """A check with two workers passes with an object written in Python in each."""
    (tmp_path / "making.py").write_text(MODULE, encoding="utf-8")
    described(reference_server.url, 'kind = "python"\nentry = "making:make"\npath = "."')
    done = wireproof(
        *("check", "--endpoint", str(tmp_path / "endpoint.toml"), "--workers", "2", "--seed", "3", "--json"),
        *("--include", "task/progress/*"),
        WIREPROOF_CONTROL_TOKEN=reference_server.token,
    )
    assert (done.returncode, done.stderr) == (0, "")
    counts = json.loads(done.stdout)["counts"]
    assert counts["pass"] == sum(counts.values())
