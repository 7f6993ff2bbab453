"""WebSocket frames and TCP segments: what comes in pieces or in the wrong place, and what no client may send."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from websockets.frames import Opcode
from websockets.protocol import State

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_codec, around_wire
from reference_server.deviations.written.malformed import alters_frames, short_frames
from specs.message import HEARTBEAT, Frame, Message
from specs.serializer import V2, MalformedFrame

if TYPE_CHECKING:
    from reference_server.assembly import Assembly

_OPCODE, _CONTROL, _FIN, _MASKED, _LENGTH = 0x0F, 0x08, 0x80, 0x80, 0x7F
_WHOLE_TEXT = 0x81
_FIRST_BYTES = frozenset({0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A})
"""With which a frame may begin."""
_HEADER_BYTES = 6
_SHORT = 126
_LONG_BYTES = 1_000_000
_LEAST_CODE, _MOST_CODE = 1000, 4999


# Frames in the wrong place


@deviation(
    "malformed/stray-continuation-closes",
    shows="A continuation that continues nothing is taken for a message.",
)
def takes_stray_continuations(server: Assembly) -> None:
    """Take a continuation for text where no message has begun."""

    def receive_data(honest: Any, self: Any, data: bytes) -> None:
        is_stray = data and not data[0] & _OPCODE and self.current_size is None and self.state is State.OPEN
        honest(self, bytes([data[0] | Opcode.TEXT]) + data[1:] if is_stray else data)

    around_wire(server, "receive_data", receive_data)


@deviation(
    "malformed/interrupted-message-closes",
    shows="A message inside another one is taken, and the other is lost.",
)
def takes_message_inside_another(server: Assembly) -> None:
    """Begin anew with every frame that is no continuation."""

    def recv_frame(honest: Any, self: Any, frame: Any) -> None:
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY} and self.current_size is not None:
            self.current_size = None
            self._parts = bytearray()
        honest(self, frame)

    around_wire(server, "recv_frame", recv_frame)


@deviation("malformed/control-frame-form", shows="A ping that is not final is answered.")
def takes_control_frames_that_are_not_final(server: Assembly) -> None:
    """Take every control frame for a whole one."""
    alters_frames(
        server, lambda data: bytes([data[0] | _FIN]) + data[1:] if data and data[0] & _CONTROL else data
    )


# Lengths and masks


@deviation(
    "malformed/lying-length-contained",
    shows="A frame is taken whole although it claims to be shorter than it is.",
)
def takes_segment_for_frame(server: Assembly) -> None:
    """Trust the segment rather than the length, where no other frame can begin behind it."""

    def receive_data(honest: Any, self: Any, data: bytes) -> None:
        if len(data) > _HEADER_BYTES and data[0] == _WHOLE_TEXT and self.state is State.OPEN:
            claimed, true = data[1] & _LENGTH, len(data) - _HEADER_BYTES
            rest = data[_HEADER_BYTES + claimed :]
            if claimed < true < _SHORT and rest[0] not in _FIRST_BYTES:
                data = bytes([data[0], _MASKED | true]) + data[2:]
        honest(self, data)

    around_wire(server, "receive_data", receive_data)


@deviation("frames/any-mask-taken", shows="A message that is masked with zeros closes the connection.")
def refuses_mask_of_zeros(server: Assembly) -> None:
    """Take a mask that changes nothing for none."""

    def unmasked(data: bytes) -> bytes:
        has_no_effect = len(data) > _HEADER_BYTES and data[2:_HEADER_BYTES] == bytes(4)
        return bytes([data[0], data[1] & _LENGTH]) + data[2:] if has_no_effect else data

    alters_frames(server, unmasked)


@deviation("frames/cut-segments-joined", shows="A segment of one byte is lost.")
def loses_segments_of_one_byte(server: Assembly) -> None:
    """Take a single byte for a sign of life."""

    def data_received(honest: Any, self: Any, data: bytes) -> None:
        if len(data) > 1 or self._connection is None:
            honest(self, data)

    server.transport = around(server.transport, "data_received", data_received)


# What messages hold


@deviation("frames/any-json-taken", shows="A heartbeat whose payload is no object closes the connection.")
def refuses_heartbeats_without_object(server: Assembly) -> None:
    """Demand an object as the payload of a heartbeat."""

    def decode_client(honest: Any, self: Any, frame: Frame) -> Message:
        message: Message = honest(self, frame)
        if frame.is_text and message.event == HEARTBEAT and not isinstance(message.payload, dict):
            raise MalformedFrame("refused by a deviation")
        return message

    around_codec(server, "decode_client", decode_client, V2.vsn)


@deviation("malformed/wrong-element-contained", shows="A message whose topic is an array is answered twice.")
def answers_array_as_topic_twice(server: Assembly) -> None:
    """Answer for each of two routes that an array may mean."""

    def reply(honest: Any, self: Any, message: Message, *rest: Any) -> None:
        for _ in range(1 + isinstance(message.topic, list)):
            honest(self, message, *rest)

    server.connection = around(server.connection, "_reply", reply)


@deviation(
    "malformed/other-connections-unaffected",
    shows="A message of more than a megabyte closes the other connections of its agent.",
)
def makes_room_for_long_messages(server: Assembly) -> None:
    """Give all that one agent may take up to its longest message."""

    def receive(honest: Any, self: Any, frame: Frame) -> None:
        honest(self, frame)
        if len(frame.data) > _LONG_BYTES and self.identity.socket_id is not None:
            self._broker.disconnect(self.identity.socket_id)

    server.connection = around(server.connection, "receive", receive)


# How connections end


@deviation(
    "leaving/invalid-close-code-refused", shows="A close frame with a code that none may send is ignored."
)
def ignores_invalid_close_codes(server: Assembly) -> None:
    """Wait for a close frame that is valid."""

    def is_invalid(data: bytes) -> bool:
        if len(data) < _HEADER_BYTES + 2 or data[0] != _FIN | Opcode.CLOSE:
            return False
        key, masked = data[2:4], data[_HEADER_BYTES : _HEADER_BYTES + 2]
        (code,) = struct.unpack("!H", bytes(one ^ other for one, other in zip(key, masked, strict=True)))
        return not _LEAST_CODE <= code <= _MOST_CODE

    alters_frames(server, lambda data: b"" if is_invalid(data) else data)


@deviation(
    "leaving/nothing-behind-close", shows="A message behind a close frame in the same segment is answered."
)
def answers_what_is_behind_close(server: Assembly) -> None:
    """Carry out a whole segment before the close frame in it."""

    def receive_data(honest: Any, self: Any, data: bytes) -> None:
        if self.state is State.OPEN and data[:1] == bytes([_FIN | Opcode.CLOSE]):
            frames = list(short_frames(data))
            data = b"".join([*frames[1:], frames[0]])
        honest(self, data)

    around_wire(server, "receive_data", receive_data)


@deviation(
    "leaving/half-open-contained",
    shows="As long as one connection does not read, nobody on its topic is told anything.",
)
def tells_nobody_while_one_does_not_read(server: Assembly) -> None:
    """Broadcast only where everybody can be written to."""

    def broadcast(honest: Any, self: Any, told: Any) -> None:
        transports = [getattr(receiver.send, "__self__", None) for receiver in self._receivers(told)]
        if not any(getattr(transport, "_is_paused", False) for transport in transports):
            honest(self, told)

    server.broker = around(server.broker, "broadcast", broadcast)


@deviation(
    "leaving/half-open-contained",
    shows="When a connection is lost without a close frame, all others of its agent are closed.",
)
def gives_agent_up_with_a_lost_connection(server: Assembly) -> None:
    """Take an agent for gone as soon as one of its connections is."""

    def ended(honest: Any, self: Any, code: int | None) -> None:
        if self._connection is not None:
            self._connection.is_lost = code is None
        honest(self, code)

    def closed(honest: Any, self: Any) -> None:
        honest(self)
        if getattr(self, "is_lost", False) and self.identity.socket_id is not None:
            self._broker.disconnect(self.identity.socket_id)

    server.transport = around(server.transport, "_ended", ended)
    server.connection = around(server.connection, "closed", closed)
