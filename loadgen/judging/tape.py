"""Takes down what agents do and see, for the judge's process; it is packed in small batches, so that nearly nothing is kept.

It goes to the judge by the disk (`segments`), so that neither waits for the other: what is not judged while the load lasts is so after it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import gevent
import msgspec

from loadgen.judging.segments import HEAD_BYTES, TapeTooLong, Writer, left_bytes

if TYPE_CHECKING:
    from loadgen.client.entries import Entry, Note
    from loadgen.client.timers import Timers

FLUSH_S: Final = 0.02
LAST_WORDS_S: Final = 0.5
"""How long a judge that is waited for no longer may take to say what it has found."""
MANY: Final = 64
"""Entries that are packed at once: each alone takes longer, and if more were kept, they would push all else out of the caches."""
MUCH_BYTES: Final = 32_768
"""What is packed goes to the disk without waiting for the next flush."""

_append: Final = msgspec.msgpack.Encoder().encode_into


class JudgeTape:
    """The tape of one process, with the judge at its other end.

    Args:
        timers: For its flushes.
        spec: Folder of documents; None for the shipped ones.

    Attributes:
        note: Takes an entry down.
        fault: Why nothing more is taken down; None as long as it is.

    """

    def __init__(self, timers: Timers, spec: str | None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="wireproof-tape-", ignore_cleanup_errors=True)
        self._writer = Writer(Path(self._folder.name))
        command = [sys.executable, "-m", "loadgen.judging.judge", self._folder.name]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, *([spec] if spec else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._entries: list[Entry] = []
        self.note: Note = self._entries.append
        self._packed = bytearray()
        self.fault: str | None = None
        self._timers = timers
        self._timer = timers.after(FLUSH_S, self._flush)
        # Called in each turn of the loop, before it waits.
        self._turns: Any = gevent.get_hub().loop.prepare()
        self._turns.start(self._turn)

    def verdict(self, within_s: float | None = None) -> dict[str, Any]:
        """Write what is left, and wait for what the judge says; to be called from a greenlet.

        Args:
            within_s: How long the judge is waited for; to its end where None.

        """
        self._timer.cancel()
        self._turns.stop()
        self._turns.close()
        self._pack()
        self._write()
        self._writer.close()
        try:
            said: dict[str, Any] = msgspec.json.decode(self._wait(within_s))
        except subprocess.TimeoutExpired:
            self._process.kill()
            said = {"fault": "the judge was not waited for", "facts": 0, "findings": []}
        except (OSError, ValueError, msgspec.DecodeError) as fault:
            ended = f"the judge has ended with {self._process.returncode}: {fault}"
            said = {"fault": ended, "facts": 0, "findings": []}
        self._folder.cleanup()
        if self.fault is not None and "fault" not in said:
            said["fault"] = f"judging stopped after {said['facts']} messages: {self.fault}"
        said["is_complete"] = "fault" not in said
        return said

    def hurry(self) -> None:
        """Wait no longer than now for a verdict that is waited for: what was found until now is all."""
        if self._process.poll() is None:
            self._process.terminate()

    @property
    def left_bytes(self) -> int:
        """How many bytes are not judged yet, but for the segment that is being read."""
        return left_bytes(Path(self._folder.name))

    def _wait(self, within_s: float | None) -> bytes:
        try:
            out, _ = self._process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            # What it has found until then is true all the same.
            self._process.terminate()
            out, _ = self._process.communicate(timeout=LAST_WORDS_S)
        return out

    def _turn(self) -> None:
        if len(self._entries) >= MANY:
            self._pack()
            if len(self._packed) >= MUCH_BYTES:
                self._write()

    def _flush(self, _due_us: int) -> None:
        self._timer = self._timers.after(FLUSH_S, self._flush)
        self._pack()
        self._write()

    def _pack(self) -> None:
        entries, packed, at = self._entries, self._packed, len(self._packed)
        if not entries:
            return
        packed += bytes(HEAD_BYTES)
        try:
            _append(entries, packed, -1)
            packed[at : at + HEAD_BYTES] = (len(packed) - at - HEAD_BYTES).to_bytes(HEAD_BYTES, "big")
        except (TypeError, ValueError, OverflowError) as fault:
            # Only parameters of a scenario can be what is no data.
            del packed[at:]
            self.fault = self.fault or f"something could not be written down: {fault}"
        entries.clear()

    def _write(self) -> None:
        # A history with holes would accuse the innocent: after a fault all that comes is dropped.
        if self._packed and self.fault is None:
            try:
                self._writer.write(self._packed)
            except TapeTooLong as fault:
                self.fault = str(fault)
            except OSError as fault:
                self.fault = f"the tape could not be written: {fault.strerror}"
        self._packed.clear()
