"""Takes down what agents do and see, and sends it to the judge's process; on the hot path it is a list's `append`.

What the judge cannot keep up with waits in memory, up to a limit; beyond that nothing more is taken down, and the report says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

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
MANY: Final = 100
"""Entries that have come between two flushes: then the next one comes soon, for what is kept pushes all else out of the caches."""
LONGEST_BYTES: Final = 256 << 20
"""What may wait for the judge."""

_encode: Final = msgspec.msgpack.Encoder().encode


class JudgeTape:
    """The tape of one process, with the judge at its other end.

    Args:
        timers: For its flushes.
        spec: Folder of documents; None for the shipped ones.

    """

    def __init__(self, timers: Timers, spec: str | None) -> None:
        command = [sys.executable, "-m", "loadgen.judging.judge", *([spec] if spec else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own command
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        self._fd = self._process.stdin.fileno()
        os.set_blocking(self._fd, False)
        self._entries: list[tuple[Any, ...]] = []
        self._take = self._entries.append
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self.is_behind = False
        """Whether it has stopped, because the judge could not keep up."""
        self.is_broken = False
        """Whether the judge is gone."""
        self._timers = timers
        self._timer = timers.after(FLUSH_S, self._flush)

    def opened(self, agent: Known) -> None:
        """Take down that an agent has a connection."""
        self._take((OPENED, agent.number, agent.agent_id))

    def sent(self, agent: Known, at_us: int, text: bytes) -> None:
        """Take down a message that is about to be sent."""
        self._take((SENT, agent.number, at_us, text))

    def received(self, agent: Known, at_us: int, text: bytes) -> None:
        """Take down a message that has come."""
        self._take((RECEIVED, agent.number, at_us, text))

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
        """Send what is left, and wait for what the judge says; to be called from a greenlet.

        Args:
            within_s: How long the judge is waited for; to its end where None.

        """
        self._timer.cancel()
        self._gather()
        os.set_blocking(self._fd, True)
        try:
            out, _ = self._process.communicate(b"".join(self._waiting), timeout=within_s)
            said: dict[str, Any] = msgspec.json.decode(out)
        except subprocess.TimeoutExpired:
            self._process.kill()
            said = {"fault": "the judge was not waited for", "facts": 0, "findings": []}
        except (OSError, ValueError, msgspec.DecodeError) as fault:
            said = {
                "fault": f"the judge has ended with {self._process.returncode}: {fault}",
                "facts": 0,
                "findings": [],
            }
        said["is_complete"] = not (self.is_behind or self.is_broken) and "fault" not in said
        return said

    def _flush(self, _due_us: int) -> None:
        pause_s = SOON_S if len(self._entries) > MANY else FLUSH_S
        self._timer = self._timers.after(pause_s, self._flush)
        self._gather()
        try:
            while self._waiting:
                first = self._waiting[0]
                written = os.write(self._fd, first)
                self._waiting_bytes -= written
                if written < len(first):
                    self._waiting[0] = first[written:]
                    return
                self._waiting.popleft()
        except BlockingIOError:
            return
        except OSError:
            self.is_broken = True
            self._stop()

    def _gather(self) -> None:
        if not self._entries:
            return
        data = _encode(self._entries)
        self._entries.clear()
        self._waiting.append(len(data).to_bytes(4, "big") + data)
        self._waiting_bytes += len(data) + 4
        if self._waiting_bytes > LONGEST_BYTES:
            self.is_behind = True
            self._stop()

    def _stop(self) -> None:
        """Take nothing more down: a history with holes would accuse the innocent."""
        self._take = _nothing
        self._entries.clear()
        if self.is_broken:
            self._waiting.clear()


def _nothing(_entry: tuple[Any, ...]) -> None:
    """Take nothing down."""
