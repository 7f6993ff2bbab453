"""Records as rows, and rows as records.

Texts of rows are made when a transaction ends, not when they are written: what becomes of a record later cannot reach them.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from reference_server.ledger.format import TOTAL
from reference_server.records import Agent, Change, Entry, Happening, Message, Resource
from specs import json_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Statement: TypeAlias = "tuple[str, tuple[Any, ...]]"
"""SQL and its parameters."""

_MOST_INTEGER = 2**63 - 1
_SUM = "sum"
"""What every row begins with."""


def _upsert(table: str, keys: Sequence[str], others: Sequence[str]) -> str:
    names = (_SUM, *keys, *others)
    changed = ", ".join(f"{name} = excluded.{name}" for name in (_SUM, *others))
    # Names come from this module alone.
    insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
    return f"{insert} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changed}"


_AGENT = [
    "name",
    "owner",
    "api_key",
    "session_token",
    "public_key",
    "capabilities",
    "status",
    "reputation",
    "price",
    "metadata",
]
_RESOURCE = ["family", "id", "state", "roles", "inserted_at", "data", "executed_nonce", "pending_nonces"]
_MESSAGE = [
    "number",
    "type",
    "payload",
    "from_agent_id",
    "to_agent_id",
    "protocol_version",
    "inserted_at",
    "status",
    "reason",
]
_HAPPENING = ["kind", "at", "agents", "amount", "family"]

_PUT_AGENT = _upsert("agents", ["id"], _AGENT)
_PUT_RESOURCE = _upsert("resources", ["topic"], _RESOURCE)
_PUT_ENTRY = _upsert("entries", ["topic", "collection", "number"], ["value"])
_DELETE_ENTRY = "DELETE FROM entries WHERE topic = ? AND collection = ? AND number = ?"
_PUT_MESSAGE = _upsert("messages", ["id"], _MESSAGE)
_ADD_HAPPENING = "INSERT INTO happenings (sum, kind, at, agents, amount, family) VALUES (?, ?, ?, ?, ?, ?)"


def statements_of(changes: Iterable[Change]) -> list[Statement]:
    """Return what writes the changes of one transaction; of several states of one record the last.

    Raises:
        NotJson: If a member that holds JSON holds something else.

    """
    latest: dict[Any, Change] = {}
    for change in changes:
        key = _KEYS[type(change)](change)
        latest.pop(key, None)
        latest[key] = change
    return [_STATEMENTS[type(change)](change) for change in latest.values()]


def _written(sql: str, *values: Any) -> Statement:
    return sql, (row_sum(values), *values)


def row_sum(values: Iterable[str | bytes | int | None]) -> int:
    """Return the sum that a row of these values begins with; it stands in files, so it is never to change.

    Example:
        >>> row_sum(["a", 7, None])
        1851176312

    """
    return zlib.crc32(b"\0".join(map(_raw, values)))


def _raw(value: str | bytes | int | None) -> bytes:
    if value is None:
        return b"\xff"
    return value if isinstance(value, bytes) else str(value).encode()


def _of_agent(agent: Agent) -> Statement:
    return _written(
        _PUT_AGENT,
        agent.id,
        agent.name,
        agent.owner,
        agent.api_key,
        agent.session_token,
        agent.public_key,
        _text(agent.capabilities),
        agent.status,
        str(agent.reputation),
        str(agent.price),
        _text(agent.metadata),
    )


def _of_resource(resource: Resource) -> Statement:
    return _written(
        _PUT_RESOURCE,
        resource.topic,
        resource.family,
        resource.id,
        resource.state,
        _text(resource.roles),
        _instant(resource.inserted_at),
        _text(resource.data),
        _number(resource.executed_nonce),
        _text(resource.pending_nonces),
    )


def _of_entry(entry: Entry) -> Statement:
    key = (entry.topic, entry.collection, _number(entry.number))
    return (_DELETE_ENTRY, key) if entry.value is None else _written(_PUT_ENTRY, *key, _text(entry.value))


def _of_message(message: Message) -> Statement:
    return _written(
        _PUT_MESSAGE,
        message.id,
        message.number,
        message.type,
        _text(message.payload),
        message.from_agent_id,
        message.to_agent_id,
        message.protocol_version,
        _instant(message.inserted_at),
        message.status,
        message.reason,
    )


def _of_happening(happening: Happening) -> Statement:
    return _written(
        _ADD_HAPPENING,
        happening.kind,
        _instant(happening.at),
        _text(happening.agents),
        str(happening.amount),
        happening.family,
    )


_STATEMENTS: Mapping[type, Callable[[Any], Statement]] = {
    Agent: _of_agent,
    Resource: _of_resource,
    Entry: _of_entry,
    Message: _of_message,
    Happening: _of_happening,
}
_KEYS: Mapping[type, Callable[[Any], Any]] = {
    Agent: lambda agent: (Agent, agent.id),
    Resource: lambda resource: (Resource, resource.topic),
    Entry: lambda entry: (Entry, entry.topic, entry.collection, entry.number),
    Message: lambda message: (Message, message.id),
    # Two equal happenings are two.
    Happening: lambda _: object(),
}


class Rows:
    """The rows of a ledger as records; a subclass may remember otherwise.

    Args:
        connection: Reads a ledger of the newest version.

    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def records(self) -> Iterator[Change]:
        """Yield every record, each kind in the order in which it came about.

        Raises:
            sqlite3.Error: If a table cannot be read.
            UnreadableRow: If a row is no record, or not what was written; names the table and its key.

        """
        kinds: Sequence[tuple[str, str, Callable[..., Change]]] = (
            ("agents", _selected("agents", ["id", *_AGENT]), self.agent),
            ("resources", _selected("resources", ["topic", *_RESOURCE]), self.resource),
            ("entries", _selected("entries", ["topic", "collection", "number", "value"]), self.entry),
            ("messages", _selected("messages", ["id", *_MESSAGE], "number"), self.message),
            ("happenings", _selected("happenings", _HAPPENING, "number"), self.happening),
        )
        total = 0
        for table, query, read in kinds:
            for written, *row in self._connection.execute(query):
                try:
                    record = read(*row)
                except (ValueError, TypeError, ArithmeticError) as exc:
                    raise UnreadableRow(f"a row of the table {table} is unreadable ({row[0]!a})") from exc
                if written is not None and written != row_sum(row):
                    raise UnreadableRow(f"a row of the table {table} is not what was written ({row[0]!a})")
                total += written or 0
                yield record
        if self._connection.execute("SELECT value FROM meta WHERE name = ?", (TOTAL,)).fetchone() != (total,):
            raise UnreadableRow("some rows are missing, or older than others")

    def agent(self, *row: Any) -> Agent:
        """Read an agent."""
        agent_id, name, owner, api_key, token, key, capabilities, status, reputation, price, metadata = row
        known = tuple(_strings(capabilities))
        amounts = (Decimal(reputation), Decimal(price))
        return Agent(agent_id, name, owner, api_key, token, key, known, status, *amounts, _object(metadata))

    def resource(self, *row: Any) -> Resource:
        """Read a resource."""
        topic, family, resource_id, state, roles, inserted_at, data, executed_nonce, pending_nonces = row
        return Resource(
            family=family,
            id=resource_id,
            topic=topic,
            state=state,
            roles=_object(roles),
            inserted_at=_read_instant(inserted_at),
            data=_object(data),
            executed_nonce=int(executed_nonce),
            pending_nonces=tuple(map(int, json_text.decode(pending_nonces))),
        )

    def entry(self, topic: str, collection: str, number: int | str, value: str) -> Entry:
        """Read an entry of a collection."""
        return Entry(topic, collection, int(number), json_text.decode(value))

    def message(self, *row: Any) -> Message:
        """Read a message."""
        message_id, number, kind, payload, sender, addressee, version, inserted_at, status, reason = row
        return Message(
            id=message_id,
            type=kind,
            payload=json_text.decode(payload),
            from_agent_id=sender,
            to_agent_id=addressee,
            protocol_version=version,
            inserted_at=_read_instant(inserted_at),
            number=number,
            status=status,
            reason=reason,
        )

    def happening(self, kind: str, at: str, agents: str, amount: str, family: str) -> Happening:
        """Read a happening."""
        return Happening(kind, _read_instant(at), tuple(_strings(agents)), Decimal(amount), family)


class UnreadableRow(Exception):
    """A row holds something that no record can be made of."""


def _selected(table: str, names: Sequence[str], order: str | None = None) -> str:
    # Names come from this module alone.
    query = f"SELECT {_SUM}, {', '.join(names)} FROM {table}"  # noqa: S608
    return query if order is None else f"{query} ORDER BY {order}"


def _text(value: Any) -> str:
    return json_text.encode(value).decode()


def _object(text: str) -> dict[str, Any]:
    value = json_text.decode(text)
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _strings(text: str) -> list[str]:
    value = json_text.decode(text)
    if not (isinstance(value, list) and all(isinstance(element, str) for element in value)):
        raise TypeError("not an array of strings")
    return value


def _number(number: int) -> int | str:
    return number if -_MOST_INTEGER <= number <= _MOST_INTEGER else str(number)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _read_instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an instant without its zone")
    return at
