"""What comes before what on one connection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from conformance.client.equality import holds
from conformance.faults import CannotProvision, CannotTell
from conformance.verbs.conversation import Conversation, Said, conversation
from conformance.verbs.observations import phoenix_case, place, replies, send_join
from specs import message as phx
from specs.message import Message

if TYPE_CHECKING:
    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab

PUSHES = 25


def _is_relay_of(said: Said, payload: Any) -> bool:
    return holds(payload, said.payload)


def places_of(talk: Conversation, said: list[Said], peer: Peer) -> list[int]:
    """Return where the relays of pushes stand in a receiver's inbox, in the order in which they were sent.

    Raises:
        CannotTell: If one has not arrived; the cases about the relay judge that.

    """
    places = []
    for one in said:
        heard = peer.wait_event(talk.topic, talk.event.event, matches=partial(_is_relay_of, one))
        if heard is None:
            raise CannotTell(f"{peer.name} has not received every push")
        places.append(place(peer, heard))
    return places


def relaying(lab: Lab) -> Conversation:
    """Lead a conversation whose pushes are relayed and can be told apart.

    Raises:
        CannotProvision: If no event of the documents allows it.

    """
    talk = conversation(lab)
    if not (talk.event.relay and talk.is_labelled and talk.listeners):
        raise CannotProvision("no event that can be repeated is relayed with a text of its own")
    return talk


@phoenix_case("ordering/push-order-kept")
def push_order_kept(lab: Lab) -> None:
    """Pushes sent in one go reach the others in the order in which they were sent."""
    talk = relaying(lab)
    said = [talk.say() for _ in range(PUSHES)]
    for name, listener in talk.listeners.items():
        places = places_of(talk, said, listener)
        order = sorted(range(PUSHES), key=places.__getitem__)
        lab.demand(
            order == list(range(PUSHES)),
            "ordering/push-order-kept",
            f"{name} receives pushes 0 to {PUSHES - 1} in their order",
            f"order {order}",
        )


@phoenix_case("ordering/connection-replies-in-order")
def connection_replies_in_order(lab: Lab) -> None:
    """What the connection itself answers, it answers in the order of the requests."""
    talk = conversation(lab)
    peer = talk.reconnect()
    asked = _requests(lab, talk, peer)
    for one in asked:
        if peer.answer(one).kind not in {"ok", "error"}:
            raise CannotTell(f"{one.event} on {one.topic} is not answered; other cases judge that")
    order = sorted(range(len(asked)), key=lambda index: place(peer, replies(peer, asked[index])[0]))
    lab.demand(
        order == list(range(len(asked))),
        "ordering/connection-replies-in-order",
        f"replies to {len(asked)} requests in their order",
        f"order {order} of {', '.join(f'{one.event} {one.topic}' for one in asked)}",
    )


def _requests(lab: Lab, talk: Conversation, peer: Peer) -> list[Message]:
    asked = []
    for _ in range(3):
        nowhere = lab.unique("nosuch")
        asked += [
            peer.heartbeat(),
            peer.push(nowhere, "anything", {}),
            send_join(peer, nowhere),
            peer.send(Message(None, lab.unique("leave"), nowhere, phx.PHX_LEAVE, {})),
            send_join(peer, talk.topic),
            peer.heartbeat(),
        ]
    return asked


@phoenix_case("ordering/requests-answered-once")
def requests_answered_once(lab: Lab) -> None:
    """Each push gets at most one reply."""
    talk = conversation(lab)
    said = [talk.say() for _ in range(PUSHES)]
    if not all(talk.is_taken(one) for one in said):
        raise CannotTell("not every push is taken")
    talk.demand_taken("ordering/requests-answered-once", "behind the others")
    talk.peer.barrier(talk.topic)
    counts = [len(replies(talk.peer, one.message)) for one in said]
    lab.demand(
        max(counts) <= 1,
        "ordering/requests-answered-once",
        "at most one reply to a push",
        f"{max(counts)} replies",
    )
