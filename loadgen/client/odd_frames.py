"""Frames beside the hot path: pings, closes and fragments, read and answered with the frames of `websockets`."""

from __future__ import annotations

from typing import Final, NamedTuple

from websockets.exceptions import ProtocolError
from websockets.frames import Close, CloseCode, Frame, Opcode

_FIN: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F
_LONGEST_CONTROL: Final = 125


class Whole(NamedTuple):
    """A message that came in fragments."""

    data: bytes
    is_text: bool


class Closed(NamedTuple):
    """The server's close frame."""

    code: int
    reason: str


class BrokenFrame(ValueError):
    """The server has sent a frame that RFC 6455 does not allow."""


def close_frame(code: int = CloseCode.NORMAL_CLOSURE) -> bytes:
    """Build a close frame of a client."""
    return Frame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=True)


class Fragments:
    """Puts the fragments of one connection together; made only once there is an odd frame."""

    __slots__ = ("_is_text", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] | None = None
        self._is_text = True

    def take(self, first: int, data: bytes) -> tuple[Whole | Closed | None, bytes]:
        """Take an odd frame.

        Args:
            first: Its first byte.
            data: Its payload.

        Returns:
            What it means, if anything by itself, and the bytes to send for it.

        Raises:
            BrokenFrame: If it is none that a server may send here.

        """
        opcode, is_final = first & _OPCODE, bool(first & _FIN)
        if first & _RESERVED:
            raise BrokenFrame("a reserved bit is set")
        if opcode & 8:
            if not is_final or len(data) > _LONGEST_CONTROL:
                raise BrokenFrame("a control frame is fragmented or too long")
            return self._control(opcode, data)
        return self._fragment(opcode, data, is_final=is_final), b""

    def _control(self, opcode: int, data: bytes) -> tuple[Closed | None, bytes]:
        if opcode == Opcode.PING:
            return None, Frame(Opcode.PONG, data).serialize(mask=True)
        if opcode == Opcode.PONG:
            return None, b""
        if opcode != Opcode.CLOSE:
            raise BrokenFrame(f"unknown opcode {opcode}")
        try:
            close = Close.parse(data)
        except (ProtocolError, UnicodeDecodeError) as fault:
            raise BrokenFrame(f"a malformed close frame: {fault}") from None
        return Closed(close.code, close.reason), Frame(Opcode.CLOSE, data).serialize(mask=True)

    def _fragment(self, opcode: int, data: bytes, *, is_final: bool) -> Whole | None:
        if opcode == Opcode.CONT:
            if self._parts is None:
                raise BrokenFrame("a continuation of nothing")
            self._parts.append(data)
        elif opcode in {Opcode.TEXT, Opcode.BINARY}:
            if self._parts is not None:
                raise BrokenFrame("a new message inside of a fragmented one")
            self._parts, self._is_text = [data], opcode == Opcode.TEXT
        else:
            raise BrokenFrame(f"unknown opcode {opcode}")
        if not is_final:
            return None
        whole, self._parts = Whole(b"".join(self._parts), self._is_text), None
        return whole
