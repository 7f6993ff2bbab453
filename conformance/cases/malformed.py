"""Malformed and unexpected input: what ends a connection, what ends a channel, and what is merely refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conformance.case import PHOENIX
from conformance.client.equality import same
from conformance.client.monitor import UNMATCHED
from conformance.client.raw_frames import TEXT, raw_frame
from conformance.faults import CannotProvision, CannotTell, Violation
from conformance.verbs.containment import Compose, Outcome, contained
from conformance.verbs.conversation import Conversation, conversation
from conformance.verbs.endings import (
    SILENT,
    UNAFFECTED,
    closes,
    demand_no_end,
    goes_on,
    marks_of,
    other_of,
    raw,
    texts,
    victim_of,
)
from conformance.verbs.handshakes import agent_socket
from conformance.verbs.observations import demand_unmatched, naming, phoenix_case
from conformance.written import case
from specs import message as phx
from specs.message import Message

if TYPE_CHECKING:
    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab

_HEARTBEAT = '[null,"m1","phoenix","heartbeat",{}]'
_OBJECT = {"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "m1"}
_ECHOES = ("frames/reply-echoes-ref", "frames/reply-echoes-join-ref")
_INTERNAL_ERROR = 1011


# What ends the connection


@phoenix_case("malformed/invalid-json-closes")
def invalid_json(lab: Lab) -> None:
    """Text that is not JSON closes the connection with 1011."""
    sent = texts(
        "{bad", _HEARTBEAT[:-1], _HEARTBEAT.replace('"', "'"), '[null,"m1","phoenix","heartbeat",NaN]'
    )
    closes(lab, "malformed/invalid-json-closes", sent)


@phoenix_case("malformed/empty-text-closes")
def empty_text(lab: Lab) -> None:
    """An empty text frame closes the connection with 1011."""
    closes(lab, "malformed/empty-text-closes", texts(""))


@phoenix_case("malformed/trailing-data-closes")
def trailing_data(lab: Lab) -> None:
    """A message with something behind it closes the connection with 1011."""
    closes(
        lab,
        "malformed/trailing-data-closes",
        texts(f"{_HEARTBEAT} trailing", _HEARTBEAT * 2, f"{_HEARTBEAT}]"),
    )


@phoenix_case("malformed/number-overflow-closes")
def number_overflow(lab: Lab) -> None:
    """A number beyond a double closes the connection with 1011."""
    closes(lab, "malformed/number-overflow-closes", texts('[null,"m1","phoenix","heartbeat",{"n":1e400}]'))


@phoenix_case("malformed/lone-surrogate-closes")
def lone_surrogate(lab: Lab) -> None:
    """Half a surrogate pair closes the connection with 1011."""
    closes(lab, "malformed/lone-surrogate-closes", texts(r'[null,"m1","phoenix","heartbeat",{"u":"\ud800"}]'))


@phoenix_case("malformed/short-array-closes")
def short_array(lab: Lab) -> None:
    """An array of fewer than five elements closes the connection with 1011."""
    closes(lab, "malformed/short-array-closes", texts("[]", '[null,"m1","phoenix","heartbeat"]'))


@phoenix_case("malformed/non-array-closes")
def non_array(lab: Lab) -> None:
    """A JSON scalar closes a connection of serializer 2.0.0 with 1011."""
    closes(lab, "malformed/non-array-closes", texts("5", '"heartbeat"', "null", "true"))


@phoenix_case("malformed/v1-missing-key-closes")
def v1_missing_key(lab: Lab) -> None:
    """An object without one of its four keys closes a connection of serializer 1.0.0 with 1011."""
    sent = [
        json.dumps({name: value for name, value in _OBJECT.items() if name != left_out})
        for left_out in _OBJECT
    ]
    closes(lab, "malformed/v1-missing-key-closes", texts(*sent), vsn="1.0.0")


@phoenix_case("malformed/v1-non-object-closes")
def v1_non_object(lab: Lab) -> None:
    """A JSON scalar closes a connection of serializer 1.0.0 with 1011."""
    closes(lab, "malformed/v1-non-object-closes", texts("5", '"heartbeat"', "null"), vsn="1.0.0")


@case("malformed/wrong-serializer-closes/object-on-v2", "malformed/wrong-serializer-closes", topic=PHOENIX)
def object_on_v2(lab: Lab) -> None:
    """An object on a connection of serializer 2.0.0 closes it with 1011."""
    closes(lab, "malformed/wrong-serializer-closes", texts(json.dumps(_OBJECT)))


@case("malformed/wrong-serializer-closes/array-on-v1", "malformed/wrong-serializer-closes", topic=PHOENIX)
def array_on_v1(lab: Lab) -> None:
    """An array on a connection of serializer 1.0.0 closes it with 1011."""
    closes(lab, "malformed/wrong-serializer-closes", texts(_HEARTBEAT), vsn="1.0.0")


@phoenix_case(SILENT)
def no_frame_before_close(lab: Lab) -> None:
    """A connection with a joined channel closes over a malformed frame without a frame for that channel."""
    talk = conversation(lab)
    demand_no_end(_ended_by_malformed_frame(victim_of(talk, talk.by)))


@phoenix_case(UNAFFECTED)
def other_connections_unaffected(lab: Lab) -> None:
    """Other connections, of the same agent and of others, go on when one closes over a malformed frame."""
    talk = conversation(lab)
    marks = marks_of(talk)
    for name in talk.stage.agents:
        _ended_by_malformed_frame(victim_of(talk, name))
    goes_on(talk, marks, UNAFFECTED)


def _ended_by_malformed_frame(victim: Peer) -> list[Message]:
    since = victim.mark()
    victim.wire.send_text("{bad")
    if victim.wait_closed() is None:
        raise CannotTell("a malformed frame does not end the connection")
    return victim.inbox[since:]


@phoenix_case("malformed/invalid-utf8-closes")
def invalid_utf8(lab: Lab) -> None:
    """A text frame that is not UTF-8 closes the connection with 1007."""
    text = _HEARTBEAT.encode().replace(b"{}", b'{"u":"\xff"}')
    closes(
        lab,
        "malformed/invalid-utf8-closes",
        {"a text frame with the byte ff in a string": raw(raw_frame(TEXT, text))},
        code=1007,
    )


@phoenix_case("malformed/reserved-bit-closes")
def reserved_bit(lab: Lab) -> None:
    """A frame with a reserved bit set closes the connection with 1002."""
    frames = {
        f"a frame with RSV{4 - bit.bit_length()} set": raw(raw_frame(TEXT, _HEARTBEAT.encode(), rsv=bit))
        for bit in (2, 1)
    }
    closes(lab, "malformed/reserved-bit-closes", frames, code=1002)


@phoenix_case("malformed/reserved-opcode-closes")
def reserved_opcode(lab: Lab) -> None:
    """A frame with a reserved opcode closes the connection with 1002."""
    frames = {
        f"a frame of opcode {opcode}": raw(raw_frame(opcode, _HEARTBEAT.encode())) for opcode in (0x3, 0xB)
    }
    closes(lab, "malformed/reserved-opcode-closes", frames, code=1002)


@phoenix_case("malformed/unmasked-frame-refused")
def unmasked_frame(lab: Lab) -> None:
    """A frame without a mask is never answered as a message."""
    talk = conversation(lab)
    marks = marks_of(talk)
    victim = victim_of(talk, other_of(talk), vsn="2.0.0")
    victim.monitor.note_sent(Message(None, "unmasked", phx.PHOENIX_TOPIC, phx.HEARTBEAT, {}))
    since = victim.mark()
    text = _HEARTBEAT.replace("m1", "unmasked").encode()
    victim.wire.send_bytes(raw_frame(TEXT, text, mask=False), "unmasked heartbeat")
    # A connection that lives on answers this one after what came before it.
    victim.sync()
    answered = [message for message in victim.inbox[since:] if message.ref == "unmasked"]
    if answered:
        raise Violation(
            "malformed/unmasked-frame-refused", "no reply to a frame without a mask", f"{answered[0]}"
        )
    goes_on(talk, marks, UNAFFECTED)


@phoenix_case("malformed/object-topic-join-contained")
def object_topic_join(lab: Lab) -> None:
    """A join of a topic that is an object closes its connection with 1011 or is unmatched, and others go on."""
    rule = "malformed/object-topic-join-contained"
    talk = conversation(lab)
    marks = marks_of(talk)
    victim = victim_of(talk, other_of(talk))
    with naming(rule, *_ECHOES):
        answer = victim.answer(victim.send(Message("o1", "o1", {"a": 1}, phx.PHX_JOIN, {})))
    is_closed = answer.closed is not None and answer.closed.code == _INTERNAL_ERROR
    is_unmatched = answer.kind == "error" and same(answer.response, UNMATCHED)
    if not is_closed and not is_unmatched:
        raise Violation(rule, 'a close with 1011 or the reply "unmatched topic"', str(answer))
    goes_on(talk, marks, rule)


# What the connection itself answers


@phoenix_case("malformed/push-unjoined-unmatched")
def push_unjoined(lab: Lab) -> None:
    """A push on a topic that is not joined is answered "unmatched topic", whatever join_ref it carries."""
    topic = lab.unique("wireproof-unjoined:")
    pushes = [
        Message(join_ref, f"u{number}", topic, "event", {})
        for number, join_ref in enumerate([None, "77", 77])
    ]
    pushes += [
        Message(None, "u3", topic, phx.HEARTBEAT, {}),
        Message(None, "u4", phx.PHOENIX_TOPIC, "event", {}),
    ]
    _unmatched(lab, "malformed/push-unjoined-unmatched", pushes)


@phoenix_case("malformed/nonstring-topic-unmatched")
def nonstring_topic(lab: Lab) -> None:
    """A push whose topic is a number or null is answered "unmatched topic" with that topic."""
    pushes = [Message("1", f"n{number}", topic, "event", {}) for number, topic in enumerate([5, None])]
    _unmatched(lab, "malformed/nonstring-topic-unmatched", pushes)


def _unmatched(lab: Lab, requirement: str, pushes: list[Message]) -> None:
    peer = lab.connect(lab.agent("pusher"), socket=agent_socket(lab).name)
    for push in pushes:
        with naming(requirement, *_ECHOES):
            demand_unmatched(lab, peer, peer.send(push), requirement)


# What a channel may not understand


@phoenix_case(
    "malformed/unknown-event-contained",
    "malformed/unknown-event-contained",
    "malformed/unknown-event-refused",
)
def unknown_event(lab: Lab) -> None:
    """An event that no document names ends at most the channel that it is sent to."""
    outcome = _send_unknown_event(conversation(lab), "malformed/unknown-event-contained")
    if outcome.answer.kind == "ok":
        lab.report(
            "malformed/unknown-event-refused", "an unknown event is not answered by ok", str(outcome.answer)
        )


def _send_unknown_event(talk: Conversation, requirement: str) -> Outcome:
    return contained(
        talk, requirement, "an unknown event", _pushes(talk, talk.lab.unique("unknown_event"), {})
    )


@phoenix_case("malformed/nonobject-payload-contained")
def nonobject_payload(lab: Lab) -> None:
    """A payload that is no object ends at most the channel that it is sent to."""
    talk = conversation(lab)
    for payload in ("text", [1], None, 7, True):
        what = f"the payload {json.dumps(payload)}"
        contained(
            talk, "malformed/nonobject-payload-contained", what, _pushes(talk, talk.event.event, payload)
        )


@phoenix_case("malformed/nonstring-event-contained")
def nonstring_event(lab: Lab) -> None:
    """An event that is no string ends at most the channel that it is sent to."""
    talk = conversation(lab)
    for event in (5, None, ["phx_leave"]):
        what = f"the event {json.dumps(event)}"
        contained(talk, "malformed/nonstring-event-contained", what, _pushes(talk, event, {}))


@phoenix_case("malformed/reserved-events-are-ordinary")
def reserved_events(lab: Lab) -> None:
    """phx_reply, phx_close and phx_error from a client are ordinary events, as unknown as any other."""
    rule = "malformed/reserved-events-are-ordinary"
    talk = conversation(lab)
    stops_on_unknown = bool(_send_unknown_event(talk, rule).closes)
    for event in (phx.PHX_REPLY, phx.PHX_CLOSE, phx.PHX_ERROR):
        outcome = contained(talk, rule, event, _pushes(talk, event, {}))
        if outcome.closes and not stops_on_unknown:
            raise Violation(rule, f"{event} from a client does not close the channel", f"{outcome.closes[0]}")


def _pushes(talk: Conversation, event: Any, payload: Any) -> Compose:
    def compose(peer: Peer) -> Message:
        return replace(peer.session.push(talk.topic, "", payload), event=event)

    return compose


@phoenix_case(
    "malformed/error-leaves-unjoined", "malformed/error-leaves-unjoined", "leaving/error-payload-object"
)
def error_leaves_unjoined(lab: Lab) -> None:
    """After a phx_error the topic is not joined, and can be joined again."""
    rule = "malformed/error-leaves-unjoined"
    talk = conversation(lab)
    peer = _crashed(talk)
    demand_unmatched(lab, peer, peer.send(Message("1", "after", talk.topic, talk.event.event, {})), rule)
    again = peer.join(talk.topic)
    if again.kind != "ok":
        raise Violation(rule, "the topic can be joined again after phx_error", str(again))


def _crashed(talk: Conversation) -> Peer:
    """Return a connection whose channel has crashed on something that it did not understand."""
    unknown = talk.lab.unique("unknown_event")
    tries: list[tuple[Any, Any]] = [(unknown, {}), (talk.event.event, "text"), (5, {}), (phx.PHX_ERROR, {})]
    for event, payload in tries:
        peer = victim_of(talk, talk.by)
        if peer.answer(peer.send(_pushes(talk, event, payload)(peer))).kind == "crash":
            return peer
    raise CannotProvision("no input that we know makes a channel of this server crash")
