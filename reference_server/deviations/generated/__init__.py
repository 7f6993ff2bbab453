"""Deviations derived from the documents: for every event and every rule, a server that does not keep it.

One module a family of operators; each gives the deviations of one event, or of one topic, and only those for whose breach the
documents have a requirement. An event that is added to the documents gets its deviations with no line of code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_server.deviations.generated import (
    answers,
    broadcasts,
    contents,
    joins,
    nonces,
    payloads,
    relays,
    rights,
    signatures,
)
from reference_server.deviations.generated.subject import Subject
from reference_server.membership import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference_server.deviations.deviation import Deviation
    from specs.model import Api, Topic

__all__ = ["generated"]

_OF_EVENT = (payloads, rights, signatures, nonces, answers, relays, broadcasts)


def generated(api: Api) -> Iterator[Deviation]:
    """Return the deviations of every topic family that is part of what is checked, in the order of the documents."""
    for topic in api.topics.values():
        if api.sockets[topic.socket].identity == OPERATOR:
            continue
        for one in _of_topic(topic):
            # What no wire can show is no deviation that a client would see.
            if api.requirements[one.breaks[0]].excluded is None:
                yield one


def _of_topic(topic: Topic) -> Iterator[Deviation]:
    yield from joins.deviations(topic)
    for event in topic.inbound():
        for source in _OF_EVENT:
            yield from source.deviations(Subject(topic, event))
    for event in topic.events.values():
        if not event.is_inbound:
            yield from contents.deviations(Subject(topic, event))
