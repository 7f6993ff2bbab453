"""RFC 6455 by the `websockets` library, without I/O: whole messages in, frames out.

Nearly every frame of a client is a whole text message, short, and complete in its segment. Such frames are read here, in a lane
of their own; all others, and all faults, are the library's, so that there is one judge of what is allowed. A subclass that replaces
`recv_frame` or `_assemble` sees every frame: it has no lane.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from websockets.frames import Close, CloseCode, Opcode
from websockets.frames import Frame as WireFrame
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from specs.message import frame_of

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from websockets.http11 import Response

    from reference_server.traffic import FrameBudget
    from specs.message import Frame

# The library's own lines would show request targets and frames, both of which hold credentials.
_SILENT = logging.getLogger("reference_server.silenced")
_SILENT.disabled = True

_FIN_AND_TEXT = 0x81
_MASKED = 0x80
_MEDIUM_MARK = 126
_LIBRARY_STEPS = ("parse", "recv_frame", "_assemble")
"""The methods that a frame of the lane does not go through."""
_LANE_BYTES = 16_384
"""The longest message of the lane; beyond it the library is as fast."""


class _Reader(StreamReader):
    """The library's reader, which keeps the next frame to itself while `is_held`."""

    is_held = False

    def at_eof(self) -> Generator[None, None, bool]:
        while True:
            if self.buffer:
                if not self.is_held:
                    return False
            elif self.eof:
                return True
            yield


class WireProtocol(ServerProtocol):
    """The library's state machine, handing over whole messages in order and closing with an empty reason.

    Args:
        max_bytes: The most bytes of a message.
        on_message: Takes whole messages.
        on_end: Is told the close code, None for none, when no more messages will come.
        frame_bytes: The most bytes of a frame; None for those of a message.
        budget: How many frames may come; None for any number.

    """

    def __init__(
        self,
        max_bytes: int,
        on_message: Callable[[Frame], None],
        on_end: Callable[[int | None], None],
        *,
        frame_bytes: int | None = None,
        budget: FrameBudget | None = None,
    ) -> None:
        super().__init__(max_size=(max_bytes, frame_bytes), logger=_SILENT)
        self.reader = self._reader = _Reader()
        # The library has begun to parse what its own reader holds.
        self.parser = self.parse()
        next(self.parser)
        self._on_message = on_message
        self._on_end = on_end
        self._budget = budget
        self._parts = bytearray()
        self._is_text = False
        self._is_between_frames = False
        self._cut = b""
        """What came of a frame for the lane that is not complete."""
        self._lane_bytes = min(max_bytes, frame_bytes or max_bytes, _LANE_BYTES) if self._has_lane() else -1

    def is_holding(self) -> bool:
        """Tell whether frames that have come wait to be carried out."""
        return self._reader.is_held

    def hold(self) -> None:
        """Begin no more frames, whatever comes, until `release`; nothing is held once the connection ends."""
        self._leave_lane()
        self._reader.is_held = not self.eof_sent

    def release(self) -> None:
        """Carry out the frames that have waited."""
        self._reader.is_held = False
        next(self.parser)

    def fail(self, code: int, reason: str = "") -> None:  # noqa: ARG002 - reasons are always empty (section 8)
        """Send a close frame where none was sent, and end the connection from our side."""
        # What comes from now on is thrown away, not kept.
        self._reader.is_held = False
        super().fail(code)
        self._on_end(code)

    def send_response(self, response: Response) -> None:
        """Answer the request; frames follow where the answer is 101."""
        super().send_response(response)
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self._is_between_frames = not self.reader.buffer
            # A parser that begins now does not hold the request, with its credentials, for as long as the connection lives.
            self.parser = self.parse()
            next(self.parser)

    def receive_data(self, data: bytes | bytearray) -> None:
        """Take bytes of the client and hand over the messages that they complete."""
        if self._is_between_frames and self.current_size is None and not self.eof_sent:
            data = self._receive_plain(self._cut + data if self._cut else data)
            if not data:
                return
            self._is_between_frames = False
        super().receive_data(data)

    def unfinished_bytes(self) -> int:
        """Return how much has come that is no whole message, or waits to be carried out."""
        return len(self.reader.buffer) + len(self._parts) + len(self._cut)

    def receive_eof(self) -> None:
        """Take note that the client sends no more."""
        self._leave_lane()
        super().receive_eof()

    def let_go(self) -> None:
        """Free what has come and is of no use any more, now that TCP has ended.

        A connection's objects refer to each other, and the collector, which does not know how large they are, takes its time.
        """
        self._cut = b""
        self._parts.clear()
        self.reader.buffer.clear()
        # It may hold a message that is not UTF-8.
        self.parser_exc = None

    def refuse_garbage(self, response: Response) -> int:
        """End the connection over what is no request, with a response where the library has none; return the status."""
        if not self.eof_sent:
            self.fail(CloseCode.PROTOCOL_ERROR)
        if not any(self.writes):
            self.writes.insert(0, response.serialize())
        return int(self.writes[0].split(b" ", 2)[1])

    def recv_frame(self, frame: WireFrame) -> None:
        """Take one frame; a message is handed over with its last one."""
        if self._is_over_budget():
            self.fail(CloseCode.POLICY_VIOLATION)
            return
        if frame.opcode is Opcode.CLOSE:
            # The client's code is echoed (T-6), its reason is not.
            Close.parse(frame.data)
            frame = WireFrame(Opcode.CLOSE, frame.data[:2])
        super().recv_frame(frame)
        self.events.clear()
        if frame.opcode is Opcode.CLOSE:
            self._reader.is_held = False
            self._on_end(self.close_rcvd.code if self.close_rcvd else None)
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            self._assemble(frame)
        # The library's parser keeps the frame until the next one that it reads, which may be never.
        frame.data = b""
        self._is_between_frames = not self.reader.buffer

    def _is_over_budget(self) -> bool:
        if self._budget is None:
            return False
        self._budget.left -= 1
        return self._budget.left < 0

    def _assemble(self, frame: WireFrame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        if frame.opcode is Opcode.CONT or not frame.fin:
            # Fragments are copied together as they come, so that many small ones take no more room than their bytes.
            self._parts += frame.data
            if not frame.fin:
                return
            data, self._parts = bytes(self._parts), bytearray()
        else:
            data = bytes(frame.data)
        self._complete(data, self._is_text)

    def _complete(self, data: bytes, is_text: bool) -> None:
        """Hand over a whole message, whichever way it came."""
        if is_text:
            # A UnicodeDecodeError is what the library turns into a close with 1007 (M-11).
            data.decode()
        self._on_message(frame_of((data, is_text)))

    def _has_lane(self) -> bool:
        return all(getattr(type(self), name) is getattr(WireProtocol, name) for name in _LIBRARY_STEPS)

    def _leave_lane(self) -> None:
        """Let the library go on with a frame that is cut."""
        cut, self._cut = self._cut, b""
        if cut:
            self._is_between_frames = False
            super().receive_data(cut)

    def _receive_plain(self, data: bytes | bytearray) -> bytes | bytearray:
        """Take the frames at the front that belong in the lane, and return what the library has to read."""
        at, end, longest = 0, len(data), self._lane_bytes
        self._cut = b""
        while at < end and data[at] == _FIN_AND_TEXT and not self._reader.is_held:
            length, body = data[at + 1] - _MASKED if at + 1 < end else 0, at + 6
            if length == _MEDIUM_MARK:
                length, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 8
            elif not 0 <= length < _MEDIUM_MARK:
                break
            if length > longest:
                break
            after = body + length
            if after > end:
                self._cut = bytes(data[at:])
                return b""
            if not self._take_plain(apply_mask(data[body:after], data[body - 4 : body])):
                return b""
            at = after
        return data[at:]

    def _take_plain(self, data: bytes) -> bool:
        """Hand over a message of the lane; tell whether the connection goes on, and end it as the library would."""
        if self._budget is not None:
            self._budget.left -= 1
            if self._budget.left < 0:
                self.fail(CloseCode.POLICY_VIOLATION)
                return False
        try:
            data.decode()
            self._on_message(frame_of((data, True)))
        except UnicodeDecodeError:
            self.fail(CloseCode.INVALID_DATA)
        except Exception:  # noqa: BLE001
            self.fail(CloseCode.INTERNAL_ERROR)
        return not self.eof_sent
