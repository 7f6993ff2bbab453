"""What the server remembers, as frozen values.

Members typed `Any` or as mappings hold JSON only, so that a store may keep them as text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

PENDING = "pending"
ACKNOWLEDGED = "acknowledged"
REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Agent:
    """A participant of the marketplace."""

    id: str
    name: str
    owner: str
    api_key: str = field(repr=False)
    session_token: str = field(repr=False)
    public_key: bytes
    """Ed25519, 32 bytes; empty where the agent has none and so cannot sign."""
    capabilities: tuple[str, ...] = ()
    status: str = "online"
    reputation: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resource:
    """What a topic is about: a task, a negotiation session, a payment channel, or anything that documents name."""

    family: str
    id: str
    topic: str
    state: str
    roles: Mapping[str, str]
    """Agent id by role."""
    inserted_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the handlers of the family keep, small; what grows stands in entries beside it."""
    executed_nonce: int = 0
    """The highest nonce that was carried out; 0 for none."""
    pending_nonces: tuple[int, ...] = ()

    @property
    def highest_nonce(self) -> int:
        """The nonce that the next one must exceed (`reading.md` section 7)."""
        return max((self.executed_nonce, *self.pending_nonces))


@dataclass(frozen=True, slots=True)
class Entry:
    """One numbered value of a collection that belongs to a resource."""

    topic: str
    collection: str
    number: int
    value: Any
    """JSON; None where the entry is removed."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message addressed to an agent."""

    id: str
    type: str
    payload: Any
    from_agent_id: str
    to_agent_id: str
    protocol_version: str
    inserted_at: datetime
    number: int = 0
    """Rises with each message of the store; orders those of the same instant."""
    status: str = PENDING
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that the analytics count."""

    kind: str
    """`task_completed`, `task_failed`, `task_cancelled` or `transfer_executed`."""
    at: datetime
    agents: tuple[str, ...]
    """Whom it is counted for."""
    amount: Decimal = Decimal(0)
    family: str = ""


Change: TypeAlias = Agent | Resource | Entry | Message | Happening
"""A record as it is from now on."""
