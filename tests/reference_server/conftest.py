"""A marketplace without sockets: agents, resources and joined channels over one application."""

from __future__ import annotations

import asyncio
import base64
import copy
import dataclasses
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from reference_server.application import Application
from reference_server.outcome import Broadcast, Channel, Identity, Outcome
from reference_server.records import Change
from reference_server.store import MemoryStore
from specs.loader import load
from specs.participants import derive_participant
from specs.signing import SigningKeyPair, signed_bytes
from specs.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference_server.assembly import Assembly
    from specs.model import Api, Topic

START = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


@dataclass
class Agent:
    """An agent as a test knows it."""

    id: str
    owner: str
    api_key: str
    session_token: str
    keys: SigningKeyPair


@dataclass
class Seat:
    """An agent's channel on a topic; every outcome is held against the documents."""

    world: World
    agent: Agent | None
    channel: Channel
    joined: Outcome

    def push(self, event: str, **payload: Any) -> Outcome:
        """Send an event."""
        return self.push_raw(event, payload)

    def push_raw(self, event: Any, payload: Any) -> Outcome:
        """Send an event with any payload."""
        outcome = self.world.application.handle(self.channel, event, payload)
        self.world.hold_against_documents(self.channel.family, event, outcome)
        return outcome

    def push_signed(self, event: str, **payload: Any) -> Outcome:
        """Send an event with every signature that it needs, by the right keys."""
        return self.push_raw(event, self.signed(event, **payload))

    def signed(self, event: str, *, keys: SigningKeyPair | None = None, **payload: Any) -> dict[str, Any]:
        """Return a payload with its signatures; `keys` signs in place of everybody."""
        family = self.channel.family
        for signature in family.events[event].signatures:
            data = signed_bytes(signature.over, topic=self.channel.topic, event=event, payload=payload)
            signer = self.agent if signature.signer == "sender" else self.world.party(self, signature.signer)
            payload[signature.member] = (keys or signer.keys).sign(data)
        return payload

    def leave(self) -> tuple[Broadcast, ...]:
        """Leave the topic."""
        return self.world.application.leave(self.channel)


class Watch:
    """The journal of a store; it knows when somebody has changed what the store gave out."""

    def __init__(self) -> None:
        self._as_put: dict[int, tuple[Change, Change]] = {}

    def append(self, changes: Sequence[Change]) -> None:
        """Remember the changes of one transaction as they are now."""
        for change in changes:
            self._as_put[id(change)] = change, copy.deepcopy(change)

    def hold_against_what_was_put(self) -> None:
        """Fail where a record is no longer as it was put."""
        for now, then in self._as_put.values():
            assert now == then, "somebody has changed what the store gave out"

    def __deepcopy__(self, _memo: object) -> Watch:
        return self


@dataclass
class World:
    """One application and everything made in it."""

    api: Api
    seed: int | None = 7
    run: str = ""
    now: datetime = START
    agents: dict[str, Agent] = field(default_factory=dict)
    parties: dict[str, dict[str, Agent]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watch = Watch()
        self.open(MemoryStore(self.watch))

    def open(self, store: MemoryStore) -> None:
        """Begin anew with what a store has."""
        self.application = Application(
            self.api,
            store=store,
            seed=self.seed,
            run=self.run,
            control_token="op",
            now=lambda: self.now,
        )
        identity = self.application.authenticate(self.api.sockets["control"], {"token": "op"})
        assert identity is not None
        self.operator = self.join_as(identity, None, "control")

    def pass_time(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def agent(self, name: str, **attributes: Any) -> Agent:
        """Register an agent under its name."""
        keys = derive_participant(7, "", name).keys
        public_key = base64.b64encode(keys.public_key).decode()
        outcome = self.operator.push("create_agent", agent_id=name, public_key=public_key, **attributes)
        assert outcome.status == "ok", outcome.response
        made = outcome.response
        self.agents[name] = Agent(
            made["agent_id"], made["owner"], made["api_key"], made["session_token"], keys
        )
        return self.agents[name]

    def resource(self, family: str, roles: dict[str, Agent], **params: Any) -> str:
        """Make a resource and return its topic."""
        ids = {role: agent.id for role, agent in roles.items()}
        outcome = self.operator.push("create_resource", family=family, roles=ids, params=params)
        assert outcome.status == "ok", outcome.response
        self.parties[outcome.response["topic"]] = roles
        return outcome.response["topic"]

    def party(self, seat: Seat, role: str) -> Agent:
        """Return the agent of a role on a seat's topic."""
        return self.parties[seat.channel.topic][role]

    def identity(self, agent: Agent, socket: str = "agent") -> Identity:
        """Return the identity that the agent gets on a socket."""
        found = self.application.authenticate(
            self.api.sockets[socket],
            {"agent_id": agent.id, "token": agent.session_token}
            if socket == "user"
            else {"api_key": agent.api_key},
        )
        assert found is not None
        return found

    def join(self, agent: Agent, topic: str, socket: str = "agent", payload: Any = None) -> Seat:
        """Join a topic and return the seat, joined or not."""
        return self.join_as(self.identity(agent, socket), agent, topic, {} if payload is None else payload)

    def join_as(self, identity: Identity, agent: Agent | None, topic: str, payload: Any = None) -> Seat:
        """Join a topic with an identity."""
        family = self.api.route(identity.socket.name, topic)
        assert family is not None
        channel = Channel(topic, family, identity)
        outcome = self.application.join(channel, {} if payload is None else payload)
        if outcome.status == "ok":
            assert Validator(family.join.reply).faults(outcome.response) == []
        self._hold_events_against_documents(family, outcome)
        return Seat(self, agent, channel, outcome)

    def task(self) -> tuple[Seat, Seat]:
        """Make a task and seat its client and its provider."""
        return self._pair("task", "client", "provider")

    def negotiation(self, base_price: str = "100") -> tuple[Seat, Seat]:
        """Make a session and seat its client and its provider."""
        return self._pair("negotiation", "client", "provider", base_price=base_price)

    def payment(self, balance_a: str = "100", balance_b: str = "50") -> tuple[Seat, Seat]:
        """Make a payment channel and seat its parties a and b."""
        return self._pair("payment", "a", "b", balance_a=balance_a, balance_b=balance_b)

    def _pair(self, family: str, first: str, second: str, **params: Any) -> tuple[Seat, Seat]:
        names = [f"{family}-{role}-{len(self.agents)}" for role in (first, second)]
        roles = {role: self.agent(name) for role, name in zip((first, second), names, strict=True)}
        topic = self.resource(family, roles, **params)
        return self.join(roles[first], topic), self.join(roles[second], topic)

    def hold_against_documents(self, family: Topic, event: Any, outcome: Outcome) -> None:
        """Check reply, broadcasts and pushes of an outcome by the documents."""
        row = family.events.get(event) if isinstance(event, str) else None
        if outcome.status == "ok":
            assert row is not None
            assert Validator(row.reply).faults(outcome.response) == []
        else:
            assert outcome == dataclasses.replace(Outcome("error"), response=outcome.response)
            assert row is None or outcome.response["reason"] in {"unknown_event", *_reasons(row)}
        self._hold_events_against_documents(family, outcome)

    def _hold_events_against_documents(self, family: Topic, outcome: Outcome) -> None:
        for sent in (*outcome.broadcasts, *outcome.late_broadcasts):
            target = next(each for each in self.api.topics.values() if each.matches(sent.topic))
            _check_outbound(target, sent.event, sent.payload)
        for push in outcome.pushes:
            _check_outbound(family, push.event, push.payload)
        self.watch.hold_against_what_was_put()


def _reasons(row: Any) -> set[str]:
    return {"invalid_payload", *row.errors}


def _check_outbound(family: Topic, event: str, payload: Any) -> None:
    assert Validator(family.outbound()[event].payload).faults(payload) == []


class Serving:
    """A server of an assembly in the event loop of another thread; whatever that loop complains of is kept."""

    def __init__(self, assembly: Assembly, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.assembly = assembly
        self.complaints: list[dict[str, Any]] = []
        self._loop_factory = loop_factory
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        self._stop = asyncio.Event()
        self.server = await self.assembly.start()
        self._is_up.set()
        await self._stop.wait()
        await self.server.close()

    def __enter__(self) -> Serving:
        self._thread.start()
        assert self._is_up.wait(10.0)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10.0)


@pytest.fixture
def serve_in_thread() -> Iterator[Callable[..., Serving]]:
    """Start servers of assemblies; none of their loops may complain."""
    with ExitStack() as stack:
        started: list[Serving] = []

        def start(assembly: Assembly, loop_factory: Any = asyncio.new_event_loop) -> Serving:
            started.append(stack.enter_context(Serving(assembly, loop_factory)))
            return started[-1]

        yield start
    assert [serving.complaints for serving in started] == [[]] * len(started)


@pytest.fixture(scope="session")
def api() -> Api:
    """Return the shipped protocol."""
    return load()


@pytest.fixture
def world(api: Api) -> World:
    """Return an empty marketplace."""
    return World(api)


@pytest.fixture
def make_world(api: Api) -> Any:
    """Return a maker of marketplaces, over the shipped or other documents."""

    def make(other: Api | None = None, **settings: Any) -> World:
        return World(api if other is None else other, **settings)

    return make
