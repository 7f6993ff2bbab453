"""The means of every standalone file: connections, agents and resources of the control topic, signatures."""

from __future__ import annotations

import json
import os
import secrets
import socket
import ssl
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from nacl.signing import SigningKey
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from conformance.findings.standalone.reading import (
    Event,
    b64,
    canonical,
    event_of,
    part,
    same,
    without,
)

REPRODUCED, NOT_REPRODUCED, COULD_NOT_RUN = 1, 0, 3
Made = TypeVar("Made")


class CannotRun(Exception):
    """The endpoint cannot be reached, or does not give what the conversation needs."""


class WentOtherwise(Exception):
    """What came before did not come now, so that what follows would show nothing."""


class Connection:
    """One WebSocket, and everything that has come on it."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self.endpoint, self.name = endpoint, name
        self.events: list[Event] = []
        self.taken: set[int] = set()
        self.ws: ClientConnection | None = None
        self.is_unreached = False

    def open(self, target: str, headers: dict[str, str]) -> Connection:
        """Open it; what refuses it is the first thing that comes."""
        self.endpoint.show(self.name, "opens", target)
        options: dict[str, Any] = {
            "compression": None,
            "proxy": None,
            "ping_interval": None,
            "max_queue": None,
            "create_connection": tolerant,
        }
        try:
            self.ws = self.endpoint.open.enter_context(
                connect(
                    target,
                    additional_headers=headers,
                    ssl=ssl.create_default_context() if target.startswith("wss:") else None,
                    max_size=None,
                    close_timeout=0.3,
                    **options,
                )
            )
        except InvalidStatus as refusal:
            self.note(Event("HTTP", status=refusal.response.status_code))
        except (OSError, InvalidHandshake, EOFError) as fault:
            self.is_unreached = isinstance(fault, ConnectionRefusedError | socket.gaierror)
            self.note(Event("no answer"))
        return self

    def send(self, message: Any) -> None:
        """Send a message as compact JSON."""
        self.send_text(json.dumps(message, separators=(",", ":"), ensure_ascii=False))

    def send_text(self, data: str | bytes) -> None:
        """Send text as it stands, or bytes in a binary frame."""
        self.endpoint.show(self.name, ">", data)
        if self.ws is not None:
            with suppress(ConnectionClosed):
                self.ws.send(data)

    def send_bytes(self, data: bytes) -> None:
        """Put bytes on the wire that need not be a frame of WebSocket."""
        self.endpoint.show(self.name, "> raw", data)
        if self.ws is not None:
            with suppress(OSError):
                self.ws.socket.sendall(data)

    def ping(self, data: bytes) -> None:
        """Send a ping and wait for its pong."""
        self.endpoint.show(self.name, "> ping", data)
        if self.ws is not None:
            with suppress(ConnectionClosed):
                if self.ws.ping(data).wait(self.endpoint.patience_s):
                    self.note(Event("pong"))

    def close(self) -> None:
        """Close in order."""
        if self.ws is not None:
            self.ws.close()
            self.ws = None

    def drop(self) -> None:
        """Drop the TCP connection."""
        if self.ws is not None:
            self.ws.close_socket()
            self.ws = None

    def read(self, until_s: float) -> bool:
        """Take one more thing that comes; False when there is none in time."""
        if self.ws is None:
            return False
        try:
            self.note(event_of(self.ws.recv(timeout=max(until_s - time.monotonic(), 0))))
        except TimeoutError:
            return False
        except ConnectionClosed as end:
            self.ws = None
            # A plain number: the name that websockets has for some codes is no Python.
            self.note(Event("closed", status=int(end.rcvd.code) if end.rcvd else None))
        return True

    def note(self, event: Event) -> None:
        """Take down what has come."""
        event.at = self.endpoint.steps
        self.events.append(event)
        told = f"{event.event} {event.status or ''}" if event.frame is None else event.frame
        self.endpoint.show(self.name, "<", told if isinstance(told, str | bytes) else json.dumps(told))

    def wait(self, **wanted: Any) -> Any:
        """Wait for what has come before, and return it; each thing that comes is waited for once."""
        until_s = time.monotonic() + self.endpoint.patience_s
        while True:
            for index, event in enumerate(self.events):
                if index not in self.taken and event.matches(wanted):
                    self.taken.add(index)
                    return event.frame
            if self.is_denied(wanted) or not self.read(until_s):
                return self.endpoint.miss(f"{self.name}: nothing has come with {wanted}")

    def comes(self, times: int = 1, **wanted: Any) -> bool:
        """Tell whether something comes so many times, and wait for it where it has not."""
        until_s = time.monotonic() + self.endpoint.patience_s
        while sum(event.matches(wanted) for event in self.events) < times:
            if self.is_denied(wanted) or not self.read(until_s):
                return False
        return True

    def is_denied(self, wanted: dict[str, Any]) -> bool:
        """Tell whether a request was answered otherwise than wanted, so that there is nothing left to wait for."""
        if "ref" not in wanted or "status" not in wanted:
            return False
        answers = [
            event for event in self.events if same(event.ref, wanted["ref"]) and event.status is not None
        ]
        return bool(answers) and not any(event.matches(wanted) for event in answers)

    def nth(self, number: int, **wanted: Any) -> Any:
        """Return the nth message like this, from 1; None where there are not so many."""
        is_there = self.comes(number, **wanted)
        found = [event.frame for event in self.events if event.matches(wanted)]
        return found[number - 1] if is_there else None

    def place(self, **wanted: Any) -> int:
        """Return where the first thing like this stands among all that came."""
        if not self.comes(**wanted):
            self.endpoint.miss(f"{self.name}: nothing has come with {wanted}")
        return next((at for at, event in enumerate(self.events) if event.matches(wanted)), -1)


@dataclass
class Agent:
    """What an agent connects and signs with."""

    key: SigningKey = field(default_factory=SigningKey.generate)
    id: str = ""
    owner: str = ""
    api_key: str = ""
    token: str = ""

    @property
    def public_key(self) -> str:
        """The public key in base64."""
        return b64(bytes(self.key.verify_key))

    def sign(self, data: Any) -> str:
        """Sign the canonical JSON of a value, or bytes as they stand."""
        return b64(self.key.sign(canonical(data)).signature)


class Endpoint:
    """What is tested. Agents and resources come from its control topic, or from the file that WIREPROOF_FIXTURES names.

    That file is JSON: {"agents": {NAME: {"id", "owner", "api_key", "token", "seed"}}, "resources": {NAME: TOPIC}}, with the names of
    the conversation below; a seed is an Ed25519 key in hexadecimal.
    """

    def __init__(self, url: str, control: str, token: str) -> None:
        self.url, self.control, self.token = url, control, token
        self.is_quiet = self.is_lenient = False
        self.patience_s = float(os.environ.get("PATIENCE_S", "2"))
        self.connections: dict[str, Connection] = {}
        self.made: dict[str, Any] = {}
        self.missing: list[str] = []
        self.steps = 0
        path = os.environ.get("WIREPROOF_FIXTURES")
        self.ready: dict[str, dict[str, Any]] = json.loads(Path(path).read_text("utf-8")) if path else {}
        self.open = ExitStack()
        self._operator: Connection | None = None

    def agent(self, name: str, /, **attributes: Any) -> Agent:
        """Make an agent with a fresh key."""
        made, agent = self.ready.get("agents", {}).get(name), Agent()
        if made is None:
            made = self.request("create_agent", {**attributes, "public_key": agent.public_key})
            made = {**made, "id": made.get("agent_id"), "token": made.get("session_token")}
        else:
            agent.key = SigningKey(bytes.fromhex(made["seed"]))
        for member in ("id", "owner", "api_key", "token"):
            setattr(agent, member, str(made.get(member) or ""))
        return self.keep(name, agent)

    def resource(self, name: str, family: str, roles: dict[str, str], params: dict[str, Any]) -> str:
        """Make a resource and return its topic."""
        topic = self.ready.get("resources", {}).get(name)
        asked = {"family": family, "roles": roles, "params": params}
        return self.keep(name, topic or str(self.request("create_resource", asked).get("topic")))

    def unique(self, name: str, prefix: str) -> str:
        """Make a name that nothing else has."""
        return self.keep(name, f"{prefix}-{secrets.token_hex(6)}")

    def keep(self, name: str, value: Made) -> Made:
        """Remember what a name of the conversation stands for."""
        self.made[name] = value
        return value

    def connect(self, name: str, target: str, headers: dict[str, str] | None = None) -> Connection:
        """Open a WebSocket."""
        self.connections[name] = Connection(self, name)
        return self.connections[name].open(self.url + target, headers or {})

    def request(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Ask the control topic for something."""
        operator = self._operator = self._operator or self._joined()
        ref, began = f"{event}-{secrets.token_hex(4)}", len(operator.events)
        operator.send(["1", ref, "control", event, payload])
        until_s, replies = time.monotonic() + 10, operator.events[:0]
        # A reply with another ref is taken where none with the right one follows: that is for the conversation to show.
        while not any(one.ref == ref for one in replies) and operator.read(until_s):
            replies = [one for one in operator.events[began:] if one.event == "phx_reply"]
            until_s = min(until_s, time.monotonic() + 0.25) if replies else until_s
        reply = next((one.frame for one in replies if one.ref == ref), replies[-1].frame if replies else None)
        if part(reply, 4, "status") != "ok":
            told = f"status {part(reply, 4, 'status')}, reason {part(reply, 4, 'response', 'reason')}"
            raise CannotRun(f"the control topic does not do {event}: {told if reply else 'no reply'}")
        response = part(reply, 4, "response")
        return response if isinstance(response, dict) else {}

    def _joined(self) -> Connection:
        if not self.token:
            raise CannotRun("WIREPROOF_CONTROL_TOKEN is not set, the token of the endpoint's operator")
        quiet = Endpoint("", "", "")
        quiet.is_quiet, quiet.open = True, self.open
        operator = Connection(quiet, "operator").open(f"{self.control}{quote(self.token)}&vsn=2.0.0", {})
        operator.send(["1", "1", "control", "phx_join", {}])
        if not operator.comes(event="phx_reply", status="ok"):
            raise CannotRun(f"the control topic at {self.control.partition('?')[0]} cannot be joined")
        return operator

    def miss(self, what: str) -> None:
        """Take down that something has not come."""
        self.missing.append(what)
        if not self.is_lenient:
            raise WentOtherwise(what)

    @property
    def is_unreached(self) -> bool:
        """Whether it was never there."""
        opened = self.connections.values()
        return bool(opened) and all(one.is_unreached for one in opened)

    def show(self, name: str, sign: str, told: str | bytes) -> None:
        """Print a line of the conversation, without credentials."""
        if self.is_quiet:
            return
        text = told if isinstance(told, str) else f"<{len(told)} bytes: {told[:60].hex(' ')}>"
        print(f"{name:>24} {sign} {self.redacted(text)[:300]}", flush=True)  # noqa: T201

    def redacted(self, text: str) -> str:
        """Return a text without the credentials that are known."""
        agents = [agent for agent in self.made.values() if isinstance(agent, Agent)]
        return without(
            [self.token, *(held for agent in agents for held in (agent.api_key, agent.token))], text
        )

    def close(self) -> None:
        """Close every connection."""
        with suppress(OSError):
            self.open.close()


def tolerant(sock: Any, protocol: Any, **options: Any) -> ClientConnection:
    """Return a connection that does without what a server offers unasked."""
    protocol.process_extensions = lambda _headers: []
    protocol.process_subprotocol = lambda _headers: None
    return ClientConnection(sock, protocol, **options)
