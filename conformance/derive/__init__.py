"""Cases that follow from the documents alone.

For every event: its samples are accepted with their documented effect, and each single fault of payload, role, state,
signature or nonce is refused. For every topic: its roles may join and nobody else. An event that is added to the documents
gets its cases with no line of code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.case import Case, Phase
from conformance.derive import acceptance, joins, nonces, payloads, roles, signatures, states
from specs.model import Api, Topic

CONTROL = "control"
"""The socket that provisions the reference server; it is no part of the protocol under test."""


def derived_cases(api: Api) -> list[Case]:
    """Return the derived cases of every topic in the order of the documents."""
    tested = [topic for topic in api.topics.values() if topic.socket != CONTROL]
    return [replace(case, phase=Phase.GENERATED) for topic in tested for case in _of_topic(topic, api)]


def _of_topic(topic: Topic, api: Api) -> Iterator[Case]:
    yield from joins.cases(topic)
    for event in topic.inbound():
        yield from acceptance.cases(topic, event, api.requirements)
        for source in (payloads, roles, states, nonces):
            yield from source.cases(topic, event)
        yield from signatures.cases(topic, event, api.requirements)
