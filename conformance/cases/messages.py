"""Messages: delivered to the agent they are for, again and again until it acknowledges or rejects them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.client.equality import same
from conformance.client.peer import Answer, Peer
from conformance.faults import CannotTell, Violation
from conformance.fixtures.lab import Lab
from conformance.fixtures.provision import Agent
from conformance.fixtures.stage import Stage
from conformance.written import case

NEW_MESSAGE = "new_message"
MEMBERS = {"id", "type", "payload", "from_agent_id", "protocol_version", "inserted_at"}
WAYS = {"acknowledge": "messages/acknowledged-not-redelivered", "reject": "messages/rejected-not-redelivered"}


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that was sent to an agent."""

    id: str
    content: Mapping[str, Any]

    def is_in(self, payload: Any) -> bool:
        """Tell whether a new_message is this one, by its id or by its payload, of which there is only one."""
        if not isinstance(payload, Mapping):
            return False
        return str(payload.get("id")) == self.id or same(payload.get("payload"), self.content["payload"])


def post(lab: Lab, to: Agent, text: str = "hello") -> Posted:
    """Send a message to an agent in the name of another one."""
    content = {
        "from_agent_id": lab.agent("sender").agent_id,
        "type": "notice",
        "payload": {
            "text": text,
            "mark": lab.unique("message"),
            "deep": [1, 0.5, "\u00e9\U0001f600", None, {}],
        },
        "protocol_version": "1.0",
    }
    made = lab.bench.provisioner.request("send_message", {"to": to.agent_id, **content})
    return Posted(str(made["message_id"]), content)


def is_same_message(first: Mapping[str, Any], again: Mapping[str, Any]) -> bool:
    """Tell whether a message is told as before; members that no document names, as when it was pushed, may differ."""
    return all(same(first.get(member), again.get(member)) for member in MEMBERS)


def recipient_of(stage: Stage) -> Agent:
    """Return the agent whose topic it is."""
    return stage.agents["recipient"]


def delivered(stage: Stage, peer: Peer, posted: Posted, requirement: str, what: str, since: int = 0) -> Any:
    """Demand that a message reaches a connection; returns its payload, None where a mere advice is not followed."""
    found = peer.wait_event(stage.topic, NEW_MESSAGE, since=since, matches=posted.is_in)
    if found is None:
        stage.lab.report(requirement, f"{peer.name} receives {what}", f"no new_message {posted.id}")
        return None
    return found.payload


def deliveries(stage: Stage, peer: Peer, posted: Posted, since: int = 0) -> int:
    """Count how often a connection has received a message."""
    return sum(posted.is_in(message.payload) for message in peer.seen(stage.topic, NEW_MESSAGE, since))


def settle_message(stage: Stage, way: str, message_id: Any, peer: Peer | None = None) -> Answer:
    """Acknowledge or reject a message."""
    payload = (
        {"message_id": message_id}
        if way == "acknowledge"
        else {"message_id": message_id, "reason": "not for me"}
    )
    return (peer or stage.peers["recipient"]).request(stage.topic, way, payload)


def take(stage: Stage, way: str, payload: Mapping[str, Any], peer: Peer | None = None) -> None:
    """Acknowledge or reject a message that was delivered; that must not be refused."""
    answer = settle_message(stage, way, payload["id"], peer)
    if answer.kind not in {"ok", "silence"}:
        raise Violation("messages/event-accepted", f"{way} of a delivered message is accepted", str(answer))


def come_back(stage: Stage, name: str) -> Peer:
    """Join on a new connection and wait until everything that the join causes has arrived."""
    stage.enter("recipient", connection=name)
    peer = stage.peers[name]
    flush(stage, peer)
    return peer


def flush(stage: Stage, peer: Peer) -> None:
    """Wait until the channel has done what came before: it answers requests one after another (O-3)."""
    settle_message(stage, "acknowledge", stage.lab.unique("unknown"), peer)
    if stage.topic not in peer.topics:
        # A crash has answered the request; what came before it has been sent.
        peer.join(stage.topic)


@case(
    "messages/delivery/content",
    "messages/delivered",
    "messages/content-unchanged",
    "messages/new-message-members",
)
def content(lab: Lab) -> None:
    """A message arrives with all its members, and with type, payload and sender as they were sent."""
    stage = Stage.build(lab, "messages")
    posted = post(lab, recipient_of(stage), 'any text \u6f22\n"quoted"')
    got = delivered(stage, stage.peers["recipient"], posted, "messages/delivered", "the message")
    missing = MEMBERS - got.keys()
    if missing:
        raise Violation(
            "messages/new-message-members",
            "all members of new_message",
            f"{sorted(missing)} missing in {got}",
        )
    for member in ("type", "payload", "from_agent_id"):
        if not same(got[member], posted.content[member]):
            raise Violation(
                "messages/content-unchanged", f"{member} {posted.content[member]!r}", f"{got[member]!r}"
            )


@case("messages/delivery/every-connection", "messages/delivered", "messages/redelivery-same-message")
def every_connection(lab: Lab) -> None:
    """Each of several connections of an agent receives a message, with either serializer, as the same message."""
    stage = Stage.build(lab, "messages")
    stage.enter("recipient", connection="recipient-2")
    stage.enter("recipient", vsn="1.0.0", connection="recipient-3")
    posted = post(lab, recipient_of(stage))
    got = [
        delivered(stage, peer, posted, "messages/delivered", "the message") for peer in stage.peers.values()
    ]
    for other in got[1:]:
        lab.demand(
            is_same_message(got[0], other), "messages/redelivery-same-message", f"{got[0]} everywhere", other
        )


@case("messages/delivery/once", "messages/delivered-once", "messages/delivered")
def once(lab: Lab) -> None:
    """A message that is acknowledged when it arrives has arrived once."""
    stage = Stage.build(lab, "messages")
    peer = stage.peers["recipient"]
    posted = post(lab, recipient_of(stage))
    take(stage, "acknowledge", delivered(stage, peer, posted, "messages/delivered", "the message"))
    flush(stage, peer)
    count = deliveries(stage, peer, posted)
    lab.demand(count == 1, "messages/delivered-once", "one new_message for one message", f"{count}")


@case("messages/delivery/addressee-only", "messages/delivered-to-addressee-only", "messages/delivered")
def addressee_only(lab: Lab) -> None:
    """A message reaches its addressee and no other agent, neither when it arrives nor on a later join."""
    stage, other = Stage.build(lab, "messages"), Stage.build(lab, "messages")
    posted = post(lab, recipient_of(stage))
    delivered(stage, stage.peers["recipient"], posted, "messages/delivered", "the message")
    stranger = other.peers["recipient"]
    flush(other, stranger)
    for peer in (stranger, come_back(other, "stranger again")):
        strays = [
            message
            for message in peer.inbox
            if message.event == NEW_MESSAGE and posted.is_in(message.payload)
        ]
        if strays:
            raise Violation(
                "messages/delivered-to-addressee-only", "nothing for another agent", f"{strays[0]}"
            )


@case("messages/delivery/order", "messages/order-kept", "messages/ids-unique", "messages/delivered")
def order(lab: Lab) -> None:
    """Many messages arrive each with an id of its own, in the order in which they were sent."""
    stage = Stage.build(lab, "messages")
    posted = [post(lab, recipient_of(stage), f"number {number}") for number in range(12)]
    peer = stage.peers["recipient"]
    got = [delivered(stage, peer, each, "messages/delivered", "every message") for each in posted]
    ids = [str(each["id"]) for each in got]
    if len(set(ids)) < len(ids):
        raise Violation("messages/ids-unique", f"{len(ids)} ids", f"{ids}")
    _demand_order(stage, peer, posted, "messages/order-kept")


def _demand_order(
    stage: Stage, peer: Peer, posted: Sequence[Posted], requirement: str, since: int = 0
) -> None:
    payloads = [message.payload for message in peer.seen(stage.topic, NEW_MESSAGE, since)]
    arrived = [number for payload in payloads for number, each in enumerate(posted) if each.is_in(payload)]
    first_seen = list(dict.fromkeys(arrived))
    stage.lab.demand(
        first_seen == list(range(len(posted))),
        requirement,
        "the order in which they were sent",
        f"{first_seen}",
    )


@case("messages/redelivery/pending", "messages/pending-redelivered", "messages/redelivery-same-message")
def pending(lab: Lab) -> None:
    """A message is pushed again on every join until it is acknowledged, each time as the same message."""
    stage = Stage.build(lab, "messages")
    posted = post(lab, recipient_of(stage))
    first = delivered(stage, stage.peers["recipient"], posted, "messages/delivered", "the message")
    for name in ("second", "third"):
        stage.enter("recipient", connection=name)
        again = delivered(
            stage,
            stage.peers[name],
            posted,
            "messages/pending-redelivered",
            "the pending message on its join",
        )
        lab.demand(
            again is None or is_same_message(first, again),
            "messages/redelivery-same-message",
            f"the same message {first}",
            again,
        )


@case("messages/redelivery/rejoin", "messages/pending-redelivered")
def rejoin(lab: Lab) -> None:
    """A pending message is pushed again after a leave and a new join on the same connection."""
    stage = Stage.build(lab, "messages")
    peer = stage.peers["recipient"]
    posted = post(lab, recipient_of(stage))
    delivered(stage, peer, posted, "messages/delivered", "the message")
    peer.answer(peer.leave(stage.topic))
    since = peer.mark()
    if peer.join(stage.topic).kind != "ok":
        raise CannotTell("the topic cannot be joined again")
    delivered(stage, peer, posted, "messages/pending-redelivered", "the pending message on its join", since)


@case("messages/redelivery/offline", "messages/offline-delivered-on-join", "messages/redelivery-oldest-first")
def offline(lab: Lab) -> None:
    """Messages that were sent while the agent was away are pushed when it joins, oldest first."""
    stage = Stage.build(lab, "messages", joined=False)
    posted = [post(lab, recipient_of(stage), f"number {number}") for number in range(6)]
    peer = stage.enter("recipient")
    got = [
        delivered(stage, peer, each, "messages/offline-delivered-on-join", "what was sent while it was away")
        for each in posted
    ]
    if None not in got:
        _demand_order(stage, peer, posted, "messages/redelivery-oldest-first")


def _settled_not_redelivered(lab: Lab, way: str) -> None:
    """Settle one of two messages; joins afterwards must not bring that one."""
    stage = Stage.build(lab, "messages")
    first = stage.peers["recipient"]
    posted = [post(lab, recipient_of(stage), text) for text in ("to be settled", "to be left")]
    got = [delivered(stage, first, each, "messages/delivered", "the message") for each in posted]
    take(stage, way, got[0])
    since = first.mark()
    if first.join(stage.topic).kind != "ok":
        raise CannotTell("the topic cannot be joined again")
    flush(stage, first)
    for peer, mark in ((first, since), (come_back(stage, "recipient again"), 0)):
        again = deliveries(stage, peer, posted[0], mark)
        lab.demand(
            again == 0, WAYS[way], f"no new_message {posted[0].id} after {way}", f"{again} on a later join"
        )
        delivered(stage, peer, posted[1], "messages/pending-redelivered", "the message that is left", mark)


@case("messages/redelivery/acknowledged", "messages/acknowledged-not-redelivered", "messages/event-accepted")
def acknowledged(lab: Lab) -> None:
    """A message that is acknowledged is not pushed on later joins; another one still is."""
    _settled_not_redelivered(lab, "acknowledge")


@case("messages/redelivery/rejected", "messages/rejected-not-redelivered", "messages/event-accepted")
def rejected(lab: Lab) -> None:
    """A message that is rejected is not pushed on later joins; another one still is."""
    _settled_not_redelivered(lab, "reject")


@case(
    "messages/redelivery/other-connection", "messages/acknowledged-not-redelivered", "messages/event-accepted"
)
def other_connection(lab: Lab) -> None:
    """A message that was delivered on one connection can be acknowledged on another, and is then done with."""
    stage = Stage.build(lab, "messages")
    second = stage.enter("recipient", connection="recipient-2")
    posted = post(lab, recipient_of(stage))
    got = delivered(stage, stage.peers["recipient"], posted, "messages/delivered", "the message")
    take(stage, "acknowledge", got, second)
    again = deliveries(stage, come_back(stage, "recipient-3"), posted)
    lab.demand(
        again == 0,
        WAYS["acknowledge"],
        f"no new_message {posted.id} after acknowledge",
        f"{again} deliveries",
    )
