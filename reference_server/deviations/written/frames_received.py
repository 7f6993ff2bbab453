"""What of a client's frame must make no difference: further elements and keys, white space, fragments, segments, pings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from websockets.frames import Opcode

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_codec, around_wire
from specs import json_text
from specs.message import PHX_JOIN, Frame, Message
from specs.serializer import V1, V2, MalformedFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_MESSAGES_A_SEGMENT = 16


def _refuses(server: Assembly, is_refused: Callable[[Frame, Message], bool], vsn: str) -> None:
    """Take some well-formed frames of clients for malformed ones."""

    def decode(honest: Any, self: Any, frame: Frame) -> Any:
        message = honest(self, frame)
        if is_refused(frame, message):
            raise MalformedFrame("refused by a deviation")
        return message

    around_codec(server, "decode_client", decode, vsn)


@deviation(
    "frames/extra-elements-ignored", shows="An array of more than five elements closes the connection."
)
def refuses_extra_elements(server: Assembly) -> None:
    """Demand exactly five elements."""
    _refuses(server, lambda frame, _: frame.is_text and len(json_text.decode(frame.data)) > 5, V2.vsn)


@deviation(
    "frames/v1-extra-keys-ignored",
    shows="An object with a key that Phoenix does not know closes the connection.",
)
def refuses_extra_keys_under_v1(server: Assembly) -> None:
    """Demand the known keys and no other."""
    known = {"topic", "event", "payload", "ref", "join_ref"}
    _refuses(server, lambda frame, _: not json_text.decode(frame.data).keys() <= known, V1.vsn)


@deviation(
    "frames/v1-join-ref-optional",
    shows="A join without a join_ref closes the connection under serializer 1.0.0.",
)
def demands_join_ref_under_v1(server: Assembly) -> None:
    """Take a join without a join_ref for malformed."""
    _refuses(server, lambda _, message: message.event == PHX_JOIN and message.join_ref is None, V1.vsn)


@deviation("frames/whitespace-accepted", shows="White space before a message closes the connection.")
def refuses_leading_whitespace(server: Assembly) -> None:
    """Tell a message by its first byte."""
    _refuses(server, lambda frame, _: frame.is_text and frame.data[:1] != b"[", V2.vsn)


# WebSocket frames


@deviation(
    "frames/fragmented-reassembled", shows="A message in several WebSocket frames closes the connection."
)
def takes_fragments_for_messages(server: Assembly) -> None:
    """Hand every frame on as if it were the last of its message."""
    around_wire(server, "_assemble", lambda honest, self, frame: honest(self, replace(frame, fin=True)))


@deviation(
    "frames/one-segment-in-order", shows="Of twenty messages in one TCP segment the last four are lost."
)
def loses_end_of_long_segment(server: Assembly) -> None:
    """Carry out only so many messages of one segment."""

    def data_received(honest: Any, self: Any, data: bytes) -> None:
        self.messages_of_segment = 0
        honest(self, data)

    def received(honest: Any, self: Any, frame: Frame) -> None:
        self.messages_of_segment += 1
        if self.messages_of_segment <= _MESSAGES_A_SEGMENT:
            honest(self, frame)

    server.transport = around(server.transport, "data_received", data_received)
    server.transport = around(server.transport, "_received", received)


@deviation("frames/ping-answered", shows="A pong comes without the payload of its ping.")
def answers_ping_without_payload(server: Assembly) -> None:
    """Send every pong empty."""

    def send_frame(honest: Any, self: Any, frame: Any) -> None:
        honest(self, replace(frame, data=b"") if frame.opcode is Opcode.PONG else frame)

    around_wire(server, "send_frame", send_frame)
