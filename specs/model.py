"""The protocol as values: what the documents under `documents/` say, after loading.

Everything here is frozen. Reading and checking the files is `loader`'s and `lint`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One sentence of the protocol that an endpoint can obey or break."""

    id: str
    level: str
    """MUST, SHOULD or MAY (RFC 2119)."""
    basis: str
    """stated, phoenix, derived or interpreted (`reading.md` section 1)."""
    text: str
    source: str
    on: str = "server"
    """Whom it binds: server or client."""
    checks: tuple[str, ...] = ()
    """Globs of the ids of the cases that cover it."""
    excluded: str | None = None
    """Why no case covers it, where none does."""

    @property
    def is_binding(self) -> bool:
        """Whether a server that breaks it fails without `--strict`."""
        return self.level == "MUST" and self.basis != "interpreted"


@dataclass(frozen=True, slots=True)
class Socket:
    """Where a socket is mounted and which query parameters authenticate."""

    name: str
    summary: str
    paths: tuple[str, ...]
    credentials: tuple[frozenset[str], ...]
    identity: str
    """agent or operator."""
    socket_id: str | None
    source: str
    rules: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Role:
    """A part that a participant plays on a topic."""

    name: str
    origin: str
    """resource, any, topic_agent, same_owner, topic_owner or operator."""
    summary: str


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a fixture: a push by a participant, or a request on the control topic."""

    payload: Mapping[str, Any]
    by: str | None = None
    event: str | None = None
    control: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A state of a topic's resource."""

    name: str
    summary: str
    terminal: bool
    reason: str
    """The error reason of an event that this state does not take."""
    reach: tuple[Step, ...]
    """How a fresh fixture gets here."""
    rule: str | None = None
    """The requirement that taking an event here breaks; the event's own rule where None."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A member of a payload that holds an Ed25519 signature."""

    member: str
    signer: str
    """`sender`, or the role whose key must have signed."""
    over: Mapping[str, str]
    """Template of the signed object: `$topic`, `$event`, `$payload.<member>` or a literal."""


@dataclass(frozen=True, slots=True)
class Nonce:
    """A member of a payload that holds a nonce, and the rule that it obeys."""

    member: str
    rule: str
    """`increasing` (above all executed or pending ones) or `pending` (names a pending proposal)."""


@dataclass(frozen=True, slots=True)
class Relay:
    """The event is sent on to the other participants with its payload and `add`."""

    to: str
    add: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a topic: direction, senders, states, payload, reply, effect."""

    event: str
    direction: str
    """in (client to server), out (server to client) or in_out (relayed)."""
    summary: str
    source: str
    payload: Schema
    reply: Schema
    roles: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    relay: Relay | None = None
    broadcasts: tuple[str, ...] = ()
    sender_may_miss_broadcast: bool = False
    """Whether the source leaves open that the sender gets the broadcasts, too."""
    next_state: str | None = None
    consumes: bool = False
    is_query: bool = False
    """Whether it asks only, and changes nothing for anybody."""
    signatures: tuple[Signature, ...] = ()
    nonce: Nonce | None = None
    setup: tuple[Step, ...] = ()
    impossible_in: tuple[str, ...] = ()
    """States that cannot be reached once the setup has been performed."""
    samples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pushed_on_join: bool = False
    rules: Mapping[str, str] = field(default_factory=dict)
    """Requirement id by rule kind, with the topic's defaults filled in."""

    @property
    def is_inbound(self) -> bool:
        """Whether a client may send it."""
        return self.direction != "out"

    @property
    def is_repeatable(self) -> bool:
        """Whether an accepted push may be followed by another on the same fixture."""
        return self.next_state is None and not self.consumes


@dataclass(frozen=True, slots=True)
class Join:
    """Who may join a topic, with what, and what comes back."""

    roles: tuple[str, ...]
    payload: Schema
    reply: Schema
    errors: tuple[str, ...]
    rules: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fixture:
    """What must exist before the topic can be exercised, and who takes part."""

    create: str
    """`resource` (made by the provisioner) or `nothing`."""
    params: Schema
    values: Mapping[str, Any]
    variable: str | None
    cast: Mapping[str, str]
    """Role by participant name."""
    agents: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic family."""

    name: str
    pattern: str
    socket: str
    order: int
    summary: str
    source: str
    roles: Mapping[str, Role]
    states: Mapping[str, State]
    initial_state: str
    fixture: Fixture
    join: Join
    presence: bool
    events: Mapping[str, Event]
    rules: Mapping[str, str]

    @property
    def prefix(self) -> str:
        """The pattern up to its variable; the whole pattern where it has none."""
        return self.pattern.partition("{")[0]

    @property
    def has_variable(self) -> bool:
        """Whether the pattern ends in a variable."""
        return "{" in self.pattern

    def matches(self, topic: str) -> bool:
        """Tell whether a topic string belongs to this family (`phoenix-wire.md` J-7)."""
        return topic.startswith(self.prefix) if self.has_variable else topic == self.pattern

    def variable_of(self, topic: str) -> str | None:
        """Return what stands in the place of the pattern's variable; None where it has none."""
        return topic[len(self.prefix) :] if self.has_variable else None

    def topic_of(self, variable: str | None) -> str:
        """Return the topic string for a value of the variable."""
        return self.pattern if variable is None or not self.has_variable else self.prefix + variable

    def inbound(self) -> tuple[Event, ...]:
        """Return the events that a client may send, in the order of the document."""
        return tuple(event for event in self.events.values() if event.is_inbound)

    def answer_rule(self, event: Event) -> str:
        """Return the requirement that an event is answered at all; its own may be about what the reply holds."""
        return self.rules.get("reply", event.rules["reply"])

    def outbound(self) -> Mapping[str, Event]:
        """Return the events that the server may send, by name."""
        return {name: event for name, event in self.events.items() if event.direction != "in"}


@dataclass(frozen=True, slots=True)
class Protocol:
    """What carries the topics: the frames of each serializer and the events that every channel has."""

    name: str
    summary: str
    source: str
    serializers: Mapping[str, Mapping[str, Schema]]
    """Schemas of text frames by serializer version, then by side (`server`, `client`)."""
    events: Mapping[str, Event]


@dataclass(frozen=True, slots=True)
class Limit:
    """How much a client may take up of something, and what it sees beyond that."""

    name: str
    value: float
    unit: str
    summary: str
    beyond: str
    maximum: float | None = None
    """The highest value that a server can keep; None for any."""
    close_code: int | None = None
    """Of the WebSocket close beyond it, where there is one."""
    status: int | None = None
    """Of the HTTP response beyond it, where there is one."""
    reason: str | None = None
    """Of the error reply beyond it, where there is one."""


@dataclass(frozen=True, slots=True)
class Api:
    """The whole protocol."""

    name: str
    version: str
    summary: str
    source: str
    protocol: Protocol
    sockets: Mapping[str, Socket]
    topics: Mapping[str, Topic]
    """By name, in document order."""
    requirements: Mapping[str, Requirement]
    limits: Mapping[str, Limit] = field(default_factory=dict)
    """By name; what is not here is as in the shipped documents."""

    def topics_of(self, socket: str) -> tuple[Topic, ...]:
        """Return the topic families of a socket, in routing order."""
        return tuple(topic for topic in self.topics.values() if topic.socket == socket)

    def route(self, socket: str, topic: str) -> Topic | None:
        """Return the first family of the socket that matches the topic string; None for no match."""
        return next((family for family in self.topics_of(socket) if family.matches(topic)), None)
