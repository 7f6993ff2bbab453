"""Messages in the frames that a server sends: their form under both serializers, their refs, and what is echoed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.connections import around_connection
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_codec
from reference_server.outcome import Broadcast
from specs import json_text
from specs.message import PHX_CLOSE, PHX_ERROR, PHX_LEAVE, PHX_REPLY, Frame, Message
from specs.serializer import V1, V2

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_LONGEST_REF = 255
_EXACT_IN_A_DOUBLE = 2**53
_OWN_EVENTS = frozenset({PHX_CLOSE, PHX_ERROR, PHX_REPLY})


def _replies(server: Assembly, change: Callable[[Message], Message]) -> None:
    """Alter the replies of connections before they are encoded."""

    def write(honest: Any, self: Any, message: Message) -> None:
        honest(self, change(message) if message.event == PHX_REPLY else message)

    server.connection = around(server.connection, "_write", write)


def _refs(server: Assembly, change: Callable[[Any], Any]) -> None:
    """Alter the ref that a reply echoes."""
    _replies(server, lambda message: replace(message, ref=change(message.ref)))


def _closes(server: Assembly, change: Callable[[Frame], Frame]) -> None:
    """Alter the frame of every phx_close under serializer 2.0.0."""

    def encode(honest: Any, self: Any, message: Message) -> Frame:
        frame = honest(self, message)
        return change(frame) if message.event == PHX_CLOSE else frame

    around_codec(server, "encode_server", encode, V2.vsn)


# The form of what the server sends


@deviation("frames/v2-five-elements", shows="phx_close comes as an array of six elements.")
def appends_sixth_element_to_close(server: Assembly) -> None:
    """Put a time behind the payload of phx_close."""
    _closes(server, lambda frame: Frame(json_text.encode([*json_text.decode(frame.data), 0]), is_text=True))


@deviation("frames/v1-object-keys", shows="Replies under serializer 1.0.0 have a member join_ref.")
def shows_join_ref_under_v1(server: Assembly) -> None:
    """Leave the join_ref in the objects of serializer 1.0.0."""

    def encode(honest: Any, self: Any, message: Message) -> Frame:
        frame: Frame = honest(self, message)
        if message.join_ref is None:
            return frame
        return Frame(
            json_text.encode({**json_text.decode(frame.data), "join_ref": message.join_ref}), is_text=True
        )

    around_codec(server, "encode_server", encode, V1.vsn)


@deviation(
    "frames/v1-channel-end-ref", shows="phx_close under serializer 1.0.0 does not say which join has ended."
)
def forgets_ref_of_close_under_v1(server: Assembly) -> None:
    """Send phx_close without a ref."""

    def encode(honest: Any, self: Any, message: Message) -> Any:
        return honest(self, replace(message, ref=None) if message.event == PHX_CLOSE else message)

    around_codec(server, "encode_server", encode, V1.vsn)


@deviation(
    "frames/topic-and-event-strings", shows="phx_close carries its topic as an array of the topic's parts."
)
def splits_topic_of_close(server: Assembly) -> None:
    """Send the parsed topic in place of its text."""

    def change(frame: Frame) -> Frame:
        join_ref, ref, topic, *rest = json_text.decode(frame.data)
        return Frame(json_text.encode([join_ref, ref, topic.split(":"), *rest]), is_text=True)

    _closes(server, change)


@deviation(
    "frames/payload-object",
    "leaving/close-payload-object",
    shows="The empty payload of phx_close comes as an empty array.",
)
def sends_empty_payload_as_array(server: Assembly) -> None:
    """Write an empty object as languages do that do not tell it from an empty list."""
    _closes(server, lambda frame: Frame(frame.data.replace(b"{}", b"[]"), is_text=True))


@deviation("frames/text-opcode", shows="phx_close comes as a binary frame that holds JSON text.")
def sends_close_in_binary_frame(server: Assembly) -> None:
    """Send phx_close with the wrong opcode."""
    _closes(server, lambda frame: frame._replace(is_text=False))


@deviation("frames/reply-shape", shows="The reply to a leave has a status and no response.")
def omits_response_of_leave(server: Assembly) -> None:
    """Leave out a response that is empty anyway."""

    def reply(honest: Any, self: Any, message: Message, *rest: Any) -> None:
        if message.event != PHX_LEAVE:
            honest(self, message, *rest)
            return
        join_ref, status, _ = rest
        self._write(Message(join_ref, message.ref, message.topic, PHX_REPLY, {"status": status}))

    server.connection = around(server.connection, "_reply", reply)


@deviation(
    "frames/known-event", shows="Everybody on a topic gets an event user_joined that no document names."
)
def announces_joins(server: Assembly) -> None:
    """Broadcast who has joined."""

    def join(honest: Any, self: Any, channel: Any, payload: Any) -> Any:
        outcome = honest(self, channel, payload)
        news = Broadcast(channel.topic, "user_joined", {"id": channel.identity.agent_id}, exclude=channel)
        if outcome.status != "ok":
            return outcome
        return replace(outcome, late_broadcasts=(*outcome.late_broadcasts, news))

    server.application = around(server.application, "join", join)


# What is echoed


@deviation(
    "frames/reply-echoes-ref",
    shows='The reply "unmatched topic" carries the join_ref of the push as its ref.',
)
def echoes_join_ref_as_ref(server: Assembly) -> None:
    """Take the join_ref of a push for its ref where no channel is."""

    def unmatched(honest: Any, self: Any, message: Message) -> None:
        honest(self, replace(message, ref=message.join_ref))

    server.connection = around(server.connection, "_unmatched", unmatched)


@deviation(
    "frames/reply-echoes-ref", shows="The reply to an event carries the ref of the message before that event."
)
def answers_with_the_ref_before(server: Assembly) -> None:
    """Count replies from one less than the client counts its messages."""

    def reply(honest: Any, self: Any, message: Message, *rest: Any) -> None:
        is_number = isinstance(message.ref, str) and message.ref.isdecimal() and int(message.ref) > 1
        honest(self, replace(message, ref=str(int(message.ref) - 1)) if is_number else message, *rest)

    around_connection(server, "_reply_of_channel", reply)


@deviation("frames/reply-echoes-join-ref", shows="The reply to a leave carries no join_ref.")
def forgets_join_ref_in_reply_to_leave(server: Assembly) -> None:
    """Answer a leave as if its channel had never had a join_ref."""

    def reply(honest: Any, self: Any, message: Message, join_ref: Any, *rest: Any) -> None:
        honest(self, message, None if message.event == PHX_LEAVE else join_ref, *rest)

    server.connection = around(server.connection, "_reply", reply)


@deviation("frames/ref-type-kept", shows='A join with the join_ref 1 is answered with the join_ref "1".')
def turns_numeric_join_ref_into_text(server: Assembly) -> None:
    """Keep join_refs as text."""

    def change(message: Message) -> Message:
        is_number = type(message.join_ref) is int
        return replace(message, join_ref=str(message.join_ref)) if is_number else message

    _replies(server, change)


@deviation(
    "frames/structured-ref-kept",
    shows="A reply to a message whose ref is an object or an array has a null ref.",
)
def drops_structured_ref(server: Assembly) -> None:
    """Echo refs only where they are scalars."""
    _refs(server, lambda ref: None if isinstance(ref, (dict, list)) else ref)


@deviation("frames/big-integer-ref-exact", shows="An integer ref beyond 53 bits comes back rounded.")
def rounds_big_integer_ref(server: Assembly) -> None:
    """Keep numbers as doubles."""
    _refs(server, lambda ref: int(float(ref)) if type(ref) is int and abs(ref) > _EXACT_IN_A_DOUBLE else ref)


@deviation("frames/long-ref-kept", shows="A ref comes back cut to 255 characters.")
def cuts_long_ref(server: Assembly) -> None:
    """Keep refs in a field of limited length."""
    _refs(server, lambda ref: ref[:_LONGEST_REF] if isinstance(ref, str) else ref)


@deviation("frames/unicode-kept", shows="An emoji in a ref comes back as a replacement character.")
def garbles_characters_beyond_bmp(server: Assembly) -> None:
    """Keep the characters of a ref in 16 bits each."""

    def narrowed(ref: Any) -> Any:
        if not isinstance(ref, str):
            return ref
        return "".join(character if character <= "\uffff" else "\ufffd" for character in ref)

    _refs(server, narrowed)


@deviation(
    "frames/null-ref-accepted",
    shows="A heartbeat, a join or a push whose ref is null is carried out but never answered.",
)
def answers_nothing_without_ref(server: Assembly) -> None:
    """Take a null ref for the wish not to be answered."""

    def reply(honest: Any, self: Any, message: Message, *rest: Any) -> None:
        if message.ref is not None:
            honest(self, message, *rest)

    server.connection = around(server.connection, "_reply", reply)


# What the server sends by itself


@deviation(
    "frames/push-carries-join-ref", shows="What is pushed to one channel on its join has a null join_ref."
)
def pushes_without_join_ref(server: Assembly) -> None:
    """Push to a channel as if it were a broadcast."""

    def push_all(honest: Any, self: Any, membership: Any, outcome: Any) -> None:
        honest(self, replace(membership, channel_ref=None), outcome)

    server.connection = around(server.connection, "_push_all", push_all)


@deviation("frames/push-has-null-ref", shows="Relayed and pushed events carry a ref under serializer 1.0.0.")
def numbers_pushes_under_v1(server: Assembly) -> None:
    """Give whatever is sent unasked a ref of its own."""

    def encode(honest: Any, self: Any, message: Message) -> Any:
        is_unasked = message.event not in _OWN_EVENTS
        return honest(self, replace(message, ref="0") if is_unasked else message)

    around_codec(server, "encode_server", encode, V1.vsn)


@deviation(
    "frames/broadcast-null-refs",
    shows="A relayed event carries the join_ref that its sender has joined with.",
)
def relays_with_join_ref_of_sender(server: Assembly) -> None:
    """Relay a message with the join_ref with which it came."""

    def push(honest: Any, self: Any, message: Message, membership: Any) -> None:
        membership.channel.assigns["join_ref"] = membership.channel_ref
        honest(self, message, membership)

    def message_of(honest: Any, self: Any, broadcast: Broadcast) -> Any:
        sender = broadcast.exclude
        return replace(honest(self, broadcast), join_ref=sender and sender.assigns.get("join_ref"))

    server.connection = around(server.connection, "_push", push)
    server.broker = around(server.broker, "message_of", message_of)
