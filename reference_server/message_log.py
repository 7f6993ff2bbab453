"""At level debug: one line for each message that a connection takes or sends, without anything that could be a secret.

Of a payload only its shape is told: the documented members that it has, each with its kind and size. A topic is told whole
once it is joined, an event only when the documents have it. Broadcasts are not among the lines: they are sent at once to many.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reference_server.redaction import MASK
from specs.message import PHX_REPLY

if TYPE_CHECKING:
    from reference_server.connection import Connection
    from specs.message import Message
    from specs.model import Schema, Topic

_WORDS = re.compile(r"[a-z_ ]{1,60}")
_PROTOCOL_EVENTS = frozenset({"heartbeat", "phx_close", "phx_error", "phx_join", "phx_leave", "phx_reply"})
_PROTOCOL_MEMBERS = frozenset({"reason", "response", "status"})


def logging_messages(piece: type[Connection]) -> type[Connection]:
    """Return a connection that behaves as `piece` and logs every message of its client, and to it."""

    class LoggingConnection(piece):  # type: ignore[misc, valid-type]
        """A connection whose messages are logged."""

        def _join(self, message: Message) -> None:
            self._note("message_received", message)
            super()._join(message)

        def _on_topic(self, message: Message) -> None:
            self._note("message_received", message)
            super()._on_topic(message)

        def _write(self, message: Message) -> None:
            self._note("message_sent", message, **_outcome(message))
            super()._write(message)

        def _note(self, event: str, message: Message, **outcome: str) -> None:
            family = self._family(message.topic)
            is_joined = isinstance(message.topic, str) and message.topic in self._memberships
            known = _known_events(family)
            is_known = isinstance(message.event, str) and message.event in known
            self._log(
                logging.DEBUG,
                event,
                topic=message.topic if is_joined else family.pattern if family else MASK,
                message_event=message.event if is_known else MASK,
                payload=shape(message.payload, _members(known[message.event] if is_known else None)),
                **outcome,
            )

    return LoggingConnection


def _outcome(message: Message) -> dict[str, str]:
    """Return status and reason of a reply, which are the server's own words."""
    payload = message.payload
    if message.event != PHX_REPLY or not isinstance(payload, Mapping):
        return {}
    response = payload.get("response")
    words = {"status": payload.get("status")}
    words["reason"] = response.get("reason") if isinstance(response, Mapping) else None
    return {name: word for name, word in words.items() if isinstance(word, str) and _WORDS.fullmatch(word)}


def shape(value: Any, members: frozenset[str] = _PROTOCOL_MEMBERS) -> str:
    """Describe a payload by the kinds and sizes of its members.

    Args:
        value: A decoded payload.
        members: Names that may be shown; the others are counted.

    Example:
        >>> shape({"seq": 3, "chunk": "abc", "hidden": None}, frozenset({"chunk", "seq"}))
        'chunk: string of 3, seq: number, 1 other'

    """
    if not isinstance(value, Mapping):
        return _kind(value)
    shown = [f"{name}: {_kind(value[name])}" for name in sorted(members & value.keys())]
    others = len(value) - len(shown)
    return ", ".join([*shown, *([f"{others} other"] if others else [])]) or "empty object"


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    for kind, name in ((str, "string"), (Mapping, "object"), (list, "array"), (bytes, "binary")):
        if isinstance(value, kind):
            return f"{name} of {len(value)}"
    return "number"


def _known_events(family: Topic | None) -> dict[str, Schema | None]:
    documented = {} if family is None else {name: event.payload for name, event in family.events.items()}
    return {**dict.fromkeys(_PROTOCOL_EVENTS), **documented}


def _members(schema: Any) -> frozenset[str]:
    """Return every member name that a schema speaks of, at any depth."""
    if isinstance(schema, list | tuple):
        return frozenset().union(*map(_members, schema))
    if not isinstance(schema, Mapping):
        return _PROTOCOL_MEMBERS
    own = schema.get("properties")
    names = frozenset(own) if isinstance(own, Mapping) else frozenset()
    return names.union(_PROTOCOL_MEMBERS, *map(_members, schema.values()))
