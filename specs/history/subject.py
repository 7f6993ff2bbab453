"""What the documents alone say of a topic: its members, its states, and what each push makes known to whom.

A family of topics with a meaning of its own is a subclass; what it judges besides stands in the `on_...` methods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from specs.history.deliveries import Deliveries, Key, Kind
from specs.history.holders import Call, Connection, Member
from specs.history.lifecycle import Entry, Lifecycle, States

if TYPE_CHECKING:
    from collections.abc import Mapping

    from specs.history.facts import Answered, Fact, Made, Received, Settled
    from specs.history.findings import Findings
    from specs.model import Event, Topic


@dataclass(frozen=True, slots=True)
class Route:
    """An inbound event, and what it makes known."""

    event: Event
    kind: Kind | None
    next_state: str | None


class Outline:
    """What the documents say of a family, prepared once for all its topics."""

    def __init__(self, family: Topic, subject: type[Subject]) -> None:
        self.family = family
        self.subject = subject
        self.states = States(family)
        self.routes: dict[str, Route] = {}
        self.told: dict[str, Kind] = {}
        """What may arrive, by event."""
        for event in family.inbound():
            kind = self._relay(event) if event.relay is not None else self._broadcast(event)
            self.routes[event.event] = Route(event, kind, event.next_state)
            if kind is not None:
                self.told[kind.event] = kind

    def _relay(self, event: Event) -> Kind:
        rule = event.rules.get("relay")
        # What is optional may be filled in on its way.
        members = tuple(event.payload.get("required", ()))
        collapses = event.event in self.subject.COLLAPSING
        order = self.subject.ORDER if collapses else None
        refused = event.rules.get("refusal")
        return Kind(
            event.event,
            members,
            rule,
            rule,
            rule,
            refused,
            order,
            may_collapse=collapses,
            missing_on_one=self.subject.EVERY_CONNECTION or rule,
        )

    def _broadcast(self, event: Event) -> Kind | None:
        if not event.broadcasts or not (event.next_state or event.event in self.subject.KEYED):
            return None
        missing = None if event.sender_may_miss_broadcast else event.rules.get("broadcast")
        doubled = self.subject.DOUBLED or "broadcast/once-per-channel"
        refused = event.rules.get("refusal")
        return Kind(
            event.broadcasts[0],
            (),
            missing,
            doubled,
            self.subject.UNSENT,
            refused,
            is_broadcast=True,
            missing_on_one="broadcast/once-per-channel",
            state=self.states.causes.get(event.broadcasts[0]),
            number=self.subject.NUMBER,
        )


class Subject:
    """One topic of a history."""

    # Sessions come and go with every few pushes, so that a topic is cheap to begin; what most never need is made when it is needed.
    __slots__ = (
        "deliveries",
        "family",
        "findings",
        "insiders",
        "lifecycle",
        "looks",
        "members",
        "outline",
        "roles",
        "topic",
    )

    COLLAPSING: ClassVar[tuple[str, ...]] = ()
    """Events whose repetitions need not be relayed again."""
    KEYED: ClassVar[tuple[str, ...]] = ()
    """Events without a next state whose every push is told by a broadcast."""
    NUMBER: ClassVar[str | None] = None
    """The member of pushes and broadcasts whose whole number says what belongs together."""
    EVERY_CONNECTION: ClassVar[str | None] = None
    """The requirement that a relay reaches every connection of an agent, where it is one of its own."""
    ORDER: ClassVar[str | None] = None
    DOUBLED: ClassVar[str | None] = None
    UNSENT: ClassVar[str | None] = None

    def __init__(self, topic: str, outline: Outline, findings: Findings) -> None:
        self.topic = topic
        self.outline = outline
        self.family = outline.family
        self.findings = findings
        self.lifecycle = Lifecycle(topic, outline.states, findings)
        self.deliveries = Deliveries(topic, findings)
        self.members: dict[str, Member] = {}
        """Those that are or may be on the topic, by connection."""
        self.roles: Mapping[str, str] = {}
        self.insiders: frozenset[str] = frozenset()
        """The agents that have a role; nobody where that is not known."""
        self.looks = 0
        """How many joins are open."""

    # What a family may add.

    def snapshot(self) -> Any:
        """Return how things surely stand, for the judgement of what is invoked now."""

    def on_made(self, fact: Made) -> None:
        """Take the resource as it was made."""

    def on_invoked(self, call: Call, event: str, payload: Any) -> None:
        """Take a push that the documents know."""

    def on_accepted(self, call: Call, fact: Fact) -> None:
        """Judge a push once it was surely accepted."""

    def on_ok(self, call: Call, fact: Answered) -> None:
        """Judge a push that is answered by ok."""

    def on_refused(self, call: Call, fact: Answered) -> None:
        """Take a push that surely had no effect."""

    def on_received(
        self, member: Member | None, fact: Received, event: str, payload: Any, key: Key | None
    ) -> None:
        """Judge what arrives besides relays; `key` tells it from others of its event, where the documents have it told."""

    def on_look(self, call: Call, then: Any, response: Mapping[str, Any], fact: Answered) -> None:
        """Judge what the answer to a join tells; `then` is the snapshot of its invocation."""

    def on_joining(self, member: Member, former: Member | None) -> None:
        """Take a membership that begins, after a former one of the same connection."""

    def on_joined(self, member: Member) -> None:
        """Take a membership that is let in."""

    def on_gone(self, member: Member, at: int) -> None:
        """Take the end of a membership."""

    def on_settled(self, fact: Settled) -> None:
        """Judge what is missing, and forget what is done."""

    # What is the same for all.

    def made(self, fact: Made) -> None:
        """Take a new resource."""
        self.roles = fact.roles
        self.insiders = frozenset(fact.roles.values())
        self.lifecycle.is_fresh = True
        self.deliveries.begin()
        self.on_made(fact)

    def invoked(self, call: Call, name: str, payload: Any) -> None:
        """Take a push, of which the event's name and the payload are given."""
        route = self.outline.routes.get(name)
        if route is None:
            return
        call.event = route.event
        member = call.member
        if member is not None:
            call.index = member.pushes
            member.pushes += 1
        if route.next_state is not None:
            self.lifecycle.invoked(route.next_state)
        kind = route.kind
        if kind is not None:
            self.deliveries.caused(kind, kind.key(payload), call)
        self.on_invoked(call, name, payload)

    def answered(self, call: Call, at: int, fact: Answered) -> None:
        """Take the outcome of a push."""
        status = call.status = fact[4]
        event = call.event
        if event is None or status == "unknown":
            return
        if status == "ok":
            if call.accepted_at is None:
                self.accept(call, event, at, fact)
            self.on_ok(call, fact)
            return
        if event.next_state is not None:
            self.lifecycle.refused(event.next_state)
        self.deliveries.refused(call, fact)
        self.on_refused(call, fact)

    def accept(self, call: Call, event: Event, at: int, fact: Fact) -> None:
        """Take a push that was not yet known to be accepted for accepted, at the first fact that shows it."""
        call.accepted_at = at
        if call.member is None:
            rule, expected = (
                "malformed/push-unjoined-unmatched",
                "no push is taken on a topic that is not joined",
            )
            self.findings.accuse(
                rule, self.topic, expected, f"{event.event} is", call.fact, fact, about=call.at
            )
        if event.next_state is not None or self.lifecycle.latest is not None:
            self.lifecycle.accepted(call, event, at, fact)
        self.on_accepted(call, fact)

    def received(self, connection: Connection, fact: Received, at: int, event: str, payload: Any) -> None:
        """Judge an event that arrives, of which the name and the payload are given."""
        member = connection.members.get(self.topic)
        if member is None:
            expected = "nothing on a topic that was never joined"
            self.findings.accuse("broadcast/joined-only", self.topic, expected, event, fact)
        if self.insiders and connection.agent not in self.insiders:
            rule = f"{self.family.name}/no-relay-to-outsider"
            self.findings.accuse(rule, self.topic, "nothing reaches an outsider", event, fact)
        kind, key = self.outline.told.get(event), None
        if kind is not None:
            key = kind.key(payload)
            cause = self.deliveries.arrived(kind, key, member, fact, self)
            if cause is not None:
                if member is not None and member.closed_at is not None and member.closed_at < cause.at:
                    self._accuse_late(member, cause, fact)
                if cause.accepted_at is None and cause.event is not None and cause.status != "error":
                    self.accept(cause, cause.event, at, fact)
            if kind.state is not None:
                self.lifecycle.learned(kind.state, at, fact)
        self.on_received(member, fact, event, payload, key)

    def doubled(self, _fact: Received) -> str | None:
        """Return the requirement that a second arrival of a broadcast breaks, where it is another than usual."""
        return None

    def _accuse_late(self, member: Member, cause: Call, fact: Received) -> None:
        rule, expected = (
            "broadcast/joined-only",
            f"nothing of what is sent after {member.connection} has left",
        )
        self.findings.accuse(rule, self.topic, expected, fact.event, cause.fact, fact, about=cause.at)

    def join_asked(self, connection: Connection, call: Call) -> None:
        """Take a join: from now on an earlier one may be over."""
        former = connection.members.get(self.topic)
        member = Member(connection.name, connection.agent, call.at, former is None)
        if former is not None:
            self._gone(former, call.at)
        call.member = connection.members[self.topic] = self.members[connection.name] = member
        call.memo = (self.lifecycle.latest, self.snapshot())
        self.looks += 1
        self.on_joining(member, former)

    def join_answered(self, call: Call, at: int, fact: Answered) -> None:
        """Take the answer to a join, and judge what it tells."""
        member = call.member
        self.looks -= 1
        if member is None or fact.status == "unknown":
            return
        if fact.status == "error":
            self.gone(member, at)
        elif self.members.get(member.connection) is member:
            member.steady_from = at
            self.on_joined(member)
        if fact.status == "ok" and isinstance(fact.response, dict):
            before: tuple[Entry | None, Any] = call.memo
            status_member = self.outline.states.status_member
            shown = fact.response.get(status_member) if status_member else None
            if isinstance(shown, dict):
                self.lifecycle.looked(shown.get("status"), before[0], at, fact, call.fact)
            self.on_look(call, before[1], fact.response, fact)

    def leave_asked(self, member: Member) -> None:
        """Take a leave: from now on the membership may be over."""
        member.steady_from = None

    def gone(self, member: Member, at: int) -> None:
        """Take the end of a membership."""
        if self.members.get(member.connection) is member:
            del self.members[member.connection]
            self._gone(member, at)

    @property
    def is_left(self) -> bool:
        """Whether nobody is on it, nor is about to be."""
        return not (self.members or self.looks)

    def settled(self, fact: Settled) -> None:
        """Judge what is missing, now that everything has arrived."""
        self.deliveries.settle(self.members.values(), fact)
        self.on_settled(fact)

    def _gone(self, member: Member, at: int) -> None:
        member.steady_from = None
        self.on_gone(member, at)
