"""Races on the Phoenix layer: joins, leaves, broadcasts and disconnects of several connections at once."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from conformance.case import PHOENIX, Phase
from conformance.cases.ordering import relaying
from conformance.client.equality import holds
from conformance.faults import CannotTell
from conformance.verbs.arena import at_once
from conformance.verbs.gathering import PATIENCE, STATE, Gathering, Watcher
from conformance.verbs.observations import closes, replies
from conformance.written import case
from specs import message as phx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab
    from conformance.verbs.conversation import Conversation
    from conformance.verbs.gathering import Refs
    from conformance.written import Run
    from specs.message import Message

JOINS = "joining/concurrent-joins-answered"
LEAVE = "leaving/concurrent-leave-ordered"
DISCONNECT = "sockets/concurrent-disconnect-ordered"
METAS = "presence/several-connections-several-metas"

ROUNDS = 6
CONNECTIONS = 3
"""Of each member of the cast."""
PUSHES = 3
GAPS_S = [0.0, 0.0002, 0.0005]
"""Before the pushes of an agent that is being disconnected, in some order."""


def _race_case(case_id: str, requirement: str) -> Callable[[Run], Run]:
    return case(case_id, requirement, topic=PHOENIX, phase=Phase.RACE)


def _shuffled(lab: Lab, requirement: str, number: int, items: list[Any]) -> list[Any]:
    chance = random.Random(f"{lab.bench.seed}/{requirement}/{number}")  # noqa: S311 - no secret
    return chance.sample(items, len(items))


def _push(talk: Conversation, peer: Peer) -> tuple[Message, dict[str, Any]]:
    payload = talk.payload()
    return peer.session.push(talk.topic, talk.event.event, payload), payload


def _count(talk: Conversation, peer: Peer, payload: dict[str, Any], since: int) -> int:
    """Count how often a connection has been relayed a push."""
    heard = peer.seen(talk.topic, talk.event.event, since)
    return sum(holds(message.payload, payload) for message in heard)


def _await_relays(talk: Conversation, peer: Peer, payloads: Sequence[dict[str, Any]], since: int) -> None:
    """Wait until a connection has been relayed pushes that were answered: a relay may come behind the reply (BC-3)."""
    for payload in payloads:
        peer.wait_event(talk.topic, talk.event.event, since=since, matches=partial(_is_relay, payload))


def _demand_heard(
    talk: Conversation, peer: Peer, payload: dict[str, Any], since: int, requirement: str
) -> None:
    """Demand that a push reaches a connection once."""
    _await_relays(talk, peer, [payload], since)
    peer.sync()
    count = _count(talk, peer, payload, since)
    talk.lab.demand(count == 1, requirement, f"{peer.name} is relayed a push once", f"{count} times")


def _is_relay(payload: dict[str, Any], heard: Any) -> bool:
    return holds(heard, payload)


@_race_case("joining/race/same-topic", JOINS)
def joins_of_same_topic(lab: Lab) -> None:
    """Joins of one topic that are sent at once on six connections are each answered ok, and each hears the next push once."""
    talk = relaying(lab)
    joining = {
        name: [talk.connect(name, f"{name} joining {number}") for number in range(CONNECTIONS)]
        for name in talk.stage.agents
    }
    peers = [peer for each in joining.values() for peer in each]
    for number in range(ROUNDS):
        joins = [(peer, peer.session.join(talk.topic, {})) for peer in peers]
        at_once(_shuffled(lab, JOINS, number, joins))
        for peer, join in joins:
            answer = peer.answer(join)
            count = len(replies(peer, join))
            lab.demand(
                answer.kind == "ok" and count == 1,
                JOINS,
                "each join is answered by one ok",
                f"{answer}, {count} times",
            )
        _demand_all_hear(talk, joining)
        leaves = [(peer, peer.session.leave(talk.topic)) for peer in peers]
        at_once(leaves)
        for peer, leave in leaves:
            answer = peer.answer(leave)
            lab.demand(answer.kind == "ok", JOINS, "each leave is answered by ok", answer)


def _demand_all_hear(talk: Conversation, joining: Mapping[str, Sequence[Peer]]) -> None:
    """Demand that a push reaches every connection once; those of its sender may be left out (reading.md, section 3)."""
    speaker = talk.peer
    marks = {peer: peer.mark() for peers in joining.values() for peer in peers}
    message, payload = _push(talk, speaker)
    speaker.send(message)
    others = [peer for name, peers in joining.items() if name != talk.by for peer in peers]
    for peer in others:
        _demand_heard(talk, peer, payload, marks[peer], JOINS)
    for peer in joining.get(talk.by, ()):
        peer.sync()
        count = _count(talk, peer, payload, marks[peer])
        talk.lab.demand(count <= 1, JOINS, f"{peer.name} is relayed a push once at most", f"{count} times")


@_race_case("leaving/race/relay", LEAVE)
def leave_against_relay(lab: Lab) -> None:
    """Who leaves while three pushes are relayed gets a beginning of them; everybody else gets all of them once."""
    talk = relaying(lab)
    name = next(iter(talk.listeners))
    leaver, stays = talk.connect(name, f"{name} leaving"), talk.connect(name, f"{name} staying")
    for peer in (stays, leaver):
        if peer.join(talk.topic).kind != "ok":
            raise CannotTell(f"{peer.name} cannot join {talk.topic}")
    for number in range(ROUNDS):
        _leave_once(talk, leaver, [stays, *talk.listeners.values()], number)
        if leaver.join(talk.topic).kind != "ok":
            raise CannotTell(f"{leaver.name} cannot join {talk.topic} again")


def _leave_once(talk: Conversation, leaver: Peer, others: Sequence[Peer], number: int) -> None:
    lab, own = talk.lab, leaver.session.join_ref(talk.topic)
    pushes = [_push(talk, talk.peer) for _ in range(PUSHES)]
    leave = leaver.session.leave(talk.topic)
    place = _shuffled(lab, LEAVE, number, list(range(PUSHES + 1)))[0]
    messages = [(talk.peer, message) for message, _ in pushes]
    messages.insert(place, (leaver, leave))
    since, marks = leaver.mark(), [peer.mark() for peer in others]
    at_once(messages)
    answer = leaver.answer(leave)
    leaver.wait_event(talk.topic, phx.PHX_CLOSE, since=since)
    for _, payload in pushes:
        for peer, mark in zip(others, marks, strict=True):
            _demand_heard(talk, peer, payload, mark, LEAVE)
    leaver.sync()
    ends = [end for end in closes(leaver, talk.topic) if end.ref == own]
    lab.demand(answer.kind == "ok", LEAVE, "the leave is answered by ok", answer)
    lab.demand(
        [end.event for end in ends] == [phx.PHX_CLOSE],
        LEAVE,
        "one phx_close",
        "; ".join(map(str, ends)) or "none",
    )
    counts = [_count(talk, leaver, payload, since) for _, payload in pushes]
    lab.demand(
        counts == sorted(counts, reverse=True) and max(counts) <= 1,
        LEAVE,
        f"{leaver.name} gets a beginning of {PUSHES} pushes, each once",
        f"{', '.join(map(str, counts))} times",
    )


@_race_case("sockets/race/disconnect-against-push", DISCONNECT)
def disconnect_against_push(lab: Lab) -> None:
    """Of pushes that are on their way when their agent is disconnected a beginning is carried out, each once."""
    talk = relaying(lab)
    agent_id = talk.stage.agents[talk.by].agent_id
    for number in range(ROUNDS):
        speaker = talk.peer
        pushes = [_push(talk, speaker) for _ in range(PUSHES)]
        marks = {name: peer.mark() for name, peer in talk.listeners.items()}
        _disconnect(lab, agent_id, [(speaker, message) for message, _ in pushes], number)
        closed = speaker.wait_closed()
        lab.demand(closed, DISCONNECT, "a disconnect closes the connection", "it is open")
        answered = [bool(replies(speaker, message)) for message, _ in pushes]
        talk.reconnect()
        if talk.peer.join(talk.topic).kind != "ok":
            raise CannotTell(f"{talk.by} cannot join {talk.topic} again")
        # What was on its way before is there once this one is.
        last = talk.demand_taken(DISCONNECT, "after a disconnect, on a fresh connection").payload
        due = [payload for (_, payload), is_answered in zip(pushes, answered, strict=True) if is_answered]
        for name, listener in talk.listeners.items():
            _await_relays(talk, listener, [*due, last], marks[name])
            listener.barrier(talk.topic)
            counts = [_count(talk, listener, payload, marks[name]) for _, payload in pushes]
            _demand_beginning(lab, name, counts, answered)


def _disconnect(lab: Lab, agent_id: str, pushes: Sequence[tuple[Peer, Message]], number: int) -> None:
    """Disconnect an agent right behind its pushes, or while they are sent."""
    request, what = lab.bench.provisioner.request, {"agent_id": agent_id}
    if number % 2:
        at_once(pushes)
        request("disconnect_agent", what)
        return
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(request, "disconnect_agent", what)
        at_once(pushes, _shuffled(lab, DISCONNECT, number, GAPS_S))
        asked.result()


def _demand_beginning(lab: Lab, name: str, counts: Sequence[int], answered: Sequence[bool]) -> None:
    is_beginning = list(counts) == sorted(counts, reverse=True) and max(counts) <= 1
    is_told = all(count == 1 for count, is_answered in zip(counts, answered, strict=True) if is_answered)
    lab.demand(
        is_beginning and is_told,
        DISCONNECT,
        f"{name} is relayed a beginning of {PUSHES} pushes, each once, and all that were answered",
        f"{', '.join(map(str, counts))} times; answered: {', '.join('yes' if one else 'no' for one in answered)}",
    )


@_race_case("presence/race/joins-of-one-agent", METAS)
def joins_of_one_agent(lab: Lab) -> None:
    """An agent that joins on four connections at once has a meta for each, for those there and for itself."""
    gathering = Gathering(lab)
    observer, (key, _) = gathering.watch()
    is_by_id = key == observer.agent.agent_id
    name = gathering.names[-1]
    agent = gathering.stage.agents[name]
    peers = [
        lab.connect(agent, socket=gathering.family.socket, name=f"{name} joining {number}")
        for number in range(4)
    ]
    known = observer.present
    joins = [(peer, peer.session.join(gathering.topic, {})) for peer in peers]
    at_once(joins)
    for peer, join in joins:
        answer = peer.answer(join)
        if answer.kind != "ok":
            raise CannotTell(f"{peer.name} cannot join {gathering.topic}: {answer}")
        if peer.wait_event(gathering.topic, STATE, patience=PATIENCE) is None:
            raise CannotTell(f"no {STATE} has come to {peer.name}")
    watchers = [observer, *(Watcher(lab, gathering.topic, agent, peer) for peer in peers)]

    def is_full(present: Refs) -> bool:
        new = present - known
        # Where keys are made in another way, those of strangers who come meanwhile cannot be told apart.
        return len(_under(agent.agent_id, new)) == len(peers) if is_by_id else len(new) >= len(peers)

    for watcher in watchers:
        lab.demand(watcher.sees(is_full), METAS, f"{len(peers)} metas of {name}", watcher.shown())


def _under(key: str, present: Refs) -> Refs:
    return frozenset(meta for meta in present if meta[0] == key)
