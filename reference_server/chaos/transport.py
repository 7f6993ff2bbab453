"""A connection that faults strike: frames to its client come late, twice, in another order, cut short, or not at all.

A frame is looked at once, when it is given to `send`. What is let pass takes the honest way from there, so that a delayed frame, too,
leaves only when the changes that it may tell of are kept. Answers to pings and close frames are not looked at. A close ends every
wait: what waits goes out before it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from reference_server.chaos.draws import Carried, Strike, is_about
from reference_server.chaos.rules import Cut, Delay, Drop, Duplicate, Reorder, Truncate
from reference_server.frame_bytes import encode_frame
from reference_server.transport import WebSocketTransport
from specs.message import PHX_CLOSE, PHX_ERROR, PHX_REPLY, Frame
from specs.serializer import MalformedFrame

if TYPE_CHECKING:
    import asyncio

    from reference_server.chaos.draws import FaultStream
    from reference_server.chaos.shared import Chaos
    from reference_server.handshake import Accept

_OWN_EVENTS = frozenset({PHX_CLOSE, PHX_ERROR, PHX_REPLY})
_ABNORMAL_CODE = 1006


class ChaoticTransport(WebSocketTransport):
    """A transport under the rules of `chaos`."""

    chaos: ClassVar[Chaos]
    _faults: FaultStream | None = None
    _accept: Accept
    _is_cut = False
    _swapping: tuple[Frame, Carried, Reorder] | None = None
    """A frame that waits to change places with the next."""
    _swap_timer: asyncio.TimerHandle | None = None
    _delay_timer: asyncio.TimerHandle | None = None
    _waiting_bytes = 0
    _until_s = 0.0
    """Until when the last of the waiting frames waits, by the loop's clock."""

    def _open(self, accept: Accept) -> None:
        self._accept = accept
        self._faults = self.chaos.admit(accept.identity)
        self._waiting: deque[tuple[float, Frame]] = deque()
        if self._faults is not None:
            self.chaos.live[self] = None
        super()._open(accept)

    def send(self, frame: Frame) -> None:
        """Let a frame pass, or let it meet its fault."""
        if self._faults is None:
            super().send(frame)
        elif self._connection is not None and not self._is_cut:
            carried = self._carried(frame)
            strike = self._faults.next(carried)
            if strike is None:
                self._pass_on(carried, frame)
            else:
                self._strike(strike, carried, frame)

    def close(self, code: int) -> None:
        """Close the WebSocket behind everything that waits."""
        if self._faults is not None and not self._is_cut:
            self._end_wait()
        if not self._is_cut:
            super().close(code)

    def cut(self, rule: Cut, carried: Carried | None = None) -> None:
        """End the connection as a rule says."""
        if not self._is_cut:
            code = _ABNORMAL_CODE if rule.code is None else rule.code
            self._record_end("cut", carried, code=code)
            self._fail_soon(code)

    def _received(self, frame: Frame) -> None:
        if not self._is_cut:
            super()._received(frame)

    def _ended(self, code: int | None) -> None:
        self.chaos.live.pop(self, None)
        self._drop_wait()
        super()._ended(code)

    # What a frame is.

    def _carried(self, frame: Frame) -> Carried:
        try:
            message = self._accept.serializer.decode_server(frame)
        except MalformedFrame:
            # A deviation may send what is no message: nothing that rules could be about.
            return Carried(None, None, "", is_reply=True)
        topic = message.topic if isinstance(message.topic, str) else None
        family = self._backend.api.route(self._accept.identity.socket.name, topic) if topic else None
        event = str(message.event)
        return Carried(topic, family.name if family else None, event, event in _OWN_EVENTS)

    # What becomes of it.

    def _strike(self, strike: Strike, carried: Carried, frame: Frame) -> None:
        rule = strike.rule
        if isinstance(rule, Drop):
            self._record("drop", carried)
        elif isinstance(rule, Duplicate):
            self._record("duplicate", carried, copies=rule.copies)
            self._pass_on(carried, *[frame] * (1 + rule.copies))
        elif isinstance(rule, Delay):
            self._record("delay", carried, delay_s=strike.amount)
            self._until_s = max(self._until_s, self._loop.time() + strike.amount)
            self._pass_on(carried, frame)
        elif isinstance(rule, Reorder):
            self._swap(carried, frame, rule)
        elif isinstance(rule, Truncate):
            self._truncate(strike.amount, carried, frame, rule)
        elif isinstance(rule, Cut):
            others = [each for each in self.chaos.live if each is not self] if rule.everyone else []
            self.cut(rule, carried)
            for other in others:
                other.cut(rule)

    def _swap(self, carried: Carried, frame: Frame, rule: Reorder) -> None:
        if self._swapping is not None:
            # The frame that waits already has its next one.
            self._pass_on(carried, frame)
            return
        self._swapping = frame, carried, rule
        self._swap_timer = self._loop.call_later(rule.within_s, self._end_swap)

    def _truncate(self, keep: float, carried: Carried, frame: Frame, rule: Truncate) -> None:
        if not rule.cut:
            kept = frame.data[: int(len(frame.data) * keep)]
            if frame.is_text:
                kept = kept.decode(errors="ignore").encode()
            self._record("truncate", carried, kept_bytes=len(kept), of_bytes=len(frame.data))
            self._pass_on(carried, Frame(kept, frame.is_text))
            return
        whole = encode_frame(frame)
        kept = whole[: max(1, int(len(whole) * keep))]
        self._record_end("truncate", carried, kept_bytes=len(kept), of_bytes=len(whole))
        self._end_wait()
        self._wire.writes.append(kept)
        self._fail_soon(_ABNORMAL_CODE)

    def _fail_soon(self, code: int) -> None:
        self._end_wait()
        self._is_cut = True
        # Whoever sends may be in the middle of a join of this very connection, or of a broadcast to many.
        self._loop.call_soon(self._fail, code)

    def _fail(self, code: int) -> None:
        self._wire.fail(code)
        self._schedule_flush()

    # Order and time.

    def _pass_on(self, carried: Carried, *frames: Frame) -> None:
        if self._swapping is not None:
            first, before, rule = self._swapping
            self._forget_swap()
            if is_about(rule, carried):
                self._record("reorder", before, behind=carried.event)
                frames = (*frames, first)
            else:
                frames = (first, *frames)
        for frame in frames:
            self._queue(frame)

    def _queue(self, frame: Frame) -> None:
        if not self._waiting and self._loop.time() >= self._until_s:
            super().send(frame)
            return
        self._waiting.append((self._until_s, frame))
        self._waiting_bytes += len(frame.data)
        # What a slow reader may not have waiting, chaos must not either.
        if self._waiting_bytes > self._limits.queue_bytes:
            self._end_wait()
        elif self._delay_timer is None:
            self._delay_timer = self._loop.call_at(self._waiting[0][0], self._send_due)

    def _send_due(self) -> None:
        self._delay_timer = None
        # The loop's clock may be a little behind the time that it was asked for.
        now_s = max(self._loop.time(), self._waiting[0][0]) if self._waiting else 0.0
        while self._waiting and self._waiting[0][0] <= now_s:
            frame = self._waiting.popleft()[1]
            self._waiting_bytes -= len(frame.data)
            super().send(frame)
        if self._waiting:
            self._delay_timer = self._loop.call_at(self._waiting[0][0], self._send_due)

    def _end_swap(self) -> None:
        if self._swapping is not None:
            frame = self._swapping[0]
            self._forget_swap()
            self._queue(frame)

    def _forget_swap(self) -> None:
        self._swapping = None
        if self._swap_timer is not None:
            self._swap_timer.cancel()

    def _end_wait(self) -> None:
        """Send everything that waits, in its order."""
        self._end_swap()
        frames = [frame for _, frame in self._waiting]
        self._drop_wait()
        for frame in frames:
            super().send(frame)

    def _drop_wait(self) -> None:
        if self._faults is not None:
            self._forget_swap()
            self._waiting.clear()
            self._waiting_bytes = 0
            self._until_s = 0.0
            if self._delay_timer is not None:
                self._delay_timer.cancel()
                self._delay_timer = None

    # Records.

    def _record(self, fault: str, carried: Carried | None, **detail: float | str) -> None:
        if self._faults is not None:
            self.chaos.record(self._faults.number, self._accept.identity, fault, carried, **detail)

    def _record_end(self, fault: str, carried: Carried | None, **detail: float | str) -> None:
        if self._faults is not None:
            refused_for_s = self.chaos.shut_out(self._accept.identity, self._faults)
            if refused_for_s is not None:
                detail["refused_for_s"] = refused_for_s
            self._record(fault, carried, **detail)
