"""No credential of a run reaches its folder or what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from rich.console import Console

from conformance.case import Case
from conformance.catalogue import all_cases, select
from conformance.check import Plan, run_check
from conformance.endpoint import read_endpoint
from conformance.engine import run_once
from conformance.faults import CannotProvision, Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.provision import Agent
from conformance.provisioning.control import ControlProvisioner
from conformance.provisioning.opening import provisioning
from reports.run_folder import RunFolder
from reports.terminal import render_summary
from specs.model import Api
from specs.participants import derive_participant

SERVE = Path(__file__).parents[1] / "innocent_servers" / "serve.py"


@pytest.fixture
def given_out(monkeypatch: pytest.MonkeyPatch) -> list[Agent]:
    """Every agent that is provisioned."""
    agents: list[Agent] = []
    honest = ControlProvisioner.create_agent

    def create_agent(self: ControlProvisioner, *arguments: Any) -> Agent:
        agents.append(honest(self, *arguments))
        return agents[-1]

    monkeypatch.setattr(ControlProvisioner, "create_agent", create_agent)
    return agents


def test_no_credential_is_recorded_or_printed(
    api: Api, start_server: Any, given_out: list[Agent], tmp_path: Path
) -> None:
    """Transcripts of findings hold URLs, frames and replies, but no key and no token, plain or percent-encoded."""
    server = start_server(command=[str(SERVE), "pushes-extra-events"])
    endpoint = read_endpoint(None, {"url": server.url, "control_token": server.token})
    cases = select(all_cases(api), ["sockets/*", "handshake/*", "frames/*", "task/join*", "messages"], [])
    # With every advisory a failure, transcripts of all kinds of cases are recorded.
    run = run_check(Plan(api, endpoint, cases, 5, is_strict=True), RunFolder(tmp_path / "run"), quiet=True)
    console = Console(record=True, width=200, file=(tmp_path / "printed").open("w"))
    render_summary(run, console)
    console.file.close()
    findings = [finding for case in run.cases for finding in case.findings]
    assert any(entry.direction == "opened" for finding in findings for entry in finding.transcript)
    secrets = {server.token} | {key for agent in given_out for key in (agent.api_key, agent.session_token)}
    assert len(secrets) > 20
    texts = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()}
    assert {"run.jsonl", "junit.xml", "printed"} <= texts.keys()
    for name, text in texts.items():
        assert "[REDACTED]" in text or name == "printed"
        shown = [secret for secret in secrets if secret in text or quote_plus(secret) in text]
        assert shown == [], name


def test_a_control_topic_that_quotes_the_token_is_told_without_it(
    api: Api, scripted: Any, react: Any
) -> None:
    """What it refuses a request with is shown, but for the operator's token."""
    answer = react("error", response={"reason": "the token operator-of-this is bad"})
    endpoint = read_endpoint(
        None, {"url": scripted(create_agent=[answer]).url, "control_token": "operator-of-this"}
    )
    with (
        provisioning(endpoint, api) as provisioner,
        pytest.raises(CannotProvision, match=r"the token \[REDACTED\] is bad"),
    ):
        provisioner.create_agent(derive_participant(1, "redaction", "alice"), {"name": "alice"})


def test_a_short_credential_of_an_example_is_hidden_in_the_whole_attempt(
    bench_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an attempt concludes from one of its examples may quote it, however short it is."""
    monkeypatch.setattr(Agent, "secrets", ("k3y-1",))

    def draws(lab: Lab) -> None:
        lab.example(1).agent("alice")
        raise Violation("task/stream-relayed", "nothing of others", "it says k3y-1")

    found = run_once(bench_at(), Case("task/one", "task", ("task/stream-relayed",), "Finds.", draws), 1)
    assert found.breaches[0].observed == "it says [REDACTED]"


def test_a_credential_of_another_case_is_hidden_where_something_is_found(bench_at: Any) -> None:
    """An endpoint that quotes it late is shown without it, in what is observed and in the transcript."""
    bench, known = bench_at(), []

    def first(lab: Lab) -> None:
        known.append(lab.agent("alice"))

    def second(lab: Lab) -> None:
        lab.agent("bob")
        quoted = f"so says {known[0].api_key}, {known[0].session_token}"
        lab.transcript.add("bob", "received", quoted)
        raise Violation("task/stream-relayed", "nothing of others", quoted)

    run_once(bench, Case("task/one", "task", ("task/stream-relayed",), "Makes an agent.", first), 1)
    found = run_once(bench, Case("task/two", "task", ("task/stream-relayed",), "Finds.", second), 1)
    assert known[0].api_key not in str(found)
    assert known[0].session_token not in str(found)
    assert str(found).count("so says [REDACTED], [REDACTED]") == 2


def test_a_credential_of_another_case_is_hidden_in_a_second_attempt(bench_at: Any) -> None:
    """Its transcript is shown beside what the first one found, also where it finds nothing."""
    bench, known = bench_at(), []

    def first(lab: Lab) -> None:
        known.append(lab.agent("alice"))

    def second(lab: Lab) -> None:
        lab.transcript.add("bob", "received", f"so says {known[0].api_key}")

    run_once(bench, Case("task/one", "task", ("task/stream-relayed",), "Makes an agent.", first), 1)
    again = run_once(bench, Case("task/two", "task", ("task/stream-relayed",), "Is fine.", second), 2)
    assert [entry.text for entry in again.transcript] == ["so says [REDACTED]"]
