"""Broadcasts: to everyone on the topic, once, in order, and to nobody else."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from conformance.cases.ordering import PUSHES, places_of, relaying
from conformance.client.equality import holds, same
from conformance.faults import CannotProvision, CannotTell
from conformance.fixtures.stage import Sent, Stage
from conformance.verbs.conversation import Conversation, Said, tested_families
from conformance.verbs.expectations import joined
from conformance.verbs.observations import naming, phoenix_case
from specs import message as phx

if TYPE_CHECKING:
    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab
    from specs.model import Event, Topic


def _broadcasting(lab: Lab) -> tuple[Topic, Event]:
    """Return the first family without presence that has an event with a broadcast."""
    for family in tested_families(lab):
        for event in family.inbound():
            if event.broadcasts and not family.presence:
                return family, event
    raise CannotProvision("no event of the documents is broadcast")


def _enter_also(talk: Conversation, name: str, connection: str, *, vsn: str | None = None) -> Peer:
    peer = talk.connect(name, connection, vsn=vsn)
    joined(peer, talk.topic, talk.family.join.rules["join"], connection)
    return peer


@phoenix_case("broadcast/once-per-channel")
def once_per_channel(lab: Lab) -> None:
    """A broadcast reaches every connection on the topic once, also one that has joined it twice."""
    family, event = _broadcasting(lab)
    stage = Stage.build(lab, family.name)
    for name in family.fixture.cast:
        stage.enter(name, connection=f"{name} second")
    stage.enter(next(iter(family.fixture.cast)), connection="joined twice").join(stage.topic)
    stage.perform(event.setup)
    by = stage.sender_of(event)
    sent = stage.push(by, event, stage.valid(event, by))
    answer = stage.peers[by].answer(sent.message)
    if answer.kind not in {"ok", "silence"}:
        raise CannotTell(f"{event.event} is not accepted: {answer}")
    for name, peer in stage.others(by).items():
        for caused in event.broadcasts:
            peer.wait_event(stage.topic, caused, since=sent.marks[name])
    stage.settle()
    _demand_once_each(stage, sent)


def _demand_once_each(stage: Stage, sent: Sent) -> None:
    for caused in sent.event.broadcasts:
        counts = {
            name: len(peer.seen(stage.topic, caused, sent.marks[name])) for name, peer in stage.peers.items()
        }
        if not any(counts.values()):
            raise CannotTell(f"{caused} reaches nobody; the cases about {sent.event.event} judge that")
        # Whether its own sender hears a broadcast is the application's choice (BC-2).
        wrong = {name: count for name, count in counts.items() if count != 1 and (name != sent.by or count)}
        stage.lab.demand(
            not wrong,
            "broadcast/once-per-channel",
            f"each of {len(counts)} connections on the topic receives {caused} once",
            ", ".join(f"{name}: {count} times" for name, count in wrong.items()),
        )


@phoenix_case("broadcast/order-per-sender")
def order_per_sender(lab: Lab) -> None:
    """Several receivers, under both serializers, hear one sender in the order in which it spoke."""
    talk = relaying(lab)
    listener = next(iter(talk.listeners))
    receivers = [
        talk.listeners[listener],
        _enter_also(talk, listener, f"{listener} second"),
        _enter_also(talk, listener, f"{listener} with serializer 1.0.0", vsn="1.0.0"),
    ]
    said = [talk.say() for _ in range(PUSHES)]
    for peer in receivers:
        places = places_of(talk, said, peer)
        lab.demand(
            places == sorted(places),
            "broadcast/order-per-sender",
            f"{peer.name} receives {PUSHES} broadcasts of one sender in their order",
            f"order {sorted(range(PUSHES), key=places.__getitem__)}",
        )


@phoenix_case("broadcast/joined-only")
def joined_only(lab: Lab) -> None:
    """Who never joined a topic, or has left it, receives nothing that is said on it."""
    talk = relaying(lab)
    listener, rule = next(iter(talk.listeners)), "broadcast/joined-only"
    never = talk.connect(listener, f"{listener} not joined")
    left = _enter_also(talk, listener, f"{listener} who left")
    left.answer(left.leave(talk.topic))
    if left.wait_event(talk.topic, phx.PHX_CLOSE) is None or left.sync().kind != "ok":
        raise CannotTell("no phx_close follows a phx_leave")
    said = _speak(talk)
    with naming(rule, "frames/push-carries-join-ref"):
        for peer in (never, left):
            peer.sync()
            overheard = [m for m in peer.seen(talk.topic, talk.event.event) if _is_one_of(said, m.payload)]
            lab.demand(not overheard, rule, f"{peer.name} receives nothing", "; ".join(map(str, overheard)))


def _speak(talk: Conversation) -> list[Said]:
    """Say two things that reach the listeners; behind the second the first has been sent to everyone."""
    said = [talk.say(), talk.say()]
    if not all(talk.is_taken(one) and talk.is_heard(one) for one in said):
        raise CannotTell("what is said on the topic does not reach those who are on it")
    return said


def _is_one_of(said: list[Said], payload: object) -> bool:
    return any(holds(payload, one.payload) for one in said)


@phoenix_case("broadcast/own-topic-only")
def own_topic_only(lab: Lab) -> None:
    """What is said on one topic comes under that topic, and to nobody who has joined only another."""
    talk = relaying(lab)
    other, listener = talk.sibling(), next(iter(talk.listeners))
    elsewhere = talk.connect(listener, f"{listener} on another topic")
    joined(elsewhere, other.topic, talk.family.join.rules["join"], listener)
    rule = "broadcast/own-topic-only"
    with naming(rule, "frames/push-carries-join-ref", "broadcast/joined-only"):
        said = _speak(talk)
        for peer in (*talk.listeners.values(), elsewhere):
            peer.sync()
            strays = [
                message
                for message in peer.inbox
                if (message.topic != talk.topic or peer is elsewhere) and _is_one_of(said, message.payload)
            ]
            lab.demand(not strays, rule, f"nothing of {talk.topic} elsewhere", "; ".join(map(str, strays)))


@phoenix_case("broadcast/v1-and-v2-receivers")
def v1_and_v2_receivers(lab: Lab) -> None:
    """Receivers under both serializers get the same broadcast, each in its own form."""
    talk = relaying(lab)
    listener, rule = next(iter(talk.listeners)), "broadcast/v1-and-v2-receivers"
    receivers = {
        vsn: _enter_also(talk, listener, f"{listener} with serializer {vsn}", vsn=vsn)
        for vsn in ("2.0.0", "1.0.0")
    }
    said = _speak(talk)
    for one in said:
        heard = {
            vsn: peer.wait_event(talk.topic, talk.event.event, matches=partial(_is_one_of, [one]))
            for vsn, peer in receivers.items()
        }
        payloads = [message.payload for message in heard.values() if message is not None]
        lab.demand(
            len(payloads) == len(receivers) and same(*payloads),
            rule,
            "one equal payload under serializers 2.0.0 and 1.0.0",
            "; ".join(f"{vsn}: {message or 'nothing'}" for vsn, message in heard.items()),
        )
