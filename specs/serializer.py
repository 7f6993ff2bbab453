"""Both serializers of Phoenix: frames to messages and back, for either side.

`decode_client` and `encode_server` are the server's half and behave as Phoenix does; `encode_client` and `decode_server`
are the client's half, and `decode_server` is strict so that a wrong frame of a server is seen.
"""

from __future__ import annotations

import re
from typing import Any, Final

from specs import binary_frames, json_text
from specs.binary_frames import FieldTooLong, MalformedFrame, UnknownFrameKind
from specs.message import PHX_REPLY, Frame, Message, frame_of

__all__ = [
    "SERIALIZERS",
    "V1",
    "V2",
    "FieldTooLong",
    "MalformedFrame",
    "UnencodableMessage",
    "UnknownFrameKind",
    "choose_version",
]

_V1_REQUIRED = ("topic", "event", "payload", "ref")
_V1_SERVER_KEYS = frozenset(_V1_REQUIRED)
_V2_FIELD_COUNT = 5

_NUMBER = r"(0|[1-9][0-9]*)"
_PRERELEASE_PART = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-(?P<pre>{_PRERELEASE_PART}(?:\.{_PRERELEASE_PART})*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


class UnencodableMessage(ValueError):
    """The message has no frame in this serializer."""


class V1:
    """Serializer 1.0.0: a JSON object a frame, no join_ref towards the client, no binary payloads."""

    vsn: Final = "1.0.0"
    #: Whether the join_ref of a message reaches the client (F-5).
    carries_join_ref: Final = False

    def decode_client(self, frame: Frame) -> Message:
        """Read a client's frame as a server does; the opcode does not matter (F-4, B-10).

        Raises:
            MalformedFrame: If the frame is not JSON, not an object, or lacks topic, event, payload or ref (M-1, M-3).

        """
        value = _decoded(json_text.decode_first_wins, frame.data)
        if not isinstance(value, dict):
            raise MalformedFrame(f"serializer 1.0.0 expects an object, not {_kind_of(value)}")
        missing = [key for key in _V1_REQUIRED if key not in value]
        if missing:
            raise MalformedFrame(f"the object lacks {', '.join(missing)}")
        return Message(value.get("join_ref"), value["ref"], value["topic"], value["event"], value["payload"])

    def encode_server(self, message: Message) -> Frame:
        """Write a message for a client: exactly topic, event, payload and ref (F-3).

        Raises:
            UnencodableMessage: If the payload or the response of a reply is binary (B-10), or has no JSON text.

        """
        _refuse_binary(message)
        return _text_frame(_v1_object(message))

    def encode_client(self, message: Message) -> Frame:
        """Write a client's message; join_ref is sent where there is one (F-4).

        Raises:
            UnencodableMessage: If the payload is binary or has no JSON text.

        """
        _refuse_binary(message)
        members = _v1_object(message)
        if message.join_ref is not None:
            members["join_ref"] = message.join_ref
        return _text_frame(members)

    def decode_server(self, frame: Frame) -> Message:
        """Read a server's frame strictly; `join_ref` is always `None`.

        Raises:
            MalformedFrame: If the frame is not a text frame with an object of exactly topic, event, payload and ref, or the
                event is no string (F-3, F-5).

        """
        if not frame.is_text:
            raise MalformedFrame("a binary frame; serializer 1.0.0 has none")
        value = _decoded(json_text.decode, frame.data)
        if not isinstance(value, dict):
            raise MalformedFrame(f"expected an object, not {_kind_of(value)}")
        if value.keys() != _V1_SERVER_KEYS:
            raise MalformedFrame(
                f"expected the keys event, payload, ref, topic; got {', '.join(sorted(value))}"
            )
        return _with_string_event(
            Message(None, value["ref"], value["topic"], value["event"], value["payload"])
        )


class V2:
    """Serializer 2.0.0: a JSON array a text frame, and binary frames for binary payloads."""

    vsn: Final = "2.0.0"
    #: Whether the join_ref of a message reaches the client (F-5).
    carries_join_ref: Final = True

    def decode_client(self, frame: Frame) -> Message:
        """Read a client's frame as a server does; elements after the fifth are ignored (F-2).

        Absent refs of a binary push become empty strings, not `None` (B-6).

        Raises:
            MalformedFrame: If a text frame is not a JSON array of five or more, or a binary frame is not layout B-1
                (M-1, M-2, M-8).

        """
        if not frame.is_text:
            return Message(*binary_frames.unpack_client(frame.data))
        plain = json_text.decode_plain_fields(frame.data)
        if plain is not None:
            return Message(*plain)
        value = _decoded(json_text.decode_first_wins, frame.data)
        if not isinstance(value, list):
            raise MalformedFrame(f"serializer 2.0.0 expects an array, not {_kind_of(value)}")
        if len(value) < _V2_FIELD_COUNT:
            raise MalformedFrame(f"the array has {len(value)} elements; a message has five")
        return Message(*value[:_V2_FIELD_COUNT])

    def encode_server(self, message: Message) -> Frame:
        """Write a message for a client: text (F-1), or for a binary payload a push, reply or broadcast (B-2, B-3, B-4).

        A binary payload with neither ref is a broadcast; with a join_ref alone it is a push. Refs become text (F-6).

        Raises:
            UnencodableMessage: If there is no JSON text, or a binary push has a ref.
            FieldTooLong: If a field of a binary frame is longer than 255 bytes (B-8).

        """
        payload, join_ref, ref = message.payload, message.join_ref, message.ref
        if isinstance(payload, bytes):
            return Frame(_server_binary(message), is_text=False)
        if message.event == PHX_REPLY and _has_binary_response(message):
            return Frame(_server_binary_reply(message), is_text=False)
        fields = (join_ref, ref, message.topic, message.event, payload)
        return _text_frame(fields, (join_ref is None) + (ref is None))

    def around_ref(self, message: Message) -> tuple[bytes, bytes]:
        """Return what stands before and behind the ref in the text frame of a message for a client.

        Raises:
            UnencodableMessage: If there is no JSON text.

        """
        text = self.encode_server(message).data
        before = b"[" + _text_frame(message.join_ref).data + b","
        return before, text[len(before) + len(_text_frame(message.ref).data) :]

    def encode_client(self, message: Message) -> Frame:
        """Write a client's message: text, or layout B-1 for a binary payload.

        Raises:
            UnencodableMessage: If there is no JSON text, or a field of a binary frame has no text.
            FieldTooLong: If a field of a binary frame is longer than 255 bytes.

        """
        if not isinstance(message.payload, bytes):
            return _text_frame(_v2_array(message))
        fields = (
            _as_field(message.join_ref),
            _as_field(message.ref),
            _as_field(message.topic),
            _as_field(message.event),
        )
        return Frame(binary_frames.pack_client_push(*fields, message.payload), is_text=False)

    def decode_server(self, frame: Frame) -> Message:
        """Read a server's frame strictly.

        The payload of a binary reply is `{"status": .., "response": bytes}`. Refs that a binary layout has no room for
        are `None`.

        Raises:
            UnknownFrameKind: If a binary frame is of another kind than B-2, B-3 and B-4.
            MalformedFrame: If a text frame is not a JSON array of exactly five with a string as event (F-1, F-5), or a binary
                frame is cut.

        """
        if not frame.is_text:
            return _from_server_binary(binary_frames.unpack_server(frame.data))
        value = _decoded(json_text.decode, frame.data)
        if not isinstance(value, list):
            raise MalformedFrame(f"expected an array, not {_kind_of(value)}")
        if len(value) != _V2_FIELD_COUNT:
            raise MalformedFrame(f"expected an array of 5 elements, got {len(value)}")
        return _with_string_event(Message(*value))


#: The serializers by the version that a handshake names.
SERIALIZERS: Final[dict[str, V1 | V2]] = {"1.0.0": V1(), "2.0.0": V2()}


def choose_version(vsn: str | None) -> str | None:
    """Choose the key of `SERIALIZERS` for the `vsn` of a handshake, or `None` where Phoenix answers 403.

    Args:
        vsn: Value of the query parameter; `None` where it is absent, which means 1.0.0.

    Source:
        `phoenix-wire.md` HS-3: `~> 1.0.0` and `~> 2.0.0` of Elixir's Version.

    """
    if vsn is None:
        return V1.vsn
    version = _VERSION.fullmatch(vsn)
    if version is None:
        return None
    major, minor, patch = version.group(1, 2, 3)
    # 2.0.0-rc.1 comes before 2.0.0, 2.0.1-dev does not.
    if minor != "0" or (patch == "0" and version["pre"]):
        return None
    chosen = f"{major}.0.0"
    return chosen if chosen in SERIALIZERS else None


def _decoded(decode: Any, data: bytes) -> Any:
    try:
        return decode(data)
    except json_text.MalformedJson as fault:
        raise MalformedFrame(f"not JSON: {fault}") from None


def _with_string_event(message: Message) -> Message:
    if not isinstance(message.event, str):
        raise MalformedFrame(f"the event is {_kind_of(message.event)}, not a string")
    return message


def _text_frame(value: Any, nulls: int = 0) -> Frame:
    try:
        return frame_of((json_text.encode(value, nulls=nulls), True))
    except json_text.NotJson as fault:
        raise UnencodableMessage(str(fault)) from None


def _v1_object(message: Message) -> dict[str, Any]:
    return {"topic": message.topic, "event": message.event, "payload": message.payload, "ref": message.ref}


def _v2_array(message: Message) -> tuple[Any, ...]:
    return (message.join_ref, message.ref, message.topic, message.event, message.payload)


def _refuse_binary(message: Message) -> None:
    if isinstance(message.payload, bytes) or _has_binary_response(message):
        raise UnencodableMessage("serializer 1.0.0 has no binary payloads")


def _has_binary_response(message: Message) -> bool:
    payload = message.payload
    return (
        message.event == PHX_REPLY
        and isinstance(payload, dict)
        and isinstance(payload.get("response"), bytes)
    )


def _server_binary(message: Message) -> bytes:
    topic, event = _as_field(message.topic), _as_field(message.event)
    if message.ref is not None:
        raise UnencodableMessage("a binary push of a server has no ref")
    if message.join_ref is None:
        return binary_frames.pack_server_broadcast(topic, event, message.payload)
    return binary_frames.pack_server_push(_as_field(message.join_ref), topic, event, message.payload)


def _server_binary_reply(message: Message) -> bytes:
    refs = (_as_field(message.join_ref), _as_field(message.ref))
    status = _as_field(message.payload["status"])
    return binary_frames.pack_server_reply(
        *refs, _as_field(message.topic), status, message.payload["response"]
    )


def _as_field(value: Any) -> str:
    """Write a field as Elixir's `to_string` does; lists and objects have no text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    raise UnencodableMessage(f"{_kind_of(value)} as a field of a binary frame")


def _from_server_binary(
    layout: binary_frames.ServerPush | binary_frames.ServerReply | binary_frames.ServerBroadcast,
) -> Message:
    if isinstance(layout, binary_frames.ServerReply):
        payload = {"status": layout.status, "response": layout.data}
        return Message(layout.join_ref, layout.ref, layout.topic, PHX_REPLY, payload)
    if isinstance(layout, binary_frames.ServerPush):
        return Message(layout.join_ref, None, layout.topic, layout.event, layout.data)
    return Message(None, None, layout.topic, layout.event, layout.data)


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "an array", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), "null")
