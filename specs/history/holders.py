"""What the checker holds of connections, their memberships and their calls while these are open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from specs.history.facts import Invoked
    from specs.model import Event


@dataclass(slots=True, eq=False)
class Member:
    """A connection on a topic, from one join to the next."""

    connection: str
    agent: str
    asked_at: int
    """Position of the join's invocation in the history."""
    is_first: bool
    """Whether the connection was never on the topic before."""
    steady_from: int | None = None
    """Position from which it surely is on the topic; None before the join's answer and once it may be off."""
    left_at: int | None = None
    """Position at which the endpoint said that it is over."""
    closed_at: int | None = None
    """Position of the first answer to what was sent after that: what is issued later must not arrive."""
    pushes: int = 0
    heard: dict[Member, Call] | None = None
    """The latest call relayed to it, by the membership that sent it; None while there is none."""
    memo: Any = None
    """What a family keeps of it."""


class Call:
    """A push, join or leave, from its invocation on."""

    # There is one of these for every push, and many stay: so they are small, and refer to what is about them for no longer than needed.
    __slots__ = ("accepted_at", "agent", "at", "event", "fact", "index", "item", "member", "memo", "status")

    def __init__(self, at: int, fact: Invoked, agent: str, member: Member | None) -> None:
        self.at = at
        """Position of its invocation in the history."""
        self.fact = fact
        self.agent = agent
        self.member = member
        """Who sent it; None off the topic."""
        self.event: Event | None = None
        """What the documents say of it; None for a join, a leave or what they do not name."""
        self.index = 0
        """Order among the pushes of its member."""
        self.status: str | None = None
        self.accepted_at: int | None = None
        """Position of the first fact that shows its acceptance."""
        self.item: Any = None
        """What it owes to the other members, if anything; None again once it is answered and all that it caused was told."""
        self.memo: Any = None
        """What a family keeps of it, such as how things stood when it was invoked."""

    def precedes(self, other: Call) -> bool:
        """Tell whether it was sent before another one by the same member, whose pushes are taken in order."""
        return self.member is not None and self.member is other.member and self.index < other.index

    @property
    def is_refused(self) -> bool:
        """Whether it surely had no effect."""
        return self.status == "error"


class Connection:
    """A connection that is open."""

    __slots__ = ("agent", "calls", "closing", "members", "name", "number")

    def __init__(self, name: str, agent: str, number: int) -> None:
        self.name = name
        self.agent = agent
        self.number = number
        """Of its latest fact."""
        self.calls: dict[int, Call] = {}
        """Those that are open."""
        self.members: dict[str, Member] = {}
        """By topic, also of topics that it has left."""
        self.closing: tuple[Member, ...] = ()
        """Those that have left and are not closed."""
