"""How channels end on the wire, and connections by either side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websockets.frames import Close, CloseCode, Opcode
from websockets.frames import Frame as WireFrame

from reference_server.context import Refused
from reference_server.deviations.connections import around_connection, around_within
from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_codec
from specs.message import PHX_CLOSE, PHX_ERROR, Message

if TYPE_CHECKING:
    from reference_server.assembly import Assembly


@deviation("leaving/end-carries-join-ref", shows="The phx_close of a leave has a null ref.")
def closes_with_null_ref(server: Assembly) -> None:
    """Send the end of a channel that is left as a push, without ref."""

    def announce(_honest: Any, self: Any, membership: Any, event: str, payload: Any) -> None:
        if membership is not None:
            self._write(Message(membership.join_ref, None, membership.channel.topic, event, payload))

    around_within(server, "_leave", "_announce_end", announce)


@deviation("leaving/end-carries-join-ref", shows="Under serializer 1.0.0 phx_close has a null ref.")
def closes_with_null_ref_under_v1(server: Assembly) -> None:
    """Leave the ref out with the join_ref, which serializer 1.0.0 does not show."""

    def encode(honest: Any, self: Any, message: Any) -> Any:
        is_end = message.event in {PHX_CLOSE, PHX_ERROR}
        ref = None if is_end else message.ref
        return honest(self, Message(message.join_ref, ref, message.topic, message.event, message.payload))

    around_codec(server, "encode_server", encode, vsn="1.0.0")


@deviation(
    "leaving/error-payload-object",
    shows="A channel that crashes on an unknown event sends phx_error with null.",
)
def crashes_with_null_payload(server: Assembly) -> None:
    """Crash on an event without a clause, as Phoenix does, and send no object with phx_error."""

    def event_of(honest: Any, self: Any, family: Any, name: Any) -> Any:
        try:
            return honest(self, family, name)
        except Refused as exc:
            raise LookupError("no clause matches") from exc

    def announce(honest: Any, self: Any, membership: Any, event: str, payload: Any) -> None:
        honest(self, membership, event, None if event == PHX_ERROR else payload)

    server.enforcement = around(server.enforcement, "event_of", event_of)
    around_connection(server, "_announce_end", announce)


@deviation("leaving/close-payload-object", shows="The payload of the phx_close of a leave is null.")
def closes_with_null_payload(server: Assembly) -> None:
    """Send nothing with phx_close where a channel is left."""

    def announce(honest: Any, self: Any, membership: Any, event: str, _payload: Any) -> None:
        honest(self, membership, event, None)

    around_within(server, "_leave", "_announce_end", announce)


@deviation(
    "leaving/client-close-answered", shows="A client's close frame is answered with 1011, whatever its code."
)
def answers_client_close_with_1011(server: Assembly) -> None:
    """Take the client's close for a failure."""

    def recv_frame(honest: Any, self: Any, frame: Any) -> None:
        if frame.opcode is Opcode.CLOSE:
            frame = WireFrame(Opcode.CLOSE, Close(CloseCode.INTERNAL_ERROR, "").serialize())
        honest(self, frame)

    wire_protocol = around(server.transport.wire_protocol, "recv_frame", recv_frame)
    server.transport = type("Transport", (server.transport,), {"wire_protocol": wire_protocol})


@deviation(
    "leaving/disconnect-closes",
    shows="A disconnect closes one connection of the agent and leaves the others open.",
)
def disconnects_one_connection(server: Assembly) -> None:
    """Disconnect the first connection with the socket id only."""

    def disconnect(_honest: Any, self: Any, socket_id: str) -> None:
        for receiver in tuple(self._sockets.get(socket_id, ()))[:1]:
            receiver.disconnect()

    server.broker = around(server.broker, "disconnect", disconnect)


@deviation("leaving/disconnect-closes", shows="Before a disconnect comes phx_close for each channel.")
def closes_channels_before_disconnect(server: Assembly) -> None:
    """End the channels one by one before the connection."""

    def disconnect(honest: Any, self: Any) -> None:
        for membership in self._memberships.values():
            self._announce_end(membership, PHX_CLOSE, {})
        honest(self)

    around_connection(server, "disconnect", disconnect)


@deviation("leaving/disconnect-closes", shows="A disconnect closes the connection with 1008.")
def disconnects_for_policy(server: Assembly) -> None:
    """Close as if the client had broken a rule."""
    around_connection(server, "disconnect", lambda _honest, self: self._close(CloseCode.POLICY_VIOLATION))
