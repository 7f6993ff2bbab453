"""What was done and what came back in an attempt, with exact values: enough to do the same again with other ones.

Unlike a transcript, which people read, steps hold credentials. They stay in memory and go into no file as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class AgentMade:
    """An agent of the provisioner's."""

    name: str
    attributes: Mapping[str, Any]
    agent_id: str
    owner: str
    api_key: str
    session_token: str
    public_key: bytes
    secrets: tuple[str, ...] = ()
    """What must be shown nowhere."""


@dataclass(frozen=True, slots=True)
class StrangerMade:
    """A key pair that belongs to no agent."""

    name: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class ResourceMade:
    """A resource of the provisioner's."""

    family: str
    roles: Mapping[str, str]
    params: Mapping[str, Any]
    topic: str


@dataclass(frozen=True, slots=True)
class Caused:
    """What only an operator can cause."""

    event: str
    payload: Mapping[str, Any]
    response: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NameMade:
    """A name that nothing else has."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature."""

    public_key: bytes
    data: bytes
    signature: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A handshake, and how it ended."""

    connection: int
    name: str
    url: str
    headers: Mapping[str, str]
    status: int | None = None
    """Of the HTTP response that refused it; 0 where there was none, None where the connection is open."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of HTTP by hand, and the status of its answer."""

    method: str
    url: str
    headers: Mapping[str, str]
    status: int | None


@dataclass(frozen=True, slots=True)
class Sent:
    """Something that was put on a connection."""

    connection: int
    kind: Literal["text", "binary", "fragments", "ping", "bytes"]
    parts: tuple[bytes, ...]
    """More than one for fragments."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that the case has taken from a connection."""

    connection: int
    data: bytes
    is_text: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a connection by the other side."""

    connection: int
    code: int | None


@dataclass(frozen=True, slots=True)
class LetGo:
    """The end of a connection by this side."""

    connection: int
    how: Literal["close", "drop", "half_close", "reset"]
    """By the closing handshake, or only of TCP: dropped, told that no more comes, reset."""


@dataclass(frozen=True, slots=True)
class Waited:
    """A time in which nothing came."""

    seconds: float


Step: TypeAlias = (
    AgentMade
    | StrangerMade
    | ResourceMade
    | Caused
    | NameMade
    | Signed
    | Opened
    | Asked
    | Sent
    | Arrived
    | Ended
    | LetGo
    | Waited
)
