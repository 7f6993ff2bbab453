"""Where agents and resources come from: the control topic of the endpoint, or made up for a server that takes anything."""

from __future__ import annotations

import base64
import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlencode

from loadgen.client.agent import Agent
from loadgen.client.calls import CallFailed
from loadgen.client.connection import ENDED
from loadgen.client.site import Site
from loadgen.faults import CannotProvision, CannotTest
from specs.participants import Participant, derive_participant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadgen.client.route import Route
    from loadgen.client.timers import Timers
    from specs.model import Api

VSN: Final = "2.0.0"
CONTROL: Final = "control"
REPLY_S: Final = 60.0
_HUNG_UP: Final = frozenset({ENDED, os.strerror(errno.ECONNRESET)})


@dataclass(frozen=True, slots=True)
class Identity:
    """An agent as the endpoint knows it, with what it needs to connect and to sign."""

    agent_id: str
    owner: str
    participant: Participant
    credentials: Mapping[str, str]

    def query(self, names: frozenset[str]) -> str:
        """Return the query of one way to authenticate."""
        return urlencode({**{name: self.credentials[name] for name in sorted(names)}, "vsn": VSN})


class Provisioner(Protocol):
    """What a scenario may ask for."""

    async def open(self) -> None:
        """Get ready.

        Raises:
            CannotTest: If that is not possible.

        """

    async def create_agent(self, name: str, attributes: Mapping[str, Any]) -> Identity:
        """Make an agent whose keys are those of the name."""

    async def create_resource(self, family: str, roles: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """Make a resource for agents by role; returns its topic."""

    async def request(self, event: str, payload: Mapping[str, Any]) -> Any:
        """Cause something that only an operator can."""

    def close(self) -> None:
        """Give up what is held open."""


class ControlProvisioner:
    """Provisions over the control topic, many requests at a time."""

    def __init__(
        self, api: Api, route: Route, timers: Timers, url: str, token: str, seed: str, run: str
    ) -> None:
        # A site of its own: what is made for a test is no part of what is measured.
        self._site = Site(api, route, timers, reply_s=REPLY_S)
        self._seed, self._run = seed, run
        self._url = url
        path = api.sockets[CONTROL].paths[0]
        query = urlencode({"token": token, "vsn": VSN})
        self._agent = Agent(self._site, 0, f"{url}{path}?{query}", CONTROL)

    async def open(self) -> None:
        """Connect and join.

        Raises:
            CannotTest: If the endpoint cannot be reached, or refuses the token.

        """
        try:
            (await self._agent.connect()).demand()
            (await self._agent.join(CONTROL)).demand()
        except CallFailed as fault:
            self._agent.close()
            raise CannotTest(f"control socket at {self._url}: {self._why(fault.reason)}") from fault

    def _why(self, reason: str) -> str:
        if reason in {"HTTP 401", "HTTP 403"}:
            return f"the control token is refused ({reason})"
        is_plain = self._url.startswith("ws://")
        return f"{reason} (is it wss:// instead of ws://?)" if is_plain and reason in _HUNG_UP else reason

    async def create_agent(self, name: str, attributes: Mapping[str, Any]) -> Identity:
        """Make an agent (`create_agent`)."""
        participant = derive_participant(self._seed, self._run, name)
        key = base64.b64encode(participant.keys.public_key).decode()
        made = await self.request("create_agent", {**attributes, "public_key": key})
        try:
            agent_id, token = made["agent_id"], made["session_token"]
            credentials = {
                "api_key": made["api_key"],
                "session_token": token,
                "agent_id": agent_id,
                "token": token,
            }
        except (TypeError, KeyError) as fault:
            raise CannotProvision("the reply to create_agent lacks an id or credentials") from fault
        return Identity(agent_id, str(made["owner"]), participant, credentials)

    async def create_resource(self, family: str, roles: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """Make a resource (`create_resource`)."""
        made = await self.request("create_resource", {"family": family, "roles": roles, "params": params})
        return str(made["topic"])

    async def request(self, event: str, payload: Mapping[str, Any]) -> Any:
        """Send a control event and return what an ok says."""
        try:
            return (await self._agent.channels[CONTROL].push(event, payload)).demand()
        except CallFailed as fault:
            raise CannotProvision(f"the control topic does not do {event}: {fault.reason}") from fault

    def close(self) -> None:
        """Close the control connection."""
        self._agent.close()


class InventedProvisioner:
    """Makes everything up: for servers that take any credentials and any topic, such as those of benchmarks."""

    def __init__(self, seed: str, run: str) -> None:
        self._seed, self._run = seed, run
        self._count = 0
        self._participant: Participant | None = None

    async def open(self) -> None:
        """Need nothing."""

    async def create_agent(self, name: str, attributes: Mapping[str, Any]) -> Identity:  # noqa: ARG002 - of the protocol
        """Make up an agent; all have the same keys."""
        if self._participant is None:
            self._participant = derive_participant(self._seed, self._run, "anybody")
        agent_id = f"{self._run}-{name}"
        credentials = dict.fromkeys(("api_key", "session_token", "token"), "any") | {"agent_id": agent_id}
        return Identity(agent_id, agent_id, self._participant, credentials)

    async def create_resource(self, family: str, roles: Mapping[str, str], params: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Make up a topic."""
        self._count += 1
        return f"{family}:{self._run}-{self._count}"

    async def request(self, event: str, payload: Mapping[str, Any]) -> Any:  # noqa: ARG002
        """Do nothing."""
        return {}

    def close(self) -> None:
        """Hold nothing."""
