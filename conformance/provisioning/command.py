"""Provisions by asking a program (`schemas/command.schema.json` says how)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from pydantic import SecretStr

from conformance.endpoint import Endpoint
from conformance.faults import CannotProvision, CannotTest
from conformance.fixtures.provision import Agent, Provisioner
from conformance.provisioner_settings import CommandSettings, signing_seed
from conformance.provisioning.pools import Share
from conformance.provisioning.program import Program, ProgramFailed
from specs.model import Api, Topic
from specs.participants import Participant
from specs.signing import SigningKeyPair
from specs.validation import Validator

FORMAT = 1
_SCHEMA = "schemas/command.schema.json"


@cache
def schema() -> Mapping[str, Any]:
    """Return the schema of the protocol between the suite and a provisioner program."""
    text = resources.files("conformance.provisioning").joinpath(_SCHEMA).read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


@cache
def _validator(name: str) -> Validator:
    return Validator({**schema(), "$ref": f"#/$defs/{name}"})


class CommandProvisioner(Provisioner):
    """Keeps one program running and asks it one thing at a time; a program that fails is started afresh once."""

    def __init__(self, settings: CommandSettings, endpoint: Endpoint, api: Api, share: Share) -> None:
        self._settings = settings
        self._hello = {
            "format": FORMAT,
            "url": endpoint.url,
            "spec": api.name,
            "share": share.index,
            "shares": share.count,
        }
        self._program: Program | None = None
        self._count = 0
        self._lacks: Mapping[str, str] = {}

    def open(self) -> None:
        """Start the program and greet it.

        Raises:
            ConfigurationFaulty: If it cannot be started.
            CannotTest: If it does not answer the greeting as it must.

        """
        self._program = Program(self._settings.argv, self._settings.file.parent)
        try:
            self._lacks = self._exchange("hello", self._hello).get("lacks", {})
        except (ProgramFailed, CannotProvision) as exc:
            raise CannotTest(f"provisioner: {exc}") from exc

    def create_agent(self, participant: Participant, attributes: Mapping[str, Any]) -> Agent:
        """Make an agent (`create_agent`)."""
        key = base64.b64encode(participant.keys.public_key).decode()
        asked = {name: value for name, value in attributes.items() if name != "name"}
        made = self._ask("create_agent", {"name": participant.name, "public_key": key, "attributes": asked})
        keys = participant.keys
        if "seed" in made:
            try:
                keys = SigningKeyPair.from_seed(signing_seed(SecretStr(made["seed"])))
            except ValueError as exc:
                raise CannotProvision(f"{self._settings.argv[0]} answers create_agent with {exc}") from exc
        return Agent(
            Participant(participant.name, made["agent_id"], keys),
            made["agent_id"],
            made.get("owner", ""),
            made.get("api_key", ""),
            made.get("session_token", ""),
        )

    def create_resource(self, family: str, roles: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """Make a resource (`create_resource`)."""
        asked = {"family": family, "roles": dict(roles), "params": dict(params)}
        return str(self._ask("create_resource", asked)["topic"])

    def request(self, event: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Cause something (`cause`)."""
        return self._ask("cause", {"event": event, "payload": dict(payload)})

    def lacks(self, family: Topic) -> str | None:
        """Return what the program says of a family."""
        return self._lacks.get(family.name)

    def release(self) -> None:
        """Tell the program; what it answers changes nothing any more."""
        try:
            self._ask("release", {})
        except CannotProvision:
            return

    def close(self) -> None:
        """End the program."""
        if self._program is not None:
            self._program.close()
            self._program = None

    def _ask(self, request: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask for something, of a fresh program where this one fails.

        Raises:
            CannotProvision: If the program says that it cannot, or answers with what the schema does not allow.
            CannotTest: If a fresh program fails, too.

        """
        try:
            return self._exchange(request, members)
        except ProgramFailed:
            self.close()
        self.open()
        try:
            return self._exchange(request, members)
        except ProgramFailed as exc:
            raise CannotTest(f"provisioner: {exc}") from exc

    def _exchange(self, request: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._program is None:
            raise ProgramFailed(f"{self._settings.argv[0]} does not run")
        self._count += 1
        asked = {"id": self._count, "request": request, **members}
        line = self._program.ask(json.dumps(asked).encode(), self._settings.timeout_s)
        answer = self._read(line, request)
        if "error" in answer:
            raise CannotProvision(f"the provisioner refuses {request}: {answer['error']}")
        return answer["ok"]  # type: ignore[no-any-return]

    def _read(self, line: bytes, request: str) -> Mapping[str, Any]:
        name = self._settings.argv[0]
        try:
            answer = json.loads(line)
        except ValueError as exc:
            shown = line[:100].decode(errors="replace")
            raise ProgramFailed(f"{name} answers {request} with a line that is not JSON: {shown}") from exc
        if not isinstance(answer, dict) or answer.get("id") != self._count:
            raise ProgramFailed(f"{name} answers {request} without its id {self._count}")
        kind = "error" if "error" in answer else f"answer_to_{request}"
        fault = _validator(kind).first_fault(answer)
        if fault is not None:
            raise CannotProvision(f"{name} answers {request} with what the schema does not allow: {fault}")
        return answer
