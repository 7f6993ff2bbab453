"""Messages in text frames: their form under both serializers, what is echoed, and what is ignored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from conformance.client.equality import same
from conformance.client.raw_frames import TEXT, raw_frame
from conformance.faults import CannotProvision, CannotTell, Violation
from conformance.fixtures.stage import Stage
from conformance.verbs.conversation import conversation, may_be_joined_anew, tested_families
from conformance.verbs.handshakes import agent_socket
from conformance.verbs.observations import SHOWING, demand_unmatched, naming, phoenix_case, send_join
from specs import message as phx
from specs.message import Message

if TYPE_CHECKING:
    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab
    from conformance.verbs.conversation import Conversation

ECHOES = ("frames/reply-echoes-ref", "frames/reply-echoes-join-ref")
PUSHES = ("frames/push-carries-join-ref", "frames/push-has-null-ref")
_BIG = 12345678901234567890123


def _peer(lab: Lab, vsn: str = SHOWING) -> Peer:
    peer = lab.connect(lab.agent("sender"), socket=agent_socket(lab).name, vsn=vsn)
    if peer.sync().kind == "silence":
        raise CannotTell("a plain heartbeat is not answered; heartbeat/answered judges that")
    return peer


def _heartbeat_text(ref: Any) -> str:
    return json.dumps([None, ref, phx.PHOENIX_TOPIC, phx.HEARTBEAT, {}])


def _demand_heartbeat(requirement: str, peer: Peer, text: str, ref: Any, what: str) -> None:
    """Send the text of a heartbeat and demand the reply to it, with its ref as it was sent."""
    with naming(requirement, *ECHOES):
        answer = peer.answer(peer.send_text(text, None, ref, topic=phx.PHOENIX_TOPIC, event=phx.HEARTBEAT))
    if answer.kind != "ok":
        raise Violation(requirement, f"a heartbeat with {what} is answered ok, with that ref", str(answer))


# What is echoed


@phoenix_case("frames/reply-echoes-ref")
def reply_echoes_ref(lab: Lab) -> None:
    """Every one of several pending requests is answered with its own ref."""
    rule, talk = "frames/reply-echoes-ref", conversation(lab)
    peer = talk.peer
    asked = [peer.heartbeat(), peer.push(lab.unique("wireproof-unjoined:"), "event", {}), peer.heartbeat()]
    pushed = talk.say(peer).message
    for request in asked:
        answer = peer.answer(request)
        if answer.kind not in {"ok", "error"}:
            raise Violation(rule, f"a reply with ref {request.ref!r}", str(answer))
    peer.answer(pushed)


@phoenix_case("frames/reply-echoes-join-ref")
def reply_echoes_join_ref(lab: Lab) -> None:
    """The replies to a join and to a push and a leave on its topic carry the join_ref that was sent."""
    rule, talk = "frames/reply-echoes-join-ref", conversation(lab, vsn=SHOWING)
    peer = talk.connect(talk.by, "joiner")
    for event, payload in ((phx.PHX_JOIN, {}), (talk.event.event, talk.payload()), (phx.PHX_LEAVE, {})):
        answer = peer.answer(peer.send(Message("its join", f"its {event}", talk.topic, event, payload)))
        is_replied = answer.message is not None and answer.kind in {"ok", "error", "status"}
        if event != talk.event.event and not is_replied:
            raise Violation(rule, f"a reply to {event} with its join_ref", str(answer))
        if answer.message is not None and is_replied and answer.message.join_ref != "its join":
            raise Violation(rule, f"join_ref 'its join' in the reply to {event}", f"{answer.message}")


@phoenix_case("frames/ref-type-kept")
def ref_type_kept(lab: Lab) -> None:
    """A number as ref or join_ref comes back as a number, a string of digits as a string."""
    rule, talk = "frames/ref-type-kept", conversation(lab, vsn=SHOWING)
    peer = talk.connect(talk.by, "joiner")
    for ref in (7, "7", "007", 0):
        _demand_heartbeat(rule, peer, _heartbeat_text(ref), ref, f"the ref {ref!r}")
    for join_ref, ref in ((1, 2), ("3", 4), (5, "6")):
        with naming(rule, *ECHOES):
            answer = peer.answer(peer.send(Message(join_ref, ref, talk.topic, phx.PHX_JOIN, {})))
        if answer.kind != "ok":
            raise Violation(
                rule, f"a join with join_ref {join_ref!r} and ref {ref!r} is answered ok", str(answer)
            )


@phoenix_case("frames/structured-ref-kept")
def structured_ref_kept(lab: Lab) -> None:
    """A ref that is an object or an array comes back as it was sent."""
    peer = _peer(lab)
    for ref in ({"a": 1}, [1, "x", None], {}):
        _demand_heartbeat("frames/structured-ref-kept", peer, _heartbeat_text(ref), ref, f"the ref {ref!r}")


@phoenix_case("frames/big-integer-ref-exact")
def big_integer_ref(lab: Lab) -> None:
    """An integer beyond 64 bits comes back with all its digits."""
    peer = _peer(lab)
    for ref in (_BIG, -_BIG, 2**53 + 1):
        _demand_heartbeat("frames/big-integer-ref-exact", peer, _heartbeat_text(ref), ref, f"the ref {ref}")


@phoenix_case("frames/long-ref-kept")
def long_ref(lab: Lab) -> None:
    """A ref of more than 255 bytes comes back whole."""
    ref = "r" * 300
    _demand_heartbeat("frames/long-ref-kept", _peer(lab), _heartbeat_text(ref), ref, "a ref of 300 bytes")


@phoenix_case("frames/null-ref-accepted")
def null_ref(lab: Lab) -> None:
    """A heartbeat, a join and a push on a topic that is not joined are answered when their ref is null."""
    rule, talk = "frames/null-ref-accepted", conversation(lab, vsn=SHOWING)
    peer = talk.connect(talk.by, "joiner")
    _demand_heartbeat(rule, peer, _heartbeat_text(None), None, "a null ref")
    with naming(rule, *ECHOES):
        demand_unmatched(
            lab, peer, peer.send(Message(None, None, lab.unique("wireproof:"), "event", {})), rule
        )
        answer = peer.answer(peer.send(Message("1", None, talk.topic, phx.PHX_JOIN, {})))
    if answer.kind != "ok":
        raise Violation(rule, "a join with a null ref is answered ok, with a null ref", str(answer))


@phoenix_case("frames/unicode-kept")
def unicode_kept(lab: Lab) -> None:
    """Characters outside ASCII, escaped or raw, come back as they are in a ref, a topic and a relayed payload."""
    rule, talk, ref = "frames/unicode-kept", conversation(lab, vsn=SHOWING), "ré漢😀"
    for is_escaped in (True, False):
        text = json.dumps([None, ref, phx.PHOENIX_TOPIC, phx.HEARTBEAT, {}], ensure_ascii=is_escaped)
        _demand_heartbeat(rule, talk.peer, text, ref, f"the ref {ref!r}")
    with naming(rule, *ECHOES):
        push = talk.peer.push(lab.unique(f"wireproof-{ref}:"), "event", {})
        demand_unmatched(lab, talk.peer, push, rule)
    if talk.is_labelled and talk.event.relay is not None:
        _demand_relayed(talk, rule, ref)


def _demand_relayed(talk: Conversation, requirement: str, text: str) -> None:
    said = talk.say(payload=talk.payload(text))
    if not talk.is_taken(said) or not talk.is_heard(said):
        heard = next(
            (m for peer in talk.listeners.values() for m in peer.seen(talk.topic, talk.event.event)), None
        )
        raise Violation(
            requirement, f"a push with {text!r} in its payload is relayed as it is", str(heard or "no relay")
        )


# What is ignored


@phoenix_case("frames/extra-elements-ignored")
def extra_elements(lab: Lab) -> None:
    """A message with a sixth and a seventh element is taken like one without."""
    text = json.dumps([None, "x1", phx.PHOENIX_TOPIC, phx.HEARTBEAT, {}, "sixth", {"seventh": 7}])
    _demand_heartbeat("frames/extra-elements-ignored", _peer(lab), text, "x1", "seven elements")


@phoenix_case("frames/v1-extra-keys-ignored")
def v1_extra_keys(lab: Lab) -> None:
    """An object with further keys is taken like one without."""
    message = {"topic": phx.PHOENIX_TOPIC, "event": phx.HEARTBEAT, "payload": {}, "ref": "x1", "further": [1]}
    _demand_heartbeat(
        "frames/v1-extra-keys-ignored", _peer(lab, "1.0.0"), json.dumps(message), "x1", "a further key"
    )


@phoenix_case("frames/whitespace-accepted")
def whitespace(lab: Lab) -> None:
    """White space around and inside a message makes no difference."""
    text = ' \t\r\n[ null ,\n"w1" , "phoenix"\t, "heartbeat" , { } ] \n'
    _demand_heartbeat("frames/whitespace-accepted", _peer(lab), text, "w1", "white space")


# Serializer 1.0.0


@phoenix_case("frames/v1-join-ref-optional")
def v1_join_ref_optional(lab: Lab) -> None:
    """A client of serializer 1.0.0 that never sends join_ref joins, pushes and leaves."""
    rule, talk = "frames/v1-join-ref-optional", conversation(lab)
    peer = talk.connect(talk.by, "plain", vsn="1.0.0")
    for ref, event, payload in (
        ("1", phx.PHX_JOIN, {}),
        ("2", talk.event.event, talk.payload()),
        ("3", phx.PHX_LEAVE, {}),
    ):
        answer = peer.answer(peer.send(Message(None, ref, talk.topic, event, payload)))
        is_push = event == talk.event.event
        is_usual = is_push and answer.message is not None and talk.is_usual(answer.message)
        if answer.kind != "ok" and not is_usual and not (is_push and answer.kind == "silence"):
            raise Violation(rule, f"{event} without a join_ref is answered ok", str(answer))
    if peer.wait_event(talk.topic, phx.PHX_CLOSE) is None:
        raise Violation(rule, "phx_close after a leave without a join_ref", "nothing came")


@phoenix_case("frames/v1-channel-end-ref")
def v1_channel_end_ref(lab: Lab) -> None:
    """Under serializer 1.0.0 phx_close carries the join_ref of the join as its ref."""
    rule, talk = "frames/v1-channel-end-ref", conversation(lab)
    peer = talk.connect(talk.by, "leaver", vsn="1.0.0")
    for ref, event in (("its join", phx.PHX_JOIN), ("its leave", phx.PHX_LEAVE)):
        answer = peer.answer(peer.send(Message("its join_ref", ref, talk.topic, event, {})))
        if answer.kind != "ok":
            raise CannotTell(f"{event} is not answered ok: {answer}")
    with naming(rule, "leaving/end-carries-join-ref"):
        closed = peer.wait_event(talk.topic, phx.PHX_CLOSE)
    if closed is None or closed.ref != "its join_ref":
        raise Violation(rule, "phx_close with ref 'its join_ref'", str(closed or "no phx_close"))


# What the server sends by itself


@phoenix_case("frames/push-carries-join-ref", "frames/push-carries-join-ref", "frames/push-has-null-ref")
def push_carries_join_ref(lab: Lab) -> None:
    """What is pushed to one channel on its join carries the join_ref of that join."""
    rule = "frames/push-carries-join-ref"
    family, event = _pushing_on_join(lab)
    stage = Stage.build(lab, family, joined=False)
    name = next(iter(stage.agents))
    earlier, joiner = (
        lab.connect(stage.agents[name], socket=stage.family.socket, vsn=SHOWING, name=who)
        for who in ("earlier", "joiner")
    )
    if earlier.join(stage.topic).kind != "ok" or earlier.wait_event(stage.topic, event) is None:
        raise CannotTell(f"{event} does not come after a join of {stage.topic}")
    since = earlier.mark()
    joiner.send(Message("its join", "its ref", stage.topic, phx.PHX_JOIN, {}))
    pushed = joiner.wait_event(stage.topic, event)
    if pushed is None:
        raise CannotTell(f"{event} does not come after a second join of {stage.topic}")
    earlier.sync()
    if not earlier.seen(stage.topic, event, since):
        # Whatever reaches one channel alone is no broadcast.
        _demand_refs(pushed, rule, ["its join"])


def _pushing_on_join(lab: Lab) -> tuple[str, str]:
    """Return a family that pushes an event on join, and the event."""
    for family in sorted(tested_families(lab), key=lambda family: not family.presence):
        for event in family.events.values():
            if event.pushed_on_join and may_be_joined_anew(lab, family):
                return family.name, event.event
    raise CannotProvision("no topic of the documents pushes an event on join")


def _demand_refs(message: Message, requirement: str, join_refs: list[Any]) -> None:
    if message.ref is not None or not any(same(message.join_ref, allowed) for allowed in join_refs):
        shown = " or ".join(repr(allowed) for allowed in join_refs)
        raise Violation(requirement, f"join_ref {shown} and a null ref", f"{message}")


@phoenix_case("frames/broadcast-null-refs", "frames/broadcast-null-refs", "frames/push-has-null-ref")
def broadcast_null_refs(lab: Lab) -> None:
    """A relayed event carries a null ref, and no other join_ref than null or that of the channel that gets it."""
    _demand_relay_refs(lab, "frames/broadcast-null-refs")


@phoenix_case("frames/push-has-null-ref")
def push_has_null_ref(lab: Lab) -> None:
    """A relayed event carries a null ref under both serializers."""
    for vsn in ("1.0.0", "2.0.0"):
        _demand_relay_refs(lab, "frames/push-has-null-ref", vsn)


def _demand_relay_refs(lab: Lab, requirement: str, vsn: str = SHOWING) -> None:
    talk = conversation(lab)
    if talk.event.relay is None or not talk.listeners:
        raise CannotProvision(f"{talk.event.event} is relayed to nobody")
    name = next(iter(talk.listeners))
    with naming(requirement, *PUSHES):
        peer = talk.connect(name, "listener", vsn=vsn)
        # The heartbeat before the join makes its join_ref another one than the sender's.
        for answer, what in ((peer.sync(), "a heartbeat"), (peer.join(talk.topic), "a join")):
            if answer.kind != "ok":
                raise CannotTell(f"a further connection of {name} gets {answer} to {what}")
        talk.demand_taken(requirement, "a relayed event")
        relayed = peer.wait_event(talk.topic, talk.event.event)
    if relayed is None:
        raise CannotTell(f"the relay of {talk.event.event} does not reach a further connection of {name}")
    _demand_refs(relayed, requirement, [None, peer.shown(peer.session.join_ref(talk.topic))])


@phoenix_case("frames/known-event")
def known_event(lab: Lab) -> None:
    """Joining, pushing, leaving and joining again bring only events that the documents name."""
    talk = conversation(lab, wants=lambda family: family.name in lab.served.topics)
    talk.demand_taken("frames/known-event", "a joined topic")
    talk.peer.answer(talk.peer.leave(talk.topic))
    send_join(talk.peer, talk.topic)
    talk.stage.settle()


# WebSocket frames


@phoenix_case("frames/fragmented-reassembled")
def fragmented(lab: Lab) -> None:
    """A message in three WebSocket frames, cut inside a character, is taken as one."""
    rule, ref = "frames/fragmented-reassembled", "fé"
    peer = _peer(lab)
    data = json.dumps([None, ref, phx.PHOENIX_TOPIC, phx.HEARTBEAT, {}], ensure_ascii=False).encode()
    inside = data.index("é".encode()) + 1
    since = peer.mark()
    peer.monitor.note_sent(Message(None, ref, phx.PHOENIX_TOPIC, phx.HEARTBEAT, {}))
    peer.wire.send_fragments([data[:inside], data[inside : inside + 5], data[inside + 5 :]])
    if peer.wait_event(phx.PHOENIX_TOPIC, phx.PHX_REPLY, since=since) is None:
        raise Violation(
            rule, "a reply to a heartbeat in three fragments", str(peer.wire.closed or "no reply")
        )


@phoenix_case("frames/one-segment-in-order")
def one_segment(lab: Lab) -> None:
    """Twenty heartbeats in one write are each answered, in their order."""
    rule = "frames/one-segment-in-order"
    peer = _peer(lab)
    since, refs = peer.mark(), [f"s{number}" for number in range(20)]

    def answered() -> list[Any]:
        return [reply.ref for reply in peer.seen(phx.PHOENIX_TOPIC, phx.PHX_REPLY, since)]

    for ref in refs:
        peer.monitor.note_sent(Message(None, ref, phx.PHOENIX_TOPIC, phx.HEARTBEAT, {}))
    data = b"".join(raw_frame(TEXT, _heartbeat_text(ref).encode()) for ref in refs)
    peer.wire.send_bytes(data, "20 heartbeats in one write")
    peer.wait_event(phx.PHOENIX_TOPIC, phx.PHX_REPLY, matches=lambda _payload: len(answered()) == len(refs))
    if answered() != refs:
        observed = " ".join(map(str, answered())) or "none"
        raise Violation(rule, f"replies to {' '.join(refs)} in this order", observed)


@phoenix_case("frames/ping-answered")
def ping_answered(lab: Lab) -> None:
    """A WebSocket ping is answered by a pong with its payload, and the channel goes on."""
    rule, talk = "frames/ping-answered", conversation(lab)
    for data in (b"", b"hello", bytes(range(125))):
        talk.peer.wire.ping(data)
        if not talk.peer.wait_pong(data):
            raise Violation(rule, f"a pong with {data!r}", f"pongs {talk.peer.wire.pongs!r}")
    talk.demand_taken(rule, "after a ping")
