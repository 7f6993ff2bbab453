"""Malformed frames: each kind of them closes the connection with its code, in silence, and touches no other."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from websockets.frames import CloseCode
from websockets.protocol import State

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_codec, around_wire
from specs import json_text
from specs.message import PHX_ERROR, Frame
from specs.serializer import V1, V2, MalformedFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference_server.assembly import Assembly

_BEYOND_A_DOUBLE = re.compile(rb"\b\d+[eE]\+?\d{3,}")
_LONE_HALF = re.compile(rb"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])")
_FIELDS = 5
_MASKED, _LENGTH, _MEDIUM = 0x80, 0x7F, 126
_LAST_TEXT, _RESERVED_BITS, _OPCODE = 0x81, 0x70, 0x0F
_KNOWN_OPCODES = frozenset({0x0, 0x1, 0x2, 0x8, 0x9, 0xA})


def mends_text(server: Assembly, mend: Callable[[bytes], bytes], vsn: str = V2.vsn) -> None:
    """Read text frames that are malformed as what `mend` makes of them."""

    def decode(honest: Any, self: Any, frame: Frame) -> Any:
        try:
            return honest(self, frame)
        except MalformedFrame:
            if not frame.is_text:
                raise
            return honest(self, Frame(mend(frame.data), is_text=True))

    around_codec(server, "decode_client", decode, vsn)


def _mends_value(server: Assembly, mend: Callable[[Any], Any], vsn: str) -> None:
    """Read JSON that is no message as what `mend` makes of its value."""

    def mended(data: bytes) -> bytes:
        try:
            return json_text.encode(mend(json_text.decode(data)))
        except json_text.MalformedJson:
            return data

    mends_text(server, mended, vsn)


def ignores_text(server: Assembly, is_ignored: Callable[[bytes], bool], vsn: str = V2.vsn) -> None:
    """Do nothing about some text frames under one serializer."""

    def receive(honest: Any, self: Any, frame: Frame) -> None:
        if not (frame.is_text and self.serializer.vsn == vsn and is_ignored(frame.data)):
            honest(self, frame)

    server.connection = around(server.connection, "receive", receive)


def alters_frames(server: Assembly, change: Callable[[bytes], bytes]) -> None:
    """Alter the short WebSocket frames of a client, each as its bytes."""

    def receive_data(honest: Any, self: Any, data: bytes) -> None:
        honest(self, b"".join(map(change, short_frames(data))) if self.state is State.OPEN else data)

    around_wire(server, "receive_data", receive_data)


def short_frames(data: bytes) -> Iterator[bytes]:
    """Return the short frames that a segment begins with, and the rest of it behind them."""
    while len(data) > 1 and data[1] & _LENGTH < _MEDIUM:
        end = 2 + (4 if data[1] & _MASKED else 0) + (data[1] & _LENGTH)
        yield data[:end]
        data = data[end:]
    yield data


def _is_scalar(data: bytes) -> bool:
    try:
        return not isinstance(json_text.decode(data), (dict, list))
    except json_text.MalformedJson:
        return False


def _is_malformed(connection: Any, frame: Frame) -> bool:
    try:
        connection.serializer.decode_client(frame)
    except MalformedFrame:
        return True
    return False


# Text that is not JSON


@deviation("malformed/invalid-json-closes", shows="NaN in a message is taken for null.")
def takes_nan(server: Assembly) -> None:
    """Read NaN, as lenient parsers do."""
    mends_text(server, lambda data: data.replace(b"NaN", b"null"))


@deviation("malformed/empty-text-closes", shows="An empty text frame makes no difference.")
def ignores_empty_text(server: Assembly) -> None:
    """Take an empty text frame for a sign of life."""
    ignores_text(server, lambda data: not data)


@deviation("malformed/trailing-data-closes", shows="Whatever follows a message in its frame is ignored.")
def ignores_trailing_data(server: Assembly) -> None:
    """Read up to the end of the first JSON value."""

    def first_value(data: bytes) -> bytes:
        text = data.decode()
        try:
            _, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            return data
        return text[:end].encode()

    mends_text(server, first_value)


@deviation("malformed/number-overflow-closes", shows="A number beyond a double is taken for the largest one.")
def clamps_numbers(server: Assembly) -> None:
    """Read a number that is too large as the largest there is."""
    mends_text(server, lambda data: _BEYOND_A_DOUBLE.sub(b"1.7976931348623157e308", data))


@deviation(
    "malformed/lone-surrogate-closes", shows="Half a surrogate pair is taken for a replacement character."
)
def replaces_lone_surrogates(server: Assembly) -> None:
    """Read half a surrogate pair as U+FFFD."""
    mends_text(server, lambda data: _LONE_HALF.sub(rb"\\ufffd", data))


# JSON that is no message


@deviation("malformed/short-array-closes", shows="A message without a payload is taken.")
def takes_array_without_payload(server: Assembly) -> None:
    """Read a missing payload as an empty one."""

    def mend(value: Any) -> Any:
        return [*value, {}] if isinstance(value, list) and len(value) == _FIELDS - 1 else value

    _mends_value(server, mend, V2.vsn)


@deviation("malformed/non-array-closes", shows="A JSON scalar makes no difference under serializer 2.0.0.")
def ignores_scalars(server: Assembly) -> None:
    """Ignore a value that can be no message."""
    ignores_text(server, _is_scalar)


@deviation(
    "malformed/v1-missing-key-closes", shows="An object without a payload is taken under serializer 1.0.0."
)
def takes_object_without_payload(server: Assembly) -> None:
    """Read a missing payload as an empty one."""
    _mends_value(server, lambda value: {"payload": {}, **value} if isinstance(value, dict) else value, V1.vsn)


@deviation(
    "malformed/v1-non-object-closes", shows="A JSON scalar makes no difference under serializer 1.0.0."
)
def ignores_scalars_under_v1(server: Assembly) -> None:
    """Ignore a value that can be no message."""
    ignores_text(server, _is_scalar, V1.vsn)


@deviation(
    "malformed/wrong-serializer-closes", shows="An object is taken on a connection of serializer 2.0.0."
)
def takes_objects_under_v2(server: Assembly) -> None:
    """Read the objects of serializer 1.0.0 as well."""

    def decode(honest: Any, self: Any, frame: Frame) -> Any:
        is_object = frame.is_text and frame.data.startswith(b"{")
        return V1().decode_client(frame) if is_object else honest(self, frame)

    around_codec(server, "decode_client", decode, V2.vsn)


@deviation(
    "malformed/wrong-serializer-closes", shows="An array is taken on a connection of serializer 1.0.0."
)
def takes_arrays_under_v1(server: Assembly) -> None:
    """Read the arrays of serializer 2.0.0 as well."""

    def decode(honest: Any, self: Any, frame: Frame) -> Any:
        return V2().decode_client(frame) if frame.data.startswith(b"[") else honest(self, frame)

    around_codec(server, "decode_client", decode, V1.vsn)


# How the connection ends


@deviation("malformed/no-frame-before-close", shows="phx_error comes for every channel before the close.")
def announces_end_of_channels(server: Assembly) -> None:
    """Tell a client of the end of its channels before its connection closes over a malformed frame."""

    def receive(honest: Any, self: Any, frame: Frame) -> None:
        if _is_malformed(self, frame):
            for membership in tuple(self._memberships.values()):
                self._announce_end(membership, PHX_ERROR, {})
        honest(self, frame)

    server.connection = around(server.connection, "receive", receive)


@deviation(
    "malformed/other-connections-unaffected",
    shows="A malformed frame closes all connections of the agent that has sent it.",
)
def closes_all_connections_of_agent(server: Assembly) -> None:
    """Disconnect whoever sends a malformed frame everywhere."""

    def receive(honest: Any, self: Any, frame: Frame) -> None:
        is_malformed = _is_malformed(self, frame)
        honest(self, frame)
        if is_malformed and self.identity.socket_id is not None:
            self._broker.disconnect(self.identity.socket_id)

    server.connection = around(server.connection, "receive", receive)


@deviation("malformed/invalid-utf8-closes", shows="Text that is not UTF-8 closes the connection with 1011.")
def closes_invalid_utf8_with_1011(server: Assembly) -> None:
    """Take text that is not UTF-8 for a crash."""

    def fail(honest: Any, self: Any, code: int, *reason: str) -> None:
        honest(self, CloseCode.INTERNAL_ERROR if code == CloseCode.INVALID_DATA else code, *reason)

    around_wire(server, "fail", fail)


# WebSocket frames that no client may send


@deviation("malformed/unmasked-frame-refused", shows="A message in a frame without a mask is answered.")
def takes_unmasked_frames(server: Assembly) -> None:
    """Do without the mask of a text frame."""

    def masked(data: bytes) -> bytes:
        if len(data) < 2 or data[0] != _LAST_TEXT or data[1] & _MASKED:
            return data
        return bytes([data[0], data[1] | _MASKED]) + bytes(4) + data[2:]

    alters_frames(server, masked)


@deviation("malformed/reserved-bit-closes", shows="A message in a frame with a reserved bit is answered.")
def ignores_reserved_bits(server: Assembly) -> None:
    """Clear the reserved bits of a frame."""
    alters_frames(server, lambda data: bytes(byte & ~_RESERVED_BITS for byte in data[:1]) + data[1:])


@deviation("malformed/reserved-opcode-closes", shows="A frame with a reserved opcode makes no difference.")
def ignores_reserved_opcodes(server: Assembly) -> None:
    """Pass over frames whose opcode is not known."""
    alters_frames(server, lambda data: b"" if data and data[0] & _OPCODE not in _KNOWN_OPCODES else data)
