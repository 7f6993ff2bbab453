"""Making a standalone file where the endpoint makes nothing on demand, and where nothing can be shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.case import Case
from conformance.catalogue import all_cases
from conformance.client.steps import AgentMade
from conformance.endpoint import Endpoint
from conformance.engine import run_case
from conformance.findings import reproducers
from conformance.findings.evidence import Evidence
from conformance.findings.execution import Execution, Place
from conformance.findings.finding_file import FindingFile
from conformance.findings.recording import record
from conformance.findings.reproducers import Bounds, Workshop
from conformance.fixtures.lab import Bench
from conformance.provisioner_settings import ControlSettings
from conformance.provisioning.opening import provisioning
from conformance.verdicts import Attempt, Judge
from reports.record import RunHeader
from specs.loader import load
from specs.participants import derive_participant
from tests.conformance.findings.checking import CASE, TOKEN

CONTROL = "/control/websocket?token="
API = load()


@pytest.fixture(scope="module")
def bench(deviating_url: str) -> Iterator[Bench]:
    """A bench at the deviating server."""
    endpoint = Endpoint(url=deviating_url, provisioner=ControlSettings.model_validate({"token": TOKEN}))
    with provisioning(endpoint, API) as provisioner:
        yield Bench(API, endpoint, provisioner, 1, "reproducers")


@pytest.fixture(scope="module")
def case() -> Case:
    """The case that fails there."""
    return next(case for case in all_cases(API) if case.id == CASE)


@pytest.fixture(scope="module")
def attempts(bench: Bench, case: Case) -> tuple[Attempt, ...]:
    """Its attempts."""
    return run_case(bench, Judge(API, bench.endpoint.profile, is_strict=False), case).attempts


@pytest.fixture(scope="module")
def finding(
    bench: Bench, case: Case, attempts: tuple[Attempt, ...], tmp_path_factory: pytest.TempPathFactory
) -> FindingFile:
    """What is written of it."""
    result = Judge(API, bench.endpoint.profile, is_strict=False).result(case, list(attempts), 1.0)
    header = RunHeader(
        format=1,
        tool_version="0",
        started_at="2026-11-27T10:00:00Z",
        url=bench.endpoint.url,
        spec=API.name,
        spec_version=API.version,
        profile={},
        seed=1,
        strict=False,
        include=[],
        exclude=[],
        versions={},
    )
    folder = tmp_path_factory.mktemp("run")
    return record(folder, [result], header, API, bench.endpoint, is_own=False)[0].file


def workshop(there: str, reference: str, **fields: Any) -> Workshop:
    places = (Place(url, f"{url}{CONTROL}", TOKEN) for url in (there, reference))
    return Workshop(*places, Bounds(time.monotonic() + 60), **fields)


def test_a_file_for_ready_made_agents_is_written_from_what_came(
    bench: Bench, honest_url: str, finding: FindingFile, attempts: tuple[Attempt, ...], tmp_path: Path
) -> None:
    """Nothing is carried out at the endpoint; the file takes its agents and resources from a file of its own."""
    path = tmp_path / "finding.py"
    maker = workshop(bench.endpoint.url, honest_url, has_operator=False)
    made = maker.make(finding, attempts, path)
    assert (made.file, made.runs) == (path.name, 0)
    assert made.evidence
    assert run(path, bench.endpoint.url, fixtures(bench, tmp_path)) == 1
    with provisioning(bench.endpoint.model_copy(update={"url": honest_url}), API) as provisioner:
        assert run(path, honest_url, fixtures(replace(bench, provisioner=provisioner), tmp_path)) == 0


def fixtures(bench: Bench, folder: Path) -> Path:
    """Write the file that an owner of ready-made agents would write."""
    agents, ids = {}, {}
    for name in ("a", "b"):
        participant = derive_participant(os.urandom(8).hex(), "fixtures", name)
        agent = bench.provisioner.create_agent(participant, {"name": name})
        ids[name] = agent.agent_id
        agents[name] = {
            "id": agent.agent_id,
            "owner": agent.owner,
            "api_key": agent.api_key,
            "token": agent.session_token,
            "seed": participant.keys.seed.hex(),
        }
    topic = bench.provisioner.create_resource("payment", ids, {"balance_a": "100", "balance_b": "50"})
    path = folder / "fixtures.json"
    path.write_text(json.dumps({"agents": agents, "resources": {"payment": topic}}))
    return path


def run(path: Path, url: str, ready: Path) -> int:
    known = {name: value for name, value in os.environ.items() if not name.startswith("WIREPROOF")}
    done = subprocess.run(
        [sys.executable, str(path), url],
        env={**known, "WIREPROOF_FIXTURES": str(ready)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode


def test_no_file_is_offered_that_shows_nothing(
    deviating_url: str, finding: FindingFile, attempts: tuple[Attempt, ...], tmp_path: Path
) -> None:
    """Where the reference server answers as the endpoint does, the frames cannot be the reason."""
    made = workshop(deviating_url, deviating_url).make(finding, attempts, tmp_path / "finding.py")
    assert (made.file, made.reason) == (
        None,
        "the frames of the conversation are the same at the reference server",
    )


def test_no_file_is_made_where_the_endpoint_is_gone(
    honest_url: str, finding: FindingFile, attempts: tuple[Attempt, ...], tmp_path: Path
) -> None:
    """The reason is kept with the finding."""
    made = workshop("ws://127.0.0.1:9", honest_url)
    moved = [
        replace(attempt, steps=tuple(_moved(step, finding.endpoint.url) for step in attempt.steps))
        for attempt in attempts
    ]
    told = made.make(finding, moved, tmp_path / "finding.py")
    assert told.file is None
    assert "cannot be carried out at the endpoint" in (told.reason or "")


def _moved(step: Any, url: str) -> Any:
    """Return a step as if the endpoint had been where now nobody is."""
    return replace(step, url=step.url.replace(url, "ws://127.0.0.1:9")) if hasattr(step, "url") else step


@pytest.mark.parametrize("has_operator", [True, False])
def test_no_file_is_made_that_would_hold_a_credential(
    bench: Bench,
    honest_url: str,
    finding: FindingFile,
    attempts: tuple[Attempt, ...],
    tmp_path: Path,
    has_operator: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What shows the finding may be a text in which the endpoint quotes one."""
    agent = next(step for step in attempts[0].steps if isinstance(step, AgentMade))
    held = TOKEN if has_operator else agent.api_key
    shows = Evidence("value", f"{held!r} != 'x'", f"it says {held}", 0, 1)
    monkeypatch.setattr(reproducers, "candidates", lambda *_: [shows])
    monkeypatch.setattr(reproducers, "by_relevance", lambda found, *_: found)
    monkeypatch.setattr(Workshop, "_shows", lambda *_, **__: True)
    monkeypatch.setattr(reproducers, "execute", lambda *_, **__: Execution())
    maker, path = (
        workshop(bench.endpoint.url, honest_url, has_operator=has_operator),
        tmp_path / "finding.py",
    )
    made = maker.make(finding, attempts, path)
    assert (made.file, made.evidence, path.exists()) == (None, None, False)
    assert "credential" in (made.reason or "")
