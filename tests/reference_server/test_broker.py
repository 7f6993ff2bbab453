"""Tests of `reference_server.broker`."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from reference_server.broker import Broker, UnsendableBroadcast
from reference_server.outcome import Broadcast, Channel
from specs.message import Frame
from specs.serializer import SERIALIZERS, FieldTooLong, UnencodableMessage


class CountingSerializer:
    """Speaks 2.0.0 and counts how often it encodes."""

    def __init__(self) -> None:
        self.encoded = 0

    def encode_server(self, message: Any) -> Frame:
        self.encoded += 1
        return SERIALIZERS["2.0.0"].encode_server(message)


class Inbox:
    """Receives frames."""

    def __init__(self, vsn: str = "2.0.0") -> None:
        self.serializer: Any = SERIALIZERS[vsn]
        self.frames: list[Frame] = []
        self.disconnects = 0

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)

    def disconnect(self) -> None:
        self.disconnects += 1

    def decoded(self) -> list[Any]:
        return [json.loads(frame.data) for frame in self.frames]


def channel(topic: str = "t", role: str = "") -> Channel:
    return Channel(topic, SimpleNamespace(), SimpleNamespace(), role=role)  # type: ignore[arg-type]


def test_broadcast_has_neither_join_ref_nor_ref() -> None:
    """The fast lane sends null for both refs, in either serializer (BC-1)."""
    broker, new, old = Broker(), Inbox(), Inbox("1.0.0")
    broker.subscribe(channel(), new)
    broker.subscribe(channel(), old)
    broker.broadcast(Broadcast("t", "e", {"x": 1}))
    assert new.decoded() == [[None, None, "t", "e", {"x": 1}]]
    assert old.decoded() == [{"topic": "t", "event": "e", "payload": {"x": 1}, "ref": None}]


def test_broadcast_is_encoded_once_for_all_receivers_of_a_serializer() -> None:
    """A hundred receivers cost one encoding."""
    broker, serializer = Broker(), CountingSerializer()
    for _ in range(100):
        inbox = Inbox()
        inbox.serializer = serializer
        broker.subscribe(channel(), inbox)
    broker.broadcast(Broadcast("t", "e", {}))
    assert serializer.encoded == 1


def test_broadcast_reaches_its_topic_only_and_in_order() -> None:
    """Another topic hears nothing; one receiver hears events in the order of the broadcasts (BC-4)."""
    broker, here, there = Broker(), Inbox(), Inbox()
    broker.subscribe(channel("t"), here)
    broker.subscribe(channel("u"), there)
    for number in range(3):
        broker.broadcast(Broadcast("t", "e", {"n": number}))
    assert [frame[4]["n"] for frame in here.decoded()] == [0, 1, 2]
    assert there.frames == []


def test_excluded_channel_alone_is_left_out() -> None:
    """`broadcast_from` leaves out exactly one channel (BC-2)."""
    broker, sender, other = Broker(), Inbox(), Inbox()
    own = channel()
    broker.subscribe(own, sender)
    broker.subscribe(channel(), other)
    broker.broadcast(Broadcast("t", "e", {}, exclude=own))
    assert (len(sender.frames), len(other.frames)) == (0, 1)


def test_roles_and_subscriptions_select_receivers() -> None:
    """`only` selects by role, `subscribers_of` by what the application has assigned."""
    broker, provider, subscriber = Broker(), Inbox(), Inbox()
    broker.subscribe(channel(role="provider"), provider)
    subscribed = channel(role="client")
    subscribed.assigns["alerts"] = True
    broker.subscribe(subscribed, subscriber)
    broker.broadcast(Broadcast("t", "to_provider", {}, only=frozenset({"provider"})))
    broker.broadcast(Broadcast("t", "alert", {}, subscribers_of="alerts"))
    assert [frame[3] for frame in provider.decoded()] == ["to_provider"]
    assert [frame[3] for frame in subscriber.decoded()] == ["alert"]


def test_unsubscribed_channel_hears_nothing() -> None:
    """After the end of a channel its topic is silent; a second unsubscribe does no harm."""
    broker, inbox, own = Broker(), Inbox(), channel()
    broker.subscribe(own, inbox)
    broker.unsubscribe(own)
    broker.unsubscribe(own)
    broker.broadcast(Broadcast("t", "e", {}))
    assert inbox.frames == []


def test_binary_broadcast_takes_layout_b4() -> None:
    """A binary payload is broadcast as kind 2 without refs."""
    broker, inbox = Broker(), Inbox()
    broker.subscribe(channel("topic"), inbox)
    broker.broadcast(Broadcast("topic", "event", b"efg"))
    assert inbox.frames == [Frame(bytes.fromhex("020505746f7069636576656e74656667"), is_text=False)]


@pytest.mark.parametrize("payload", [[1], "text", 7, None, True])
def test_non_object_broadcast_crashes_its_sender_where_somebody_speaks_2_0_0(payload: object) -> None:
    """Serializer 2.0.0 broadcasts objects and binaries only; 1.0.0 takes any JSON (BC-5)."""
    broker, old, new = Broker(), Inbox("1.0.0"), Inbox()
    broker.subscribe(channel(), old)
    broker.broadcast(Broadcast("t", "e", payload))
    assert [frame["payload"] for frame in old.decoded()] == [payload]
    broker.subscribe(channel(), new)
    with pytest.raises(UnsendableBroadcast):
        broker.broadcast(Broadcast("t", "e", payload))


def test_broadcast_that_one_serializer_cannot_encode_reaches_nobody() -> None:
    """A broadcast reaches all or none, whoever was first on the topic (B-8, B-10)."""
    broker, new, old = Broker(), Inbox(), Inbox("1.0.0")
    broker.subscribe(channel(), new)
    with pytest.raises(FieldTooLong):
        broker.broadcast(Broadcast("t", "e" * 256, b""))
    broker.subscribe(channel(), old)
    with pytest.raises(UnencodableMessage):
        broker.broadcast(Broadcast("t", "e", b"binary"))
    assert new.frames == old.frames == []


def test_disconnect_reaches_every_socket_of_the_id_and_no_other() -> None:
    """All connections of one socket id are closed; others and detached ones are not."""
    broker, first, second, other, gone = Broker(), Inbox(), Inbox(), Inbox(), Inbox()
    for inbox, socket_id in ((first, "s:1"), (second, "s:1"), (other, "s:2"), (gone, "s:1"), (Inbox(), None)):
        broker.attach(inbox, socket_id)
    broker.detach(gone, "s:1")
    broker.detach(gone, "s:1")
    broker.disconnect("s:1")
    broker.disconnect("s:unknown")
    assert [inbox.disconnects for inbox in (first, second, other, gone)] == [1, 1, 0, 0]
