"""Heartbeats on the topic `phoenix`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.client.equality import same
from conformance.verbs.conversation import conversation, tested_families
from conformance.verbs.handshakes import agent_socket
from conformance.verbs.observations import SHOWING, demand_unmatched, naming, phoenix_case
from specs import message as phx
from specs.message import Message

if TYPE_CHECKING:
    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab


def _alone(lab: Lab, vsn: str | None = None) -> Peer:
    """Open a connection that joins nothing."""
    return lab.connect(lab.agent("alone"), socket=agent_socket(lab).name, vsn=vsn)


def _demand_answered(lab: Lab, peer: Peer, beat: Message, requirement: str) -> Message | None:
    answer = peer.answer(beat)
    lab.demand(
        answer.kind == "ok" and same(answer.response, {}),
        requirement,
        "a heartbeat is answered by phx_reply with status ok and an empty response",
        answer,
    )
    return answer.message


@phoenix_case("heartbeat/answered")
def answered(lab: Lab) -> None:
    """A heartbeat is answered ok beside a joined topic, under both serializers, again and again."""
    for vsn in ("2.0.0", "1.0.0"):
        talk = conversation(lab, vsn=vsn)
        for _ in range(3):
            _demand_answered(lab, talk.peer, talk.peer.heartbeat(), "heartbeat/answered")


@phoenix_case("heartbeat/before-join")
def before_join(lab: Lab) -> None:
    """A heartbeat is answered where nothing is joined, under both serializers."""
    for vsn in ("2.0.0", "1.0.0"):
        peer = _alone(lab, vsn)
        _demand_answered(lab, peer, peer.heartbeat(), "heartbeat/before-join")


@phoenix_case("heartbeat/null-join-ref-in-reply")
def null_join_ref_in_reply(lab: Lab) -> None:
    """The reply to a heartbeat has a null join_ref whatever that of the heartbeat was."""
    peer, rule = _alone(lab, SHOWING), "heartbeat/null-join-ref-in-reply"
    with naming(rule, "frames/reply-echoes-join-ref"):
        for join_ref in (None, "5", 5):
            beat = peer.send(replace(peer.session.heartbeat(), join_ref=join_ref))
            reply = _demand_answered(lab, peer, beat, "heartbeat/answered")
            lab.demand(reply and reply.join_ref is None, rule, "a null join_ref in the reply", reply)


@phoenix_case("heartbeat/payload-ignored")
def payload_ignored(lab: Lab) -> None:
    """A heartbeat is answered whatever its payload."""
    peer = _alone(lab)
    payloads: list[Any] = [None, {"x": 1}, "text", [1], 7, False]
    for payload in payloads:
        beat = peer.send(replace(peer.session.heartbeat(), payload=payload))
        _demand_answered(lab, peer, beat, "heartbeat/payload-ignored")


@phoenix_case("heartbeat/other-event-unmatched")
def other_event_unmatched(lab: Lab) -> None:
    """Another event on the topic phoenix gets "unmatched topic", a join of it included."""
    peer = _alone(lab)
    for event in ("other", phx.PHX_JOIN, "Heartbeat"):
        asked = peer.send(Message("5", lab.unique("ref"), phx.PHOENIX_TOPIC, event, {}))
        demand_unmatched(lab, peer, asked, "heartbeat/other-event-unmatched")


@phoenix_case("heartbeat/only-on-phoenix-topic")
def only_on_phoenix_topic(lab: Lab) -> None:
    """The event heartbeat on another topic that is not joined gets "unmatched topic"."""
    peer = _alone(lab)
    own = [family.topic_of(lab.unique("never")) for family in tested_families(lab)[:1]]
    for topic in (*own, lab.unique("nosuch"), "Phoenix"):
        asked = peer.send(Message(None, lab.unique("ref"), topic, phx.HEARTBEAT, {}))
        demand_unmatched(lab, peer, asked, "heartbeat/only-on-phoenix-topic")
