"""Where the server keeps its records: one interface, and the implementation in memory.

A record that a store gives out is for reading only: a change is a new record that is put in its place, and what is put in is
copied, so that it stays the caller's. Every change is made within a transaction; one that ends by an exception leaves no trace.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from reference_server.identifiers import credential_digest
from reference_server.records import PENDING, Agent, Change, Entry, Happening, Message, Resource
from reference_server.transaction import OutsideTransaction, Transaction
from reference_server.weights import Weights, weight_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

K = TypeVar("K")
V = TypeVar("V")
_ATOMS = frozenset({str, int, float, bool, type(None)})
RecordT = TypeVar("RecordT", Agent, Resource, Message)


class Store(Protocol):
    """All that the application asks of its storage."""

    def transaction(self) -> AbstractContextManager[None]:
        """Keep all changes made inside, or none when an exception leaves the block. Transactions do not nest."""

    def agent(self, agent_id: str) -> Agent | None:
        """Return the agent of that id."""

    def agent_by_api_key(self, api_key: str) -> Agent | None:
        """Return the agent whose API key may be this one; the caller compares the credential itself."""

    def agent_by_session_token(self, session_token: str) -> Agent | None:
        """Return the agent whose session token may be this one; the caller compares the credential itself."""

    def agents_of_owner(self, owner: str) -> Sequence[Agent]:
        """Return an owner's agents, by id."""

    def agents_with_capability(self, capability: str) -> Sequence[Agent]:
        """Return the agents that have a capability, by id."""

    def count_agents(self) -> int:
        """Count all agents."""

    def put_agent(self, agent: Agent) -> None:
        """Insert an agent, or replace the one of the same id."""

    def resource(self, family: str, resource_id: str) -> Resource | None:
        """Return a resource by family and id."""

    def resource_by_topic(self, topic: str) -> Resource | None:
        """Return the resource that a topic is about."""

    def count_resources(self, family: str) -> int:
        """Count the resources of a family."""

    def put_resource(self, resource: Resource) -> None:
        """Insert a resource, or replace the one of the same topic."""

    def entry(self, topic: str, collection: str, number: int) -> Any | None:
        """Return one entry of a collection that belongs to a resource; None for no such entry."""

    def entries(self, topic: str, collection: str) -> Sequence[tuple[int, Any]]:
        """Return a collection's entries by rising number."""

    def entries_bytes(self, topic: str, collection: str) -> int:
        """Return how much a collection takes up, for a limit on it: `weight_bytes` of each entry, added up."""

    def put_entry(self, topic: str, collection: str, number: int, value: Any) -> None:
        """Insert or replace an entry; its value is JSON other than null."""

    def delete_entry(self, topic: str, collection: str, number: int) -> None:
        """Remove an entry, if it is there."""

    def message(self, message_id: str) -> Message | None:
        """Return the message of that id."""

    def pending_messages(self, agent_id: str) -> Sequence[Message]:
        """Return the messages to an agent that it has neither acknowledged nor rejected, oldest first."""

    def next_message_number(self) -> int:
        """Return the number for the next message."""

    def put_message(self, message: Message) -> None:
        """Insert a message, or replace the one of the same id."""

    def happenings(self, since: datetime) -> Sequence[Happening]:
        """Return what has happened from that instant on, oldest first."""

    def add_happening(self, happening: Happening) -> None:
        """Note something that has happened."""


class Journal(Protocol):
    """Takes what each transaction has changed, so that it outlives the process."""

    def append(self, changes: Sequence[Change]) -> None:
        """Take the changes of one transaction, in their order: all of them or, by raising, none.

        What it has taken must not follow what becomes of the records afterwards.
        """


class MemoryStore:
    """A store that ends with the process; it undoes a failed transaction from a log.

    Args:
        journal: Is given the changes of every transaction that succeeds and changes anything; what it refuses is undone.

    """

    def __init__(self, journal: Journal | None = None) -> None:
        self.journal = journal
        self._changes: list[Change] = []
        self._undo: list[Callable[[], object]] | None = None
        self._agents: dict[str, Agent] = {}
        self._by_api_key: dict[bytes, str] = {}
        self._by_session_token: dict[bytes, str] = {}
        self._by_owner: dict[str, dict[str, None]] = {}
        self._by_capability: dict[str, dict[str, None]] = {}
        self._resources: dict[str, Resource] = {}
        self._topics: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._entries: defaultdict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
        self._weights = Weights()
        self._messages: dict[str, Message] = {}
        self._inboxes: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._happenings: list[Happening] = []

    def transaction(self) -> AbstractContextManager[None]:
        """Keep all changes made inside, or none when an exception leaves the block."""
        return Transaction(self._begin, self._end)

    def agent(self, agent_id: str) -> Agent | None:
        """Return the agent of that id."""
        return self._agents.get(agent_id)

    def agent_by_api_key(self, api_key: str) -> Agent | None:
        """Return the agent whose API key may be this one."""
        return self.agent(self._by_api_key.get(credential_digest(api_key), ""))

    def agent_by_session_token(self, session_token: str) -> Agent | None:
        """Return the agent whose session token may be this one."""
        return self.agent(self._by_session_token.get(credential_digest(session_token), ""))

    def agents_of_owner(self, owner: str) -> Sequence[Agent]:
        """Return an owner's agents, by id."""
        return [self._agents[agent_id] for agent_id in sorted(self._by_owner.get(owner, ()))]

    def agents_with_capability(self, capability: str) -> Sequence[Agent]:
        """Return the agents that have a capability, by id."""
        return [self._agents[agent_id] for agent_id in sorted(self._by_capability.get(capability, ()))]

    def count_agents(self) -> int:
        """Count all agents."""
        return len(self._agents)

    def put_agent(self, agent: Agent) -> None:
        """Insert an agent, or replace the one of the same id."""
        former = self._agents.get(agent.id)
        if former is not None:
            self._remove(self._by_api_key, credential_digest(former.api_key))
            self._remove(self._by_session_token, credential_digest(former.session_token))
            self._leave(self._by_owner, former.owner, agent.id)
            for capability in former.capabilities:
                self._leave(self._by_capability, capability, agent.id)
        self._keep(self._agents, agent.id, _own_agent(agent))
        self._set(self._by_api_key, credential_digest(agent.api_key), agent.id)
        self._set(self._by_session_token, credential_digest(agent.session_token), agent.id)
        self._enter(self._by_owner, agent.owner, agent.id)
        for capability in agent.capabilities:
            self._enter(self._by_capability, capability, agent.id)

    def resource(self, family: str, resource_id: str) -> Resource | None:
        """Return a resource by family and id."""
        topic = self._topics[family].get(resource_id) if family in self._topics else None
        return None if topic is None else self.resource_by_topic(topic)

    def resource_by_topic(self, topic: str) -> Resource | None:
        """Return the resource that a topic is about."""
        return self._resources.get(topic)

    def count_resources(self, family: str) -> int:
        """Count the resources of a family."""
        return len(self._topics.get(family, ()))

    def put_resource(self, resource: Resource) -> None:
        """Insert a resource, or replace the one of the same topic."""
        self._keep(self._resources, resource.topic, _own_resource(resource))
        self._set(self._topics[resource.family], resource.id, resource.topic)

    def entry(self, topic: str, collection: str, number: int) -> Any | None:
        """Return one entry of a collection that belongs to a resource; None for no such entry."""
        return self._entries.get((topic, collection), {}).get(number)

    def entries(self, topic: str, collection: str) -> Sequence[tuple[int, Any]]:
        """Return a collection's entries by rising number."""
        found = self._entries.get((topic, collection), {})
        return [(number, found[number]) for number in sorted(found)]

    def entries_bytes(self, topic: str, collection: str) -> int:
        """Return how much a collection takes up, for a limit on it: `weight_bytes` of each entry, added up."""
        found = self._entries.get((topic, collection), {})
        return self._weights.total_bytes((topic, collection), found.values())

    def put_entry(self, topic: str, collection: str, number: int, value: Any) -> None:
        """Insert or replace an entry; its value is JSON other than null."""
        self._weigh(topic, collection, number, value)
        kept = own_copy(value)
        self._set(self._entries[topic, collection], number, kept)
        self._changes.append(Entry(topic, collection, number, kept))

    def delete_entry(self, topic: str, collection: str, number: int) -> None:
        """Remove an entry, if it is there."""
        self._weigh(topic, collection, number, None)
        if number in self._entries.get((topic, collection), {}):
            self._remove(self._entries[topic, collection], number)
            self._changes.append(Entry(topic, collection, number, None))

    def message(self, message_id: str) -> Message | None:
        """Return the message of that id."""
        return self._messages.get(message_id)

    def pending_messages(self, agent_id: str) -> Sequence[Message]:
        """Return the messages to an agent that it has neither acknowledged nor rejected, oldest first."""
        found = [self._messages[message_id] for message_id in self._inboxes.get(agent_id, ())]
        found.sort(key=lambda message: message.number)
        return found

    def next_message_number(self) -> int:
        """Return the number for the next message."""
        return len(self._messages) + 1

    def put_message(self, message: Message) -> None:
        """Insert a message, or replace the one of the same id."""
        self._keep(self._messages, message.id, replace(message, payload=own_copy(message.payload)))
        inbox = self._inboxes[message.to_agent_id]
        if message.status == PENDING:
            self._set(inbox, message.id, None)
        else:
            self._remove(inbox, message.id)

    def happenings(self, since: datetime) -> Sequence[Happening]:
        """Return what has happened from that instant on, oldest first."""
        start = bisect.bisect_left(self._happenings, since, key=lambda happening: happening.at)
        return self._happenings[start:]

    def add_happening(self, happening: Happening) -> None:
        """Note something that has happened."""
        # The wall clock may step back; the list stays sorted all the same.
        at = bisect.bisect_right(self._happenings, happening.at, key=lambda other: other.at)
        self._log(lambda: self._happenings.pop(at))
        self._happenings.insert(at, happening)
        self._changes.append(happening)

    def _begin(self) -> None:
        if self._undo is not None:
            raise OutsideTransaction("transactions do not nest")
        self._undo = []

    def _end(self, *, is_kept: bool) -> None:
        undo: Sequence[Callable[[], object]] = self._undo or ()
        try:
            if is_kept:
                self._hand_over()
                undo = ()
        finally:
            for step in reversed(undo):
                step()
            self._undo = None
            self._changes.clear()

    def _hand_over(self) -> None:
        if self.journal is not None and self._changes:
            self.journal.append(tuple(self._changes))

    def _weigh(self, topic: str, collection: str, number: int, value: Any) -> None:
        key = (topic, collection)
        more_bytes = weight_bytes(value) - weight_bytes(self._entries.get(key, {}).get(number))
        self._log(lambda: self._weights.add(key, -more_bytes))
        self._weights.add(key, more_bytes)

    def _log(self, step: Callable[[], object]) -> None:
        if self._undo is None:
            raise OutsideTransaction("changes are made in a transaction")
        self._undo.append(step)

    def _keep(self, table: dict[str, RecordT], key: str, record: RecordT) -> None:
        self._set(table, key, record)
        self._changes.append(record)

    def _set(self, table: dict[K, V], key: K, value: V) -> None:
        if key in table:
            former = table[key]
            self._log(lambda: table.__setitem__(key, former))
        else:
            self._log(lambda: table.pop(key))
        table[key] = value

    def _remove(self, table: dict[K, V], key: K) -> None:
        if key in table:
            former = table[key]
            self._log(lambda: table.__setitem__(key, former))
            del table[key]

    def _enter(self, index: dict[K, dict[str, None]], key: K, member: str) -> None:
        if key not in index:
            self._set(index, key, {})
        self._set(index[key], member, None)

    def _leave(self, index: dict[K, dict[str, None]], key: K, member: str) -> None:
        # An empty group is dropped: names that agents make up would pile up.
        members = index.get(key, {})
        self._remove(members, member)
        if not members:
            self._remove(index, key)


def own_copy(value: Any) -> Any:
    """Copy a JSON value so that nobody else holds its arrays and objects."""
    # Of millions of values most are neither, and a call for each would keep everybody waiting.
    if isinstance(value, dict):
        return {key: member if type(member) in _ATOMS else own_copy(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [element if type(element) in _ATOMS else own_copy(element) for element in value]
    return value


def _own_agent(agent: Agent) -> Agent:
    return replace(agent, metadata=own_copy(agent.metadata))


def _own_resource(resource: Resource) -> Resource:
    return replace(resource, roles=dict(resource.roles), data=own_copy(resource.data))
