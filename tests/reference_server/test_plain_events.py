"""What is settled on the short way is what the long way would have done, frame for frame."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server.application import Application
from reference_server.broker import Broker
from reference_server.connection import Backend, Connection
from reference_server.deviations.replacing import around
from reference_server.enforcement import Enforcement
from reference_server.outcome import Channel, Identity
from reference_server.plain_events import PlainEvents, rules_of
from reference_server.records import Agent, Resource
from reference_server.registry import Effects
from reference_server.store import MemoryStore
from reference_server.versions import PhoenixVersion
from specs.blueprint import blueprint
from specs.loader import load
from specs.message import Frame
from specs.serializer import SERIALIZERS

API = load(None)
START = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
NO_EFFECTS = Effects({}, {}, {})
"""With these most events are plain, as with the documents of another API."""
FAMILIES = ("task", "payment", "discovery")
TOPICS = {"task": "task:1", "payment": "payment:1", "discovery": "agents:discovery"}
JOIN_REFS = {"c": "1", "p": "é:2", "third": "3"}


def store() -> MemoryStore:
    """Make a store with three agents and a resource of each family."""
    made = MemoryStore()
    with made.transaction():
        for name in JOIN_REFS:
            made.put_agent(Agent(name, name, name, f"key_{name}", f"token_{name}", b""))
        for family, topic in TOPICS.items():
            roles = dict(zip(API.topics[family].join.roles, ("c", "p"), strict=False))
            made.put_resource(Resource(family, "1", topic, "open", roles, START))
    return made


class World:
    """A server without sockets, of the same agents every time.

    Args:
        has_short_way: Whether plain events may be settled by themselves.

    """

    def __init__(self, *, has_short_way: bool) -> None:
        application = Application if has_short_way else type("Asked", (Application,), {})
        made = application(API, store=store(), seed=1, now=lambda: START, effects=NO_EFFECTS)
        plain = made.plain_events if has_short_way else None
        self.backend = Backend(API, made, Broker(), PhoenixVersion.parse("1.8"), plain_events=plain)
        self.sent: list[tuple[str, Any]] = []
        self.connections = {name: self._connection(name) for name in JOIN_REFS}
        for name, connection in self.connections.items():
            for topic in TOPICS.values():
                join_ref = JOIN_REFS[name]
                connection.receive(frame([join_ref, join_ref, topic, "phx_join", {}]))

    def _connection(self, name: str) -> Connection:
        serializer = SERIALIZERS["1.0.0" if name == "third" else "2.0.0"]

        def send(sent: Frame) -> None:
            self.sent.append((name, sent))

        def close(code: int) -> None:
            self.sent.append((name, code))

        return Connection(self.backend, Identity(API.sockets["agent"], name), serializer, send, close)


def frame(fields: list[Any]) -> Frame:
    """Make a text frame."""
    return Frame(json.dumps(fields).encode(), is_text=True)


def payloads(family: str, event: str) -> st.SearchStrategy[str]:
    """Draw the text of a payload that fits, or does not."""
    documented = API.topics[family].events.get(event)
    fitting = blueprint(documented) if documented is not None and documented.is_inbound else {}
    leaves = st.none() | st.booleans() | st.integers(-1, 101) | st.floats(0, 101) | st.text(max_size=4)
    values = leaves | st.lists(leaves, max_size=2) | st.dictionaries(st.text(max_size=2), leaves, max_size=2)
    others = st.dictionaries(st.sampled_from([*fitting, "more", 'o:"']), values, max_size=2)
    objects = others.map(lambda other: {**fitting, **other}) | others
    texts = st.builds(json.dumps, objects | values, ensure_ascii=st.booleans())
    twice = objects.map(lambda each: f'{{"percent":1,{json.dumps(each)[1:]}' if each else "{}")
    return texts | twice | st.just(json.dumps(fitting))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Draw the text of a client's message."""
    family = draw(st.sampled_from(FAMILIES))
    events = [*API.topics[family].events, "phx_leave", "phx_join", "heartbeat", "nothing"]
    event = draw(st.sampled_from(["progress", *events] if family == "task" else events))
    refs = st.sampled_from(["1", "é:2", "3", None, 7, 'a"'])
    topic = draw(st.sampled_from([TOPICS[family]] * 6 + ["phoenix", "task:2"]))
    join_ref, ref = draw(refs), draw(st.sampled_from(["9", "9", None, 9, 'é"\\', "a:b"]))
    head = json.dumps([join_ref, ref, topic, event], ensure_ascii=draw(st.booleans()))
    return f"{head[:-1]},{draw(payloads(family, event))}]"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["c", "p", "third"]), texts()), min_size=1, max_size=12))
def test_the_short_way_sends_what_the_long_way_sends(messages: list[tuple[str, str]]) -> None:
    """Whatever three clients send, every frame, every close and every count is the same on both."""
    short, long = World(has_short_way=True), World(has_short_way=False)
    for name, text in messages:
        for world in (short, long):
            world.connections[name].receive(Frame(text.encode(), is_text=True))
        assert short.sent == long.sent, text
    for name in ("pushes", "joins", "crashes", "broadcasts"):
        assert getattr(short.backend.counts, name) == getattr(long.backend.counts, name)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fitting_payload_of_every_plain_event_takes_the_short_way(family: str) -> None:
    """Were all events refused by it, the comparison would say nothing."""
    world = World(has_short_way=True)
    plain = world.backend.plain_events
    topic = API.topics[family]
    rules = rules_of(API, NO_EFFECTS.events, lambda *_: lambda _: True)
    events = [event for name, event in rules if name == family]
    assert plain is not None
    assert events
    for event in events:
        role = topic.events[event].roles[0]
        channel = Channel(TOPICS[family], topic, Identity(API.sockets["agent"], "c"), role=role)
        assert plain.told(channel, event, blueprint(topic.events[event])) is not None


def test_only_what_leaves_no_trace_is_plain() -> None:
    """An event with a nonce, a signature, another state or an effect is none."""
    rules = rules_of(API, {("task", "progress")}, lambda *_: lambda _: True)
    plain = [API.topics[family].events[event] for family, event in rules]
    assert ("task", "progress") not in rules
    assert not any(event.nonce or event.signatures or event.next_state for event in plain)


def test_a_channel_is_not_told_what_its_event_may_not_do() -> None:
    """Another role, another state, another payload, another resource: all are left to the long way."""
    rules = rules_of(API, (), lambda *_: bool)
    kept = store()
    plain = PlainEvents(rules, kept.resource_by_topic)
    family, identity = API.topics["task"], Identity(API.sockets["agent"], "p")
    channel = Channel("task:1", family, identity, role="provider")
    assert plain.told(channel, "output_stream", {"x": 1})
    for event in ("input_stream", "complete", "nothing", None, ["output_stream"]):
        assert plain.told(channel, event, {"x": 1}) is None
    for payload in ({}, None, [], b"x"):
        assert plain.told(channel, "output_stream", payload) is None
    assert plain.told(Channel("task:2", family, identity, role="provider"), "progress", {"x": 1}) is None
    with kept.transaction():
        kept.put_resource(Resource("task", "1", "task:1", "failed", {}, START))
    assert plain.told(channel, "output_stream", {"x": 1}) is None


@pytest.mark.parametrize("piece", ["application", "enforcement"])
def test_whoever_replaces_a_piece_is_asked_about_every_event(piece: str) -> None:
    """An application that differs in anything, and one whose enforcement does, has no plain events."""
    other = around(Application, "leave", lambda honest, *args: honest(*args))
    strict = around(Enforcement, "check_state", lambda honest, *args: honest(*args))
    made = other(API) if piece == "application" else Application(API, enforcement=strict)
    channel = Channel("task:1", API.topics["task"], Identity(API.sockets["agent"], "p"), role="provider")
    with made.store.transaction():
        made.store.put_resource(Resource("task", "1", "task:1", "open", {"provider": "p"}, START))
    assert made.plain_events.told(channel, "progress", {"percent": 1, "message": ""}) is None
    assert Application(API, store=made.store).plain_events.told(
        channel, "progress", {"percent": 1, "message": ""}
    )
