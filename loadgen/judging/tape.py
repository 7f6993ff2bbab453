"""Takes down what agents do and see, for the judge's process; on the hot path it is packed at once, so that nothing is kept.

It goes to the judge by the disk (`segments`), so that neither waits for the other: what is not judged while the load lasts is so after it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from loadgen.judging.segments import HEAD_BYTES, TapeTooLong, Writer, left_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadgen.client.site import Known
    from loadgen.client.timers import Timers

SENT: Final = 0
RECEIVED: Final = 1
OPENED: Final = 2
ENDED: Final = 3
UNANSWERED: Final = 4
MADE: Final = 5
SETTLED: Final = 6

FLUSH_S: Final = 0.02
SOON_S: Final = 0.002
LAST_WORDS_S: Final = 0.5
"""How long a judge that is waited for no longer may take to say what it has found."""
MUCH_BYTES: Final = 16_384
"""What has come between two flushes: then the next one comes soon, for what waits pushes all else out of the caches."""

_ARRAY: Final = 0xDD
"""First byte of an array of msgpack whose length takes four bytes."""
_HEAD: Final = bytes(HEAD_BYTES) + bytes([_ARRAY]) + bytes(4)

_append: Final = msgspec.msgpack.Encoder().encode_into


class JudgeTape:
    """The tape of one process, with the judge at its other end.

    Args:
        timers: For its flushes.
        spec: Folder of documents; None for the shipped ones.

    """

    def __init__(self, timers: Timers, spec: str | None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="wireproof-tape-", ignore_cleanup_errors=True)
        self._writer = Writer(Path(self._folder.name))
        command = [sys.executable, "-m", "loadgen.judging.judge", self._folder.name]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, *([spec] if spec else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._packed = bytearray(_HEAD)
        self._count = 0
        self.fault: str | None = None
        """Why nothing more is taken down; None as long as it is."""
        self._timers = timers
        self._timer = timers.after(FLUSH_S, self._flush)

    def opened(self, agent: Known) -> None:
        """Take down that an agent has a connection."""
        self._take((OPENED, agent.number, agent.agent_id))

    def sent(self, agent: Known, at_us: int, text: bytes) -> None:
        """Take down a message that is about to be sent."""
        self._count += 1
        _append((SENT, agent.number, at_us, text), self._packed, -1)

    def received(self, agent: Known, at_us: int, text: bytes) -> None:
        """Take down a message that has come."""
        self._count += 1
        _append((RECEIVED, agent.number, at_us, text), self._packed, -1)

    def unanswered(self, agent: Known, ref: str) -> None:
        """Take down that an answer is waited for no more."""
        self._take((UNANSWERED, agent.number, ref))

    def ended(self, agent: Known) -> None:
        """Take down the end of a connection."""
        self._take((ENDED, agent.number))

    def made(self, topic: str, roles: Mapping[str, str], params: Mapping[str, Any]) -> None:
        """Take down that a resource was made."""
        self._take((MADE, topic, dict(roles), dict(params)))

    def settled(self, topic: str) -> None:
        """Take down that nothing of what was answered is on its way."""
        self._take((SETTLED, topic))

    def verdict(self, within_s: float | None = None) -> dict[str, Any]:
        """Write what is left, and wait for what the judge says; to be called from a greenlet.

        Args:
            within_s: How long the judge is waited for; to its end where None.

        """
        self._timer.cancel()
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

    def _take(self, entry: tuple[Any, ...]) -> None:
        self._count += 1
        _append(entry, self._packed, -1)

    def _flush(self, _due_us: int) -> None:
        pause_s = SOON_S if len(self._packed) > MUCH_BYTES else FLUSH_S
        self._timer = self._timers.after(pause_s, self._flush)
        self._write()

    def _write(self) -> None:
        if not self._count:
            return
        packed, count = self._packed, self._count
        self._count = 0
        if self.fault is None:
            packed[len(_HEAD) - 4 : len(_HEAD)] = count.to_bytes(4, "big")
            try:
                self._writer.write(packed)
            except TapeTooLong as fault:
                self.fault = str(fault)
            except OSError as fault:
                self.fault = f"the tape could not be written: {fault.strerror}"
        # A history with holes would accuse the innocent: after a fault all that comes is dropped.
        del packed[len(_HEAD) :]
