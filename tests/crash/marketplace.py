"""A server that is killed and started again on the same directory, and what the load needs of it."""

from __future__ import annotations

import base64
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specs.participants import derive_participant
from specs.signing import SigningKeyPair
from tests.crash.phoenix import Client, Told

TOKEN = "operator-token-of-the-crash-test"
READY = "wireproof serve: listening on "
FILE = "ledger.sqlite3"


@dataclass
class Agent:
    """An agent with its keys and credentials."""

    id: str
    keys: SigningKeyPair
    api_key: str
    session_token: str


@dataclass
class Marketplace:
    """The server, whoever is connected to it, and what was found to be wrong."""

    directory: Path
    command: tuple[str, ...]
    options: tuple[str, ...]
    random: random.Random
    findings: list[str] = field(default_factory=list)
    confirmed: int = 0
    """How many effects clients have seen."""
    sockets: list[Client] = field(default_factory=list)

    def start(self) -> None:
        """Start the server."""
        self.process = subprocess.Popen(
            [sys.executable, *self.command, "--port", "0", "--data", str(self.directory), *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "WIREPROOF_CONTROL_TOKEN": TOKEN,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith(READY):
            raise AssertionError(f"the server did not start: {self.process.communicate()[1]}")
        self.url = line.removeprefix(READY).strip()

    def kill(self) -> None:
        """End the server without any warning; it must have had nothing to say."""
        self.process.kill()
        _, said = self.process.communicate()
        self.hold(not said, f"the server said {said!r}")

    async def clear(self) -> None:
        """Drop all connections."""
        for client in self.sockets:
            await client.close()
        self.sockets.clear()

    async def client(self, agent: Agent, told: Told = lambda *_: None) -> Client:
        """Connect an agent."""
        return self._known(await Client.open(f"{self.url}/socket/websocket", told, api_key=agent.api_key))

    async def inbox_client(self, agent: Agent, told: Told) -> Client:
        """Connect an agent for its messages."""
        url = f"{self.url}/user_socket/websocket"
        return self._known(await Client.open(url, told, agent_id=agent.id, token=agent.session_token))

    async def join_control(self) -> None:
        """Connect as the operator."""
        self.operator = self._known(await Client.open(f"{self.url}/control/websocket", token=TOKEN))
        await self.operator.join("control")

    async def agent(self, name: str) -> Agent:
        """Register an agent."""
        keys = derive_participant(7, "crash", name).keys
        key = base64.b64encode(keys.public_key).decode()
        made = await self.operator.push("control", "create_agent", {"agent_id": name, "public_key": key})
        return Agent(name, keys, made["api_key"], made["session_token"])

    async def resource(self, family: str, roles: dict[str, Agent], **params: Any) -> str:
        """Make a resource and return its topic."""
        ids = {role: agent.id for role, agent in roles.items()}
        made = await self.operator.push(
            "control", "create_resource", {"family": family, "roles": ids, "params": params}
        )
        return str(made["topic"])

    def hold(self, is_so: bool, finding: str) -> None:
        """Note a finding where something is not so."""
        if not is_so:
            self.findings.append(finding)

    def seen(self, *_: Any) -> None:
        """Count an effect that a client was told of."""
        self.confirmed += 1

    def _known(self, client: Client) -> Client:
        self.sockets.append(client)
        return client


class File:
    """What stands in a copy of the ledger of a killed server."""

    def __init__(self, directory: Path, scratch: Path) -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(directory, scratch)
        self._path = scratch / FILE

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        """Return the rows of a query."""
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(query, parameters).fetchall()

    def is_whole(self) -> bool:
        """Tell whether SQLite finds nothing wrong."""
        return self.rows("PRAGMA integrity_check") == [("ok",)]
