"""Provisioning by a program: the lines keep the schema both ways, and whatever it does wrong is one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from conformance.endpoint import Endpoint
from conformance.faults import CannotProvision, CannotTest
from conformance.provisioner_settings import CommandSettings
from conformance.provisioning.command import CommandProvisioner, schema
from conformance.provisioning.pools import Share
from specs.model import Api
from specs.participants import derive_participant
from specs.signing import SigningKeyPair
from specs.validation import Validator

SOMEONE = derive_participant(1, "command", "someone")
SEED = "22" * 32

#: A program that answers as ANSWERS says by request, and writes down what it was asked.
PROGRAM = """
import json, sys
answers = json.loads(sys.argv[1])
for line in sys.stdin:
    asked = json.loads(line)
    with open("asked", "a") as file:
        file.write(line)
    answer = answers.get(asked["request"], {"ok": {}})
    if answer == "end":
        sys.exit("gone")
    print(answer if isinstance(answer, str) else json.dumps({"id": asked["id"], **answer}), flush=True)
"""
HELLO = {"ok": {"format": 1}}


@pytest.fixture
def program(tmp_path: Path, api: Api) -> Iterator[Callable[..., CommandProvisioner]]:
    """Provision by a program with certain answers; it is ended after the test."""
    with ExitStack() as stack:

        def start(share: Share | None = None, **answers: Any) -> CommandProvisioner:
            script = tmp_path / "program.py"
            script.write_text(PROGRAM, encoding="utf-8")
            argv = [sys.executable, str(script), json.dumps({"hello": HELLO, **answers})]
            table = {"kind": "command", "argv": argv, "timeout_s": 60}
            settings = CommandSettings.model_validate(table, context={"file": tmp_path / "endpoint.toml"})
            provisioner = CommandProvisioner(settings, Endpoint(url="ws://h"), api, share or Share())
            stack.callback(provisioner.close)
            provisioner.open()
            return provisioner

        yield start


def asked_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "asked").read_text(encoding="utf-8").splitlines()]


def test_every_request_keeps_the_schema(program: Any, tmp_path: Path) -> None:
    """What is documented is what is sent: all five requests, numbered."""
    provisioner = program(
        Share(1, 3),
        create_agent={"ok": {"agent_id": "a"}},
        create_resource={"ok": {"topic": "task:1"}},
    )
    provisioner.create_agent(SOMEONE, {"name": "client", "status": "online"})
    provisioner.create_resource("task", {"client": "a"}, {})
    provisioner.request("send_message", {"to": "a"})
    provisioner.release()
    asked = asked_of(tmp_path)
    validator = Validator({**schema(), "$ref": "#/$defs/request"})
    assert [validator.faults(request) for request in asked] == [[]] * 5
    assert [request["id"] for request in asked] == [1, 2, 3, 4, 5]
    assert [(request["share"], request["shares"]) for request in asked[:1]] == [(1, 3)]
    assert asked[1]["attributes"] == {"status": "online"}


def test_an_agent_has_what_the_program_says(program: Any) -> None:
    """A seed in the answer takes the place of the key that was asked for."""
    made = {"agent_id": "a", "owner": "o", "api_key": "k", "session_token": "t"}
    agent = program(create_agent={"ok": made}).create_agent(SOMEONE, {})
    assert (agent.agent_id, agent.owner, agent.api_key, agent.session_token) == ("a", "o", "k", "t")
    assert agent.participant.keys == SOMEONE.keys
    keyed = program(create_agent={"ok": {**made, "seed": SEED}}).create_agent(SOMEONE, {})
    assert keyed.participant.keys == SigningKeyPair.from_seed(bytes.fromhex(SEED))


def test_a_program_may_refuse(program: Any) -> None:
    """Its reason is the reason why a case is not run, and the next request is answered again."""
    provisioner = program(create_resource={"error": "no payment channels here"}, cause={"ok": {"id": "m-1"}})
    with pytest.raises(CannotProvision, match="refuses create_resource: no payment channels here"):
        provisioner.create_resource("payment", {}, {})
    assert provisioner.request("send_message", {}) == {"id": "m-1"}


def test_a_program_may_lack_families(program: Any, api: Api) -> None:
    """It says so when it is greeted, each with the reason."""
    provisioner = program(hello={"ok": {"format": 1, "lacks": {"discovery": "not deployed"}}})
    assert provisioner.lacks(api.topics["discovery"]) == "not deployed"
    assert provisioner.lacks(api.topics["task"]) is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"ok": {}}, "answers create_agent with what the schema does not allow: /ok"),
        ({"ok": {"agent_id": 7}}, "/ok/agent_id"),
        ({"ok": {"agent_id": "a", "more": 1}}, "/ok"),
        ({"error": ""}, "/error"),
        ({"ok": {"agent_id": "a", "seed": "short"}}, "no seed of 32 bytes"),
    ],
)
def test_an_answer_that_breaks_the_schema_is_a_reason(program: Any, answer: Any, said: str) -> None:
    """The case that needed it is not run; the line names the place."""
    with pytest.raises(CannotProvision) as caught:
        program(create_agent=answer).create_agent(SOMEONE, {})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("end", "has ended with code 1: gone"),
        ("not json", "answers create_agent with a line that is not JSON: not json"),
        ('{"id": 99, "ok": {}}', "answers create_agent without its id"),
        ("[]", "answers create_agent without its id"),
    ],
)
def test_a_program_that_fails_is_started_once_more(
    program: Any, tmp_path: Path, answer: str, said: str
) -> None:
    """A fresh one is asked the same; where it fails, too, nothing can be tested."""
    with pytest.raises(CannotTest, match=said):
        program(create_agent=answer).create_agent(SOMEONE, {})
    requests = [request["request"] for request in asked_of(tmp_path)]
    assert requests == ["hello", "create_agent"] * 2


@pytest.mark.parametrize("answer", ["end", {"error": "wrong tenant"}, {"ok": {"format": 2}}, "?"])
def test_a_program_that_is_not_ready_ends_the_run(program: Any, answer: Any) -> None:
    """Before any case, in one line."""
    with pytest.raises(CannotTest, match="provisioner: ") as caught:
        program(hello=answer)
    assert "\n" not in str(caught.value)
