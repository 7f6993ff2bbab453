"""Topics that the documents do not have, as the topic families with which the cases about the Phoenix layer work."""

from __future__ import annotations

from typing import Any

from conformance.fixtures.provision import PlainFamily
from conformance.provisioner_settings import PlainTopic
from specs.model import Api, Event, Fixture, Join, Relay, Role, State, Topic

SOURCE = "the endpoint file"
ROLE = "member"
OPEN = "open"
CAST = ("one", "two")
_RULES = dict.fromkeys(("join", "reply"), "joining/ok-reply")
_EVENT_RULES = dict.fromkeys(("accepted", "reply"), "ordering/requests-answered-once")
PRESENCE = "presence_state"


def plain_family(described: PlainTopic, number: int, api: Api, socket: str) -> PlainFamily:
    """Return the family of a topic that an endpoint file describes.

    Args:
        described: What the file says.
        number: Its place in the file, from 1.
        api: The documents; the family gets a name that none of theirs has.
        socket: The socket on which it can be joined.

    """
    name = f"plain-{number}"
    while name in api.topics:
        name = f"{name}-"
    events = _events(described)
    family = Topic(
        name=name,
        pattern=described.topic,
        socket=socket,
        order=number,
        summary=f"Topic {described.topic} of {SOURCE}.",
        source=SOURCE,
        roles={ROLE: Role(ROLE, "any", "Whoever may connect.")},
        states={OPEN: State(OPEN, "Always.", terminal=False, reason="", reach=())},
        initial_state=OPEN,
        fixture=Fixture(
            create="resource" if "{" in described.topic else "nothing",
            params={},
            values={},
            variable=None,
            cast=dict.fromkeys(CAST, ROLE),
            agents={},
        ),
        join=Join(roles=(ROLE,), payload={}, reply={}, errors=(), rules=_RULES),
        presence=described.presence,
        events={event.event: event for event in events},
        rules={},
    )
    return PlainFamily(family, described.answer, described.refused)


def _events(described: PlainTopic) -> list[Event]:
    events = []
    if described.event is not None:
        events.append(_innocuous(described, described.event))
    pushed = (described.pushed_on_join, PRESENCE if described.presence else None)
    events += [_event(name, "out", {}, pushed_on_join=True) for name in pushed if name is not None]
    return events


def _innocuous(described: PlainTopic, name: str) -> Event:
    label = described.label
    return _event(
        name,
        "in_out" if described.relayed else "in",
        {"properties": {label: {"type": "string"}}} if label else {},
        roles=(ROLE,),
        states=(OPEN,),
        relay=Relay("others", {}) if described.relayed else None,
        samples=dict.fromkeys(("minimal", "full"), described.payload),
        rules=_EVENT_RULES,
    )


def _event(name: str, direction: str, payload: dict[str, Any], **more: Any) -> Event:
    summary = f"Event {name} of {SOURCE}."
    return Event(name, direction, summary, SOURCE, payload, reply={}, **more)
