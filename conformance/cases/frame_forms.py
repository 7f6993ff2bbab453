"""The form of every frame that a server sends: all kinds of them are brought about and looked at as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.client.wire import HandshakeRefused, Unreachable
from conformance.faults import CannotTell, Violation
from conformance.verbs.conversation import conversation
from conformance.verbs.handshakes import agent_socket, credentials, url_of
from conformance.verbs.observations import phoenix_case
from specs import json_text
from specs import message as phx
from specs.message import Frame, Message
from specs.serializer import SERIALIZERS

if TYPE_CHECKING:
    from conformance.client.wire import Wire
    from conformance.fixtures.lab import Lab
    from conformance.verbs.conversation import Conversation

_V1_KEYS = {"topic", "event", "payload", "ref"}
_V2_FIELDS = 5
_ANSWERED = tuple(f"watched-{number}" for number in range(1, 6))


def _all_kinds(lab: Lab, vsn: str = "2.0.0") -> list[Frame]:
    """Return the frames of a connection that beats, joins, pushes, hears a relay, misses a topic and leaves.

    Nothing is demanded of their form: an answer is recognised by its ref, wherever that stands.

    """
    talk = conversation(lab)
    socket = lab.api.sockets[talk.family.socket]
    name = next(iter(talk.listeners), talk.by)
    url = url_of(lab, socket, [*credentials(talk.stage.agents[name], socket), ("vsn", vsn)])
    try:
        wire = lab.open(url, f"{name} watched")
    except (HandshakeRefused, Unreachable) as exc:
        raise CannotTell(f"{name} cannot connect: {exc}") from exc
    return [frame for message in _requests(talk) for frame in _exchange(talk, wire, vsn, message)]


def _requests(talk: Conversation) -> list[Message]:
    return [
        Message(None, _ANSWERED[0], phx.PHOENIX_TOPIC, phx.HEARTBEAT, {}),
        Message("watched-0", _ANSWERED[1], talk.topic, phx.PHX_JOIN, {}),
        Message("watched-0", _ANSWERED[2], talk.topic, talk.event.event, talk.payload()),
        Message(None, _ANSWERED[3], talk.lab.unique("wireproof-unjoined:"), "event", {}),
        Message("watched-0", _ANSWERED[4], talk.topic, phx.PHX_LEAVE, {}),
    ]


def _exchange(talk: Conversation, wire: Wire, vsn: str, message: Message) -> list[Frame]:
    """Send a request and return what comes up to its answer; after a join also a relay, after a leave also its end."""
    wire.send(SERIALIZERS[vsn].encode_client(message))
    frames = _until(talk.lab, wire, message.ref)
    if message.event == phx.PHX_JOIN:
        said = talk.say()
        if talk.is_taken(said) and talk.event.relay is not None:
            frames += _until(talk.lab, wire, talk.event.event)
    elif message.event == phx.PHX_LEAVE:
        frames += _until(talk.lab, wire, phx.PHX_CLOSE)
    return frames


def _until(lab: Lab, wire: Wire, sign: str) -> list[Frame]:
    """Return the frames up to the first that holds a word; all that come in time where none does."""
    until_s = lab.deadline.cap(lab.reply_s)
    frames: list[Frame] = []
    while not frames or f'"{sign}"'.encode() not in frames[-1].data:
        frame = wire.receive(until_s)
        if frame is None:
            break
        wire.note_received(frame)
        frames.append(frame)
    return frames


def _values(lab: Lab, vsn: str = "2.0.0") -> list[Any]:
    """Return the JSON values of the text frames of a connection.

    Raises:
        CannotTell: If there are none, or one is not JSON; the case about the form of all frames judges that.

    """
    try:
        values = [json_text.decode(frame.data) for frame in _all_kinds(lab, vsn) if frame.is_text]
    except json_text.MalformedJson as exc:
        raise CannotTell(f"a frame is not JSON: {exc}") from exc
    if not values:
        raise CannotTell("no text frame has come")
    return values


def _arrays(lab: Lab) -> list[list[Any]]:
    """Return the frames of a connection of serializer 2.0.0 that have five elements."""
    return [value for value in _values(lab) if isinstance(value, list) and len(value) == _V2_FIELDS]


@phoenix_case("frames/text-opcode")
def text_opcode(lab: Lab) -> None:
    """Every frame to a client that sends only text is a text frame."""
    # Without a channel first: a server that never sends text lets nobody join.
    _demand_text(_without_channel(lab))
    _demand_text(_all_kinds(lab))


def _without_channel(lab: Lab) -> list[Frame]:
    wire = lab.connect(lab.agent("watched"), socket=agent_socket(lab).name, vsn="2.0.0").wire
    wire.send(
        SERIALIZERS["2.0.0"].encode_client(Message(None, _ANSWERED[0], phx.PHOENIX_TOPIC, phx.HEARTBEAT, {}))
    )
    return _until(lab, wire, _ANSWERED[0])


def _demand_text(frames: list[Frame]) -> None:
    for frame in frames:
        if not frame.is_text:
            raise Violation("frames/text-opcode", "a text frame", f"a binary frame {frame.data[:60]!r}")


@phoenix_case("frames/v2-five-elements")
def v2_five_elements(lab: Lab) -> None:
    """Every frame under serializer 2.0.0 is an array of five."""
    for value in _values(lab):
        if not isinstance(value, list) or len(value) != _V2_FIELDS:
            raise Violation("frames/v2-five-elements", "a JSON array of exactly five elements", _shown(value))


@phoenix_case("frames/v1-object-keys")
def v1_object_keys(lab: Lab) -> None:
    """Every frame under serializer 1.0.0 is an object of topic, event, payload and ref."""
    for value in _values(lab, "1.0.0"):
        if not isinstance(value, dict) or value.keys() != _V1_KEYS:
            raise Violation(
                "frames/v1-object-keys", "a JSON object of topic, event, payload and ref", _shown(value)
            )


@phoenix_case("frames/topic-and-event-strings")
def topic_and_event_strings(lab: Lab) -> None:
    """In every frame topic and event are strings."""
    for value in _arrays(lab):
        if not isinstance(value[2], str) or not isinstance(value[3], str):
            raise Violation("frames/topic-and-event-strings", "topic and event are strings", _shown(value))


@phoenix_case("frames/payload-object")
def payload_object(lab: Lab) -> None:
    """In every frame the payload is an object."""
    for value in _arrays(lab):
        if not isinstance(value[4], dict):
            raise Violation("frames/payload-object", "a payload that is an object", _shown(value))


@phoenix_case("frames/reply-shape")
def reply_shape(lab: Lab) -> None:
    """Every answer is a phx_reply with a payload of exactly status, a string, and response."""
    for value in _arrays(lab):
        is_answer = isinstance(value[1], str) and value[1] in _ANSWERED
        if is_answer and value[3] != phx.PHX_REPLY:
            raise Violation("frames/reply-shape", "an answer is a phx_reply", _shown(value))
        if value[3] == phx.PHX_REPLY and not _is_reply(value[4]):
            raise Violation(
                "frames/reply-shape", "a payload of status, a string, and response", _shown(value)
            )


def _is_reply(payload: Any) -> bool:
    has_members = isinstance(payload, dict) and payload.keys() == {"status", "response"}
    return has_members and isinstance(payload["status"], str)


def _shown(value: Any) -> str:
    return json_text.encode(value).decode()[:300]
