"""Feeds the facts of a history to the models of its topics, one by one; findings come as they arise.

A fact costs the same wherever it stands. What is kept is bounded by what is open: calls, memberships, and what happened on a topic
since it was last settled (of that the latest 10,000 things told); and of the topics that are over and that everybody has left,
the latest 1,000. What was forgotten is no longer judged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from specs.history.facts import Answered, Ended, Fact, Invoked, Left, Made, Opened, Received, Settled
from specs.history.findings import Finding, Findings
from specs.history.holders import Call, Connection, Member
from specs.history.messages import Messages
from specs.history.negotiation import Negotiation
from specs.history.payment import Payment
from specs.history.presence import Presence
from specs.history.subject import Outline, Subject
from specs.history.task import Task
from specs.message import PHX_JOIN, PHX_LEAVE

if TYPE_CHECKING:
    from specs.model import Api, Topic

_SUBJECTS: Final[dict[str, type[Subject]]] = {
    "task": Task,
    "negotiation": Negotiation,
    "payment": Payment,
    "messages": Messages,
}


_OF_MEMBERSHIP: Final = frozenset({PHX_JOIN, PHX_LEAVE})
FINISHED: Final = 1_000
"""Topics that are kept though they are over and everybody has left, in case somebody comes back."""


class MalformedHistory(ValueError):
    """The facts are no history: a fault of whoever recorded them, never of the endpoint."""


class Checker:
    """Judges one history by the documents of one protocol.

    Args:
        api: The protocol. Topics that it does not describe are not judged; nor is a rule whose requirement it does not have.
        sink: Is called with each finding; they are kept in `findings` all the same.

    """

    def __init__(self, api: Api, sink: Callable[[Finding], object] | None = None) -> None:
        self.findings: list[Finding] = []
        self._sink = sink
        self._findings = Findings(api.requirements, self._found)
        outlines = [Outline(family, _subject_of(family)) for family in api.topics.values()]
        self._variable = [(each.family.prefix, each) for each in outlines if each.family.has_variable]
        self._fixed = {each.family.pattern: each for each in outlines if not each.family.has_variable}
        self._subjects: dict[str, Subject | None] = {}
        self._finished: deque[Subject] = deque()
        self._connections: dict[str, Connection] = {}
        self._at = 0
        self._takes: dict[type[Any], Callable[[Any], None]] = {
            Made: self._made,
            Opened: self._opened,
            Invoked: self._invoked,
            Answered: self._answered,
            Received: self._received,
            Left: self._left,
            Ended: self._ended,
            Settled: self._settled,
        }

    def feed(self, fact: Fact) -> None:
        """Take the next fact.

        Raises:
            MalformedHistory: If it names a connection that is not open or a call that was not invoked, opens a connection
                twice, or its number does not rise.

        """
        self._at += 1
        self._takes[type(fact)](fact)

    def feed_all(self, facts: Iterable[Fact]) -> list[Finding]:
        """Take facts one by one and return all findings so far."""
        takes = self._takes
        for fact in facts:
            self._at += 1
            takes[type(fact)](fact)
        return self.findings

    def _found(self, finding: Finding) -> None:
        self.findings.append(finding)
        if self._sink is not None:
            self._sink(finding)

    def _subject(self, topic: str) -> Subject | None:
        if topic in self._subjects:
            return self._subjects[topic]
        outline = self._fixed.get(topic)
        for prefix, each in self._variable:
            if topic.startswith(prefix):
                outline = each
                break
        subject = None if outline is None else outline.subject(topic, outline, self._findings)
        self._subjects[topic] = subject
        return subject

    # Where facts are many, its work is done without a call of it, unless something is wrong.
    def _connection(self, fact: Invoked | Answered | Received | Left | Ended) -> Connection:
        connection = self._connections.get(fact.connection)
        if connection is None:
            raise MalformedHistory(f"fact {self._at} names {fact.connection!r}, which is not open")
        if fact.number <= connection.number:
            raise MalformedHistory(f"fact {self._at} has the number {fact.number} behind {connection.number}")
        connection.number = fact.number
        return connection

    def _made(self, fact: Made) -> None:
        subject = self._subject(fact.topic)
        if subject is not None:
            subject.made(fact)

    def _opened(self, fact: Opened) -> None:
        if fact.connection in self._connections:
            raise MalformedHistory(f"fact {self._at} opens {fact.connection!r} a second time")
        self._connections[fact.connection] = Connection(fact.connection, fact.agent, fact.number)

    def _invoked(self, fact: Invoked) -> None:
        name, number, topic, key, event, payload, _ = fact
        connection = self._connections.get(name)
        if connection is None or number <= connection.number:
            connection = self._connection(fact)
        connection.number = number
        if key in connection.calls:
            raise MalformedHistory(f"fact {self._at} invokes call {key} a second time")
        member = connection.members.get(topic)
        call = connection.calls[key] = Call(self._at, fact, connection.agent, member)
        subject = self._subjects.get(topic) or self._subject(topic)
        if subject is None:
            return
        if event == PHX_JOIN:
            subject.join_asked(connection, call)
        elif event == PHX_LEAVE:
            if member is not None:
                subject.leave_asked(member)
        else:
            subject.invoked(call, event, payload)

    def _answered(self, fact: Answered) -> None:
        name, number, _, key, status, _, _ = fact
        connection = self._connections.get(name)
        if connection is None or number <= connection.number:
            connection = self._connection(fact)
        connection.number = number
        call = connection.calls.pop(key, None)
        if call is None:
            raise MalformedHistory(f"fact {self._at} answers call {key}, which is not open")
        if connection.closing and status != "unknown":
            self._close(connection, call)
        asked = call.fact
        event, subject = asked[4], self._subjects.get(asked[2])
        if subject is None or event in _OF_MEMBERSHIP:
            self._end(call, fact)
        else:
            subject.answered(call, self._at, fact)

    def _close(self, connection: Connection, call: Call) -> None:
        closed = [each for each in connection.closing if each.left_at is not None and each.left_at < call.at]
        for member in closed:
            member.closed_at = self._at
        connection.closing = tuple(each for each in connection.closing if each not in closed)

    def _end(self, call: Call, fact: Answered) -> None:
        event, subject = call.fact.event, self._subjects.get(call.fact.topic)
        if subject is None:
            return
        if event == PHX_JOIN:
            subject.join_answered(call, self._at, fact)
            member = call.member
            if member is not None and member.is_first and fact.status == "error":
                # Who was not let in was never there.
                self._forget(member, call.fact)
        elif event == PHX_LEAVE:
            if call.member is not None and fact.status == "ok":
                self._gone(subject, call.member)
        else:
            subject.answered(call, self._at, fact)

    def _forget(self, member: Member, join: Invoked) -> None:
        members = self._connections[join.connection].members
        if members.get(join.topic) is member:
            del members[join.topic]

    def _received(self, fact: Received) -> None:
        name, number, topic, event, payload, _ = fact
        connection = self._connections.get(name)
        if connection is None or number <= connection.number:
            connection = self._connection(fact)
        connection.number = number
        subject = self._subjects.get(topic) or self._subject(topic)
        if subject is not None:
            subject.received(connection, fact, self._at, event, payload)

    def _left(self, fact: Left) -> None:
        connection = self._connection(fact)
        member, subject = connection.members.get(fact.topic), self._subjects.get(fact.topic)
        if subject is not None and member is not None:
            self._gone(subject, member)
            if member.left_at is None:
                member.left_at = self._at
                connection.closing = (*connection.closing, member)

    def _ended(self, fact: Ended) -> None:
        connection = self._connection(fact)
        for call in connection.calls.values():
            self._end(
                call, Answered(fact.connection, fact.number, call.fact.topic, call.fact.call, "unknown")
            )
        for topic, member in connection.members.items():
            # Nothing arrives there any more; members that have heard each other are not to keep each other.
            member.heard = None
            subject = self._subjects.get(topic)
            if subject is not None:
                self._gone(subject, member)
        del self._connections[fact.connection]

    def _gone(self, subject: Subject, member: Member) -> None:
        subject.gone(member, self._at)
        if subject.is_left and subject.lifecycle.is_over:
            self._finished.append(subject)
            if len(self._finished) > FINISHED:
                oldest = self._finished.popleft()
                if oldest.is_left and self._subjects.get(oldest.topic) is oldest:
                    del self._subjects[oldest.topic]

    def _settled(self, fact: Settled) -> None:
        subject = self._subjects.get(fact.topic)
        if subject is None:
            return
        subject.settled(fact)


def _subject_of(family: Topic) -> type[Subject]:
    return Presence if family.presence else _SUBJECTS.get(family.name, Subject)
