"""RFC 6455 by the `websockets` library, without I/O: whole messages in, frames out."""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING

from websockets.frames import Close, Opcode
from websockets.frames import Frame as WireFrame
from websockets.server import ServerProtocol

from specs.message import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

# The library's own lines would show request targets and frames, both of which hold credentials.
_SILENT = logging.getLogger("reference_server.silenced")
_SILENT.disabled = True

_SHORT_LENGTH, _MEDIUM_LENGTH = 126, 65_536


def encode_frame(frame: Frame) -> bytes:
    """Build the bytes of one unmasked, unfragmented WebSocket frame (RFC 6455 section 5.2)."""
    head, length = 0x81 if frame.is_text else 0x82, len(frame.data)
    if length < _SHORT_LENGTH:
        return struct.pack("!BB", head, length) + frame.data
    if length < _MEDIUM_LENGTH:
        return struct.pack("!BBH", head, 126, length) + frame.data
    return struct.pack("!BBQ", head, 127, length) + frame.data


class WireProtocol(ServerProtocol):
    """The library's state machine, handing over whole messages in order and closing with an empty reason."""

    def __init__(
        self, max_bytes: int, on_message: Callable[[Frame], None], on_end: Callable[[int | None], None]
    ) -> None:
        super().__init__(max_size=max_bytes, logger=_SILENT)
        self._on_message = on_message
        self._on_end = on_end
        self._parts: list[bytes] = []
        self._is_text = False

    def fail(self, code: int, reason: str = "") -> None:  # noqa: ARG002 - reasons are always empty (section 8)
        """Send a close frame where none was sent, and end the connection from our side."""
        super().fail(code)
        self._on_end(code)

    def recv_frame(self, frame: WireFrame) -> None:
        """Take one frame; a message is handed over with its last one."""
        if frame.opcode is Opcode.CLOSE:
            # The client's code is echoed (T-6), its reason is not.
            Close.parse(frame.data)
            frame = WireFrame(Opcode.CLOSE, frame.data[:2])
        super().recv_frame(frame)
        self.events.clear()
        if frame.opcode is Opcode.CLOSE:
            self._on_end(self.close_rcvd.code if self.close_rcvd else None)
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            self._assemble(frame)

    def _assemble(self, frame: WireFrame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        if self._is_text:
            # A UnicodeDecodeError is what the library turns into a close with 1007 (M-11).
            data.decode()
        self._on_message(Frame(data, self._is_text))
