"""A scripted endpoint on a real socket, and the means to work against it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from conformance.endpoint import Endpoint, Profile, Timeouts
from conformance.faults import CannotProvision
from conformance.fixtures.lab import Bench, Lab
from conformance.fixtures.provision import Agent, Provisioner
from specs.loader import load
from specs.message import HEARTBEAT, PHX_ERROR, PHX_JOIN, PHX_LEAVE, Frame, Message, reply
from specs.model import Api
from specs.participants import Participant
from specs.serializer import V2

REPLY_S = 0.25
SERIALIZER = V2()


@dataclass(frozen=True, slots=True)
class Reaction:
    """What the scripted endpoint does about one push."""

    answer: str = "ok"
    """ok, error, crash, silence, close or wrong-ref."""
    response: Any = None
    relays: int = 0
    """How often the push goes to the other connections of the topic."""
    altered: Mapping[str, Any] = field(default_factory=dict)
    """Members laid over the relayed payload."""
    events: tuple[tuple[str, Any], ...] = ()
    """What goes to everyone on the topic."""
    frames: tuple[str, ...] = ()
    """Text frames that go to the sender as they stand, before the answer."""


class ScriptedEndpoint:
    """Lets everybody join everything, and reacts to each push as its script says.

    The script holds the reactions to an event in turn; the last one stays in force.
    """

    def __init__(self, script: Mapping[str, list[Reaction]]) -> None:
        self._script = {event: list(reactions) for event, reactions in script.items()}
        self._members: dict[ServerConnection, dict[Any, Any]] = {}
        self._lock = threading.Lock()
        self._server: Server = serve(self._converse, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def close(self) -> None:
        """Stop, and end all connections."""
        self._server.shutdown()
        for connection in tuple(self._members):
            connection.close()
        self._thread.join()

    def _converse(self, connection: ServerConnection) -> None:
        self._members[connection] = {}
        with suppress(ConnectionClosed):
            for text in connection:
                message = SERIALIZER.decode_client(Frame(str(text).encode(), is_text=True))
                with self._lock:
                    self._receive(connection, message)
        self._members.pop(connection, None)

    def _receive(self, connection: ServerConnection, message: Message) -> None:
        if message.event == PHX_JOIN:
            self._members[connection][message.topic] = message.join_ref
            self._answer(connection, message, Reaction())
        elif message.event in {HEARTBEAT, PHX_LEAVE}:
            join_ref = None if message.event == HEARTBEAT else message.join_ref
            self._send(connection, reply(join_ref, message.ref, message.topic, "ok", {}))
        else:
            self._react(connection, message, self._next(message.event))

    def _next(self, event: str) -> Reaction:
        reactions = self._script.get(event, [Reaction()])
        return reactions.pop(0) if len(reactions) > 1 else reactions[0]

    def _react(self, connection: ServerConnection, message: Message, reaction: Reaction) -> None:
        on_topic = [other for other, topics in self._members.items() if message.topic in topics]
        for other in on_topic:
            if other is not connection and reaction.relays:
                relayed = Message(
                    None, None, message.topic, message.event, {**message.payload, **reaction.altered}
                )
                for _ in range(reaction.relays):
                    self._send(other, relayed)
            for event, payload in reaction.events:
                self._send(other, Message(None, None, message.topic, event, payload))
        for frame in reaction.frames:
            connection.send(frame)
        self._answer(connection, message, reaction)

    def _answer(self, connection: ServerConnection, message: Message, reaction: Reaction) -> None:
        match reaction.answer:
            case "crash":
                join_ref = self._members[connection].pop(message.topic)
                self._send(connection, Message(join_ref, join_ref, message.topic, PHX_ERROR, {}))
            case "close":
                connection.close(1011)
            case "wrong-ref":
                before = str(int(message.ref) - 1)
                self._send(connection, reply(message.join_ref, before, message.topic, "ok", {}))
            case "ok" | "error":
                default: Any = {} if reaction.answer == "ok" else {"reason": "no"}
                response = default if reaction.response is None else reaction.response
                self._send(
                    connection,
                    reply(message.join_ref, message.ref, message.topic, reaction.answer, response),
                )

    @staticmethod
    def _send(connection: ServerConnection, message: Message) -> None:
        with suppress(ConnectionClosed):
            connection.send(SERIALIZER.encode_server(message).data.decode())


class InventingProvisioner(Provisioner):
    """Gives out agents and topics that nobody had to make."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._made = 0

    def create_agent(self, participant: Participant, attributes: Mapping[str, Any]) -> Agent:
        """Make an agent up."""
        return Agent(
            participant,
            participant.agent_id,
            str(attributes.get("owner", f"owner of {participant.agent_id}")),
            f"key-of-{participant.agent_id}",
            f"token-of-{participant.agent_id}",
        )

    def create_resource(self, family: str, roles: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """Make a topic up."""
        self._made += 1
        return self._api.topics[family].topic_of(f"made-{self._made}")

    def request(self, event: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse; there is no operator."""
        raise CannotProvision(f"nobody can {event}")

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture(scope="session")
def api() -> Api:
    """The shipped documents."""
    return load()


@pytest.fixture
def react() -> type[Reaction]:
    """The reactions of a scripted endpoint."""
    return Reaction


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedEndpoint]]:
    """Start scripted endpoints: `scripted(event=[reactions])`."""
    with ExitStack() as stack:

        def start(**script: list[Reaction]) -> ScriptedEndpoint:
            endpoint = ScriptedEndpoint(script)
            stack.callback(endpoint.close)
            return endpoint

        yield start


@pytest.fixture
def bench_at(api: Api) -> Callable[..., Bench]:
    """Make the bench of a run against a URL."""

    def make(url: str = "ws://127.0.0.1:9", **timeouts: float) -> Bench:
        timeouts = {"reply_s": REPLY_S, "connect_s": 2.0, "case_s": 10.0, **timeouts}
        endpoint = Endpoint(url=url, profile=Profile(timeouts=Timeouts(**timeouts)))
        return Bench(api, endpoint, InventingProvisioner(api), 1, "test")

    return make


@pytest.fixture
def lab_at(bench_at: Callable[..., Bench]) -> Iterator[Callable[..., Lab]]:
    """Make the lab of one attempt against a scripted endpoint; its connections are closed after the test."""
    with ExitStack() as stack:

        def make(endpoint: ScriptedEndpoint, **timeouts: float) -> Lab:
            lab = Lab(bench_at(endpoint.url, **timeouts), "test/case", 1)
            stack.callback(lab.close)
            return lab

        yield make
