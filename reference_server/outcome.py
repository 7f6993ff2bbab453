"""What the channel application decides and what the Phoenix layer then puts on the wire.

The application never touches a connection: it returns an `Outcome`, and the Phoenix layer sends its parts in the order of
`phoenix-wire.md` BC-3: broadcasts, then the reply, then pushes to the channel itself.

What is made for every push has final members rather than a frozen class, which costs four times as much to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from specs.model import Socket, Topic


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is behind a connection."""

    socket: Socket
    agent_id: str
    """The agent; `operator` on the control socket."""

    @property
    def socket_id(self) -> str | None:
        """The id that a disconnect addresses; None where the socket has none."""
        template = self.socket.socket_id
        return None if template is None else template.format(agent_id=self.agent_id)


@dataclass(eq=False, slots=True)
class Channel:
    """One connection's membership of one topic, from the accepted join to its end."""

    topic: str
    family: Topic
    identity: Identity
    role: str = ""
    """The role that the application gave it on join."""
    number: int = 0
    """Unique over all channels of the server; orders them by age."""
    assigns: dict[str, Any] = field(default_factory=dict)
    """What the application keeps for this membership (a presence reference, a subscription)."""


@dataclass(slots=True)
class Broadcast:
    """An event to every channel of a topic, but one."""

    topic: Final[str]
    event: Final[str]
    payload: Final[Any]
    exclude: Final[Channel | None] = None
    only: Final[frozenset[str] | None] = None
    """Only to channels of these roles; None for all."""
    subscribers_of: Final[str | None] = None
    """Only to channels whose `assigns` hold this key; None for all."""


@dataclass(frozen=True, slots=True)
class Push:
    """An event to one channel alone."""

    event: str
    payload: Any


@dataclass(slots=True)
class Outcome:
    """All that follows from a join or an event."""

    status: Final[str] = "ok"
    response: Final[Any] = field(default_factory=dict)
    broadcasts: Final[tuple[Broadcast, ...]] = ()
    """Sent before the reply."""
    pushes: Final[tuple[Push, ...]] = ()
    """Sent to the channel after the reply."""
    late_broadcasts: Final[tuple[Broadcast, ...]] = ()
    """Sent after the reply and before `pushes` (a presence diff after a join)."""
    disconnect: Final[frozenset[str]] = frozenset()
    """Socket ids to disconnect."""


class Application(Protocol):
    """The channel side of the server, as the Phoenix layer calls it."""

    def authenticate(self, socket: Socket, params: Mapping[str, str]) -> Identity | None:
        """Return who connects with these query parameters; None refuses the connection."""

    def join(self, channel: Channel, payload: Any) -> Outcome:
        """Admit a channel (status ok; sets its role) or refuse it (any other status)."""

    def handle(self, channel: Channel, event: str, payload: Any) -> Outcome:
        """Carry out one event. An exception that escapes is a crash of the channel (M-6)."""

    def leave(self, channel: Channel) -> tuple[Broadcast, ...]:
        """Forget a channel that has ended for whatever reason; returns what the others are told."""
