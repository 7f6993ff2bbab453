"""What a client sends and what waits for it, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class FrameBudget:
    """A bucket of frames that fills with time: so many a second in the long run, so many at once.

    It is filled once a segment and emptied frame by frame, so that a frame costs no look at the clock.

    Args:
        per_s: How fast it fills.
        burst: How much it holds; it begins full.
        now_s: A clock that only rises.

    """

    __slots__ = ("_burst", "_filled_s", "_per_s", "left")

    def __init__(self, per_s: float, burst: float, now_s: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._filled_s = now_s
        self.left = burst
        """Frames that may still come; below 0 there were too many."""

    def refill(self, now_s: float) -> None:
        """Add what has come together since the last time."""
        if self.left < self._burst:
            self.left = min(self._burst, self.left + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s


class Queues:
    """The bytes that wait for all clients of a server that do not read; each of them reports its own."""

    __slots__ = ("waiting_bytes",)

    def __init__(self) -> None:
        self.waiting_bytes = 0

    def note(self, before: int, now: int) -> int:
        """Take note of how much waits for one client; returns that number, to be passed as `before` the next time."""
        self.waiting_bytes += now - before
        return now


class Backlog:
    """The bytes that wait for one client, and how many others may let wait for it.

    Args:
        queues: Those of all clients.
        most_bytes: What others may let wait for this one.
        most_of_all_bytes: What may wait for all clients.

    """

    __slots__ = (
        "_most_bytes",
        "_most_of_all_bytes",
        "_noted_bytes",
        "_own_bytes",
        "_queues",
        "most_held_bytes",
    )

    def __init__(self, queues: Queues, most_bytes: int, most_of_all_bytes: int) -> None:
        self._queues = queues
        self._most_bytes = most_bytes
        self._most_of_all_bytes = most_of_all_bytes
        self.most_held_bytes = most_bytes // 4
        """What may be held for a commit: whoever causes more must wait for the disk, before the client looks slow."""
        self._noted_bytes = 0
        self._own_bytes = 0

    def is_too_much(self, waiting_bytes: int, *, is_own: bool) -> bool:
        """Tell whether more waits than may.

        Args:
            waiting_bytes: All that waits for the client by now.
            is_own: Whether a request of its own has brought the last of it, such as a join all messages for an agent.

        """
        self._noted_bytes = self._queues.note(self._noted_bytes, waiting_bytes)
        if is_own:
            # However much that is: its next request waits until this is read.
            self._own_bytes = waiting_bytes
        is_too_much_of_all = self._queues.waiting_bytes > self._most_of_all_bytes
        return is_too_much_of_all or waiting_bytes - self._own_bytes > self._most_bytes

    def fill_up(self, waiting_bytes: int) -> None:
        """Take note that the client does not read as fast as it is written to.

        What waits by then counts as its own: uvloop tells this only when a turn of the loop is over.
        """
        self._own_bytes = max(self._own_bytes, waiting_bytes)

    def drain(self) -> None:
        """Take note that nothing to speak of waits any more."""
        self._own_bytes = 0
        self._noted_bytes = self._queues.note(self._noted_bytes, 0)


class Uploads:
    """What all clients of a server have sent of messages that they have not ended; the one that was begun first is in front."""

    __slots__ = ("begun", "waiting_bytes")

    def __init__(self) -> None:
        self.begun: dict[Upload, None] = {}
        self.waiting_bytes = 0


class Upload:
    """What one client has sent of a message that it has not ended.

    Args:
        uploads: Those of all clients.
        most_of_all_bytes: What there may be of all.
        drop: Ends the connection; whose message was begun first has to go.

    """

    __slots__ = ("_bytes", "_most_of_all_bytes", "_uploads", "drop")

    def __init__(self, uploads: Uploads, most_of_all_bytes: int, drop: Callable[[], None]) -> None:
        self._uploads = uploads
        self._most_of_all_bytes = most_of_all_bytes
        self._bytes = 0
        self.drop = drop

    def note(self, now_bytes: int) -> None:
        """Take note of how much there is by now: nothing where the message is whole, or the client is gone."""
        if now_bytes == self._bytes:
            return
        uploads = self._uploads
        uploads.waiting_bytes += now_bytes - self._bytes
        self._bytes = now_bytes
        if now_bytes:
            uploads.begun[self] = None
        else:
            uploads.begun.pop(self, None)
        while uploads.waiting_bytes > self._most_of_all_bytes:
            first = next(iter(uploads.begun))
            first.note(0)
            first.drop()
