"""Topics that the documents do not have: what of them becomes a family, and what may be asked of it."""

from __future__ import annotations

from typing import Any

from conformance.fixtures.provision import PlainFamily
from conformance.provisioner_settings import PlainTopic
from conformance.provisioning.plain import plain_family
from specs.model import Api


def made(api: Api, **described: Any) -> PlainFamily:
    return plain_family(PlainTopic.model_validate(described), 1, api, "agent")


def test_a_topic_with_a_variable_stands_for_many(api: Api) -> None:
    """Each use of it gets a topic of its own; one without is there once."""
    rooms, lobby = made(api, topic="room:{room}").family, made(api, topic="lobby").family
    assert (rooms.fixture.create, rooms.topic_of("7")) == ("resource", "room:7")
    assert (lobby.fixture.create, lobby.topic_of(None)) == ("nothing", "lobby")
    assert rooms.name not in api.topics


def test_an_event_is_what_the_file_says(api: Api) -> None:
    """Its payload, its label, its relay; everybody on the topic may send it."""
    described = {"event": "new_msg", "payload": {"body": "hi", "n": 1}, "label": "body", "relayed": True}
    plain = made(api, topic="lobby", answer="error", refused="vault", **described)
    event = plain.family.events["new_msg"]
    assert event.samples["minimal"] == {"body": "hi", "n": 1}
    assert event.payload == {"properties": {"body": {"type": "string"}}}
    assert event.relay is not None
    assert event.is_inbound
    assert (plain.answer, plain.refused) == ("error", "vault")
    assert set(event.roles) == set(plain.family.fixture.cast.values())
    assert set(event.rules.values()) | set(plain.family.join.rules.values()) <= api.requirements.keys()


def test_what_is_pushed_on_join_is_pushed_only(api: Api) -> None:
    """Presence brings its snapshot with it."""
    family = made(api, topic="crowd", presence=True, pushed_on_join="welcome").family
    assert family.presence
    assert {event.event for event in family.events.values() if event.pushed_on_join} == {
        "welcome",
        "presence_state",
    }
    assert family.inbound() == ()
