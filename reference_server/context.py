"""What the effect of a join or an event sees and may do.

Changes of records go to the store at once, inside the caller's transaction. Everything else is only collected here and
takes place after the transaction has succeeded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from reference_server.limits import Limits
from reference_server.outcome import Broadcast, Channel, Push
from reference_server.records import Agent, Happening, Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reference_server.identifiers import Identifiers
    from reference_server.store import Store
    from specs.model import Api, Event, Topic


class Refused(Exception):
    """The event or join is refused; `reason` and `detail` make the error response."""

    def __init__(self, reason: str, **detail: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail

    @property
    def response(self) -> dict[str, Any]:
        """The response of the error reply."""
        return {"reason": self.reason, **self.detail}


TOO_MUCH_STORED = "too_much_stored"


class UndocumentedEvent(AssertionError):
    """The server was about to send an event that the documents do not let it send there."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is the same for every join and event of an application."""

    api: Api
    store: Store
    identifiers: Identifiers
    check_params: Callable[[Topic, Any], Mapping[str, Any]]
    """Returns the params of a new resource of a family if they fit; refuses them otherwise."""
    creations: Mapping[str, Callable[[Context, Mapping[str, Any]], Mapping[str, Any]]]
    """Turns the params of a new resource into its first data, by topic family."""
    limits: Limits


@dataclass(eq=False, init=False, slots=True)
class Context:
    """One join or event while it is carried out."""

    surroundings: Surroundings
    now: datetime
    channel: Channel
    payload: Mapping[str, Any]
    resource: Resource
    """What the topic is about, as the store has it; a fresh one where the topic needs no resource."""
    event: Event | None
    """None during a join."""
    is_relayed: bool
    """Whether an accepted event goes to the others as its document says; an effect may turn it off for a repetition."""
    broadcasts: list[Broadcast]
    pushes: list[Push]
    assigns: dict[str, Any]
    presence_changes: dict[str, Any]
    disconnects: set[str]

    # By hand: one is made for every push, and a generated constructor with default factories takes twice as long.
    def __init__(
        self,
        surroundings: Surroundings,
        now: datetime,
        channel: Channel,
        payload: Mapping[str, Any],
        resource: Resource,
        event: Event | None = None,
    ) -> None:
        self.surroundings = surroundings
        self.now = now
        self.channel = channel
        self.payload = payload
        self.resource = resource
        self.event = event
        self.is_relayed = True
        self.broadcasts = []
        self.pushes = []
        self.assigns = {}
        self.presence_changes = {}
        self.disconnects = set()

    @property
    def api(self) -> Api:
        """The protocol."""
        return self.surroundings.api

    @property
    def store(self) -> Store:
        """Where records are kept."""
        return self.surroundings.store

    @property
    def limits(self) -> Limits:
        """How much may be kept."""
        return self.surroundings.limits

    @property
    def identifiers(self) -> Identifiers:
        """Where new ids and credentials come from."""
        return self.surroundings.identifiers

    @property
    def agent_id(self) -> str:
        """Who sends."""
        return self.channel.identity.agent_id

    @property
    def role(self) -> str:
        """The sender's role on the topic."""
        return self.channel.role

    @property
    def family(self) -> Topic:
        """The topic family."""
        return self.channel.family

    @property
    def variable(self) -> str:
        """What stands in the place of the topic's variable; empty where it has none."""
        return self.family.variable_of(self.channel.topic) or ""

    def require_room(self, wanted: int, most: int) -> None:
        """Refuse the event where it would make the server keep more than a limit allows."""
        if wanted > most:
            raise Refused(TOO_MUCH_STORED)

    def agent(self) -> Agent:
        """Return the sender's record; refuses with `unauthorized` where it has none."""
        agent = self.store.agent(self.agent_id)
        if agent is None:
            raise Refused("unauthorized")
        return agent

    def save(self, **changes: Any) -> None:
        """Change members of the resource's data."""
        self.put(replace(self.resource, data={**self.resource.data, **changes}))

    def put(self, resource: Resource) -> None:
        """Replace the topic's resource."""
        self.store.put_resource(resource)
        self.resource = resource

    def happened(self, kind: str, agents: tuple[str, ...], amount: Decimal = Decimal(0)) -> None:
        """Note what the analytics count."""
        self.store.add_happening(Happening(kind, self.now, agents, amount, self.family.name))

    def broadcast(self, event: str, payload: Mapping[str, Any]) -> None:
        """Send an event to everyone on the topic; it is one of those that the document names for this event."""
        if self.event is None or event not in self.event.broadcasts:
            raise UndocumentedEvent(f"{event} is no documented broadcast here")
        self.broadcasts.append(Broadcast(self.channel.topic, event, payload))

    def send(
        self,
        family: Topic,
        topic: str,
        event: str,
        payload: Mapping[str, Any],
        subscribers_of: str | None = None,
    ) -> None:
        """Send an event to another topic, to all there or to those subscribed."""
        _require_outbound(family, event)
        self.broadcasts.append(Broadcast(topic, event, payload, subscribers_of=subscribers_of))

    def push(self, event: str, payload: Mapping[str, Any]) -> None:
        """Send an event to the sender's own channel, after the reply."""
        _require_outbound(self.family, event)
        self.pushes.append(Push(event, payload))

    def assign(self, key: str, value: Any) -> None:
        """Remember something for as long as the sender's channel lives."""
        self.assigns[key] = value


def _require_outbound(family: Topic, event: str) -> None:
    if event not in family.outbound():
        raise UndocumentedEvent(f"{event} is no event that the server sends on {family.pattern}")


def instant(at: datetime) -> str:
    """Write an instant in UTC as ISO 8601, to the microsecond, ending in Z."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
