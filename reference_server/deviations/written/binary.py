"""Binary frames of serializer 2.0.0: how a client's are decoded, and what answers them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_codec
from reference_server.versions import CRASH_CLOSE_CODE
from specs import binary_frames
from specs.message import HEARTBEAT, PHX_JOIN, PHX_LEAVE, Frame, Message
from specs.serializer import V1, V2, MalformedFrame, UnknownFrameKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_OF_PHOENIX = frozenset({HEARTBEAT, PHX_JOIN, PHX_LEAVE})
_SIZES = 4


def _decodes(server: Assembly, decode: Callable[[Callable[[bytes], Message], bytes], Any]) -> None:
    """Replace how a binary frame of a client is decoded by `decode(honest, data)`."""

    def decode_client(honest: Any, self: Any, frame: Frame) -> Any:
        if frame.is_text:
            return honest(self, frame)
        return decode(lambda data: honest(self, Frame(data, is_text=False)), frame.data)

    around_codec(server, "decode_client", decode_client, V2.vsn)


def _ignores(server: Assembly, method: str, is_ignored: Callable[[Message], bool]) -> None:
    """Do nothing about some binary messages that a method of the connection is for."""

    def handle(honest: Any, self: Any, message: Message, *rest: Any) -> None:
        if not (isinstance(message.payload, bytes) and is_ignored(message)):
            honest(self, message, *rest)

    server.connection = around(server.connection, method, handle)


# How they are decoded


@deviation("binary/push-decoded", shows="The answer to a binary push carries its join_ref as its ref.")
def swaps_refs_of_binary_push(server: Assembly) -> None:
    """Read the ref before the join_ref."""

    def decode(honest: Any, data: bytes) -> Message:
        message: Message = honest(data)
        if message.event in _OF_PHOENIX:
            return message
        return replace(message, join_ref=message.ref, ref=message.join_ref)

    _decodes(server, decode)


@deviation(
    "binary/lengths-count-bytes",
    shows="A binary push on a topic outside ASCII is taken for one on another topic.",
)
def counts_characters_of_binary_fields(server: Assembly) -> None:
    """Take the sizes of a binary push for numbers of characters."""

    def decode(honest: Any, data: bytes) -> Message:
        honest(data)
        text = data[1 + _SIZES :].decode(errors="surrogateescape")
        fields: list[Any] = []
        for size in data[1 : 1 + _SIZES]:
            fields.append(text[:size].encode(errors="surrogateescape").decode(errors="replace"))
            text = text[size:]
        join_ref, ref, topic, event = fields
        return Message(join_ref, ref, topic, event, text.encode(errors="surrogateescape"))

    _decodes(server, decode)


@deviation("binary/cut-frame-closes", shows="A binary frame that is cut makes no difference.")
def ignores_cut_binary_frame(server: Assembly) -> None:
    """Ignore what is shorter than its sizes claim."""

    def receive(honest: Any, self: Any, frame: Frame) -> None:
        if frame.is_text or self.serializer.vsn != V2.vsn or not _is_cut(frame.data):
            honest(self, frame)

    server.connection = around(server.connection, "receive", receive)


def _is_cut(data: bytes) -> bool:
    try:
        binary_frames.unpack_client(data)
    except UnknownFrameKind:
        return False
    except MalformedFrame:
        return True
    return False


@deviation("binary/unknown-kind-closes", shows="A binary frame of any kind is taken for a push.")
def takes_any_kind_for_push(server: Assembly) -> None:
    """Do not look at the kind of a binary frame."""
    _decodes(server, lambda honest, data: honest(bytes([binary_frames.PUSH]) + data[1:] if data else data))


@deviation("binary/json-in-binary-frame-closes", shows="JSON text in a binary frame is taken like text.")
def takes_json_in_binary_frames(server: Assembly) -> None:
    """Tell text by its first byte, not by the opcode."""

    def decode_client(honest: Any, self: Any, frame: Frame) -> Any:
        return honest(self, Frame(frame.data, frame.is_text or frame.data.startswith(b"[")))

    around_codec(server, "decode_client", decode_client, V2.vsn)


@deviation("binary/v1-opcode-ignored", shows="A binary frame closes the connection under serializer 1.0.0.")
def refuses_binary_frames_under_v1(server: Assembly) -> None:
    """Take a binary frame for a malformed one where there are no binary payloads."""

    def decode_client(honest: Any, self: Any, frame: Frame) -> Any:
        if not frame.is_text:
            raise MalformedFrame("a binary frame under serializer 1.0.0")
        return honest(self, frame)

    around_codec(server, "decode_client", decode_client, V1.vsn)


@deviation(
    "binary/field-not-text-contained",
    shows="A field of a binary push that is not UTF-8 is answered with replacement characters.",
)
def replaces_what_is_no_text(server: Assembly) -> None:
    """Read bytes that are no character as U+FFFD."""

    def decode(honest: Any, data: bytes) -> Message:
        try:
            message: Message = honest(data)
        except UnknownFrameKind:
            raise
        except MalformedFrame:
            sizes, rest = data[1 : 1 + _SIZES], data[1 + _SIZES :]
            if len(rest) < sum(sizes) or len(sizes) < _SIZES:
                raise
            fields = []
            for size in sizes:
                fields.append(rest[:size].decode(errors="replace"))
                rest = rest[size:]
            join_ref, ref, topic, event = fields
            message = Message(join_ref, ref, topic, event, rest)
        return message

    _decodes(server, decode)


# What answers them


@deviation(
    "binary/heartbeat-answered-as-text",
    shows="A binary heartbeat is answered by its own data in a binary frame.",
)
def echoes_data_of_binary_heartbeat(server: Assembly) -> None:
    """Answer a binary heartbeat in its own kind."""

    def reply(honest: Any, self: Any, message: Message, join_ref: Any, status: str, response: Any) -> None:
        is_binary_beat = message.event == HEARTBEAT and isinstance(message.payload, bytes)
        echoed = message.payload if is_binary_beat and message.payload else response
        honest(self, message, join_ref, status, echoed)

    server.connection = around(server.connection, "_reply", reply)


@deviation(
    "binary/empty-data-accepted",
    shows="A binary push without data on a topic that is not joined is never answered.",
)
def ignores_binary_push_without_data(server: Assembly) -> None:
    """Take a binary push without data for none."""
    _ignores(server, "_unmatched", lambda message: not message.payload)


@deviation("binary/joined-push-contained", shows="A binary push on a joined topic closes the connection.")
def closes_on_binary_push(server: Assembly) -> None:
    """Crash on a binary payload outside the channel's own process."""

    def push(honest: Any, self: Any, message: Message, membership: Any) -> None:
        if isinstance(message.payload, bytes):
            self._close(CRASH_CLOSE_CODE)
        else:
            honest(self, message, membership)

    server.connection = around(server.connection, "_push", push)


@deviation("binary/join-accepted", shows="A binary phx_join is never answered.")
def ignores_binary_join(server: Assembly) -> None:
    """Take no join in a binary frame."""
    _ignores(server, "_join", lambda _: True)


@deviation("binary/leave-accepted", shows="A binary phx_leave is never answered, and the channel goes on.")
def ignores_binary_leave(server: Assembly) -> None:
    """Take no leave in a binary frame."""
    _ignores(server, "_leave", lambda _: True)


@deviation(
    "binary/empty-join-ref-push",
    shows='A binary push with an empty join_ref on a joined topic is answered "unmatched topic".',
)
def misses_channel_of_empty_join_ref(server: Assembly) -> None:
    """Find no channel for an empty join_ref."""

    def on_topic(honest: Any, self: Any, message: Message) -> None:
        if message.join_ref == "" and isinstance(message.payload, bytes):
            self._unmatched(message)
        else:
            honest(self, message)

    server.connection = around(server.connection, "_on_topic", on_topic)
