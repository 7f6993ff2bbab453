"""Standard error as a log uses it: nobody ever waits for its reader.

Rules for this file. While the reader keeps up, a line is written where it is logged, at once. What cannot be written then is kept,
in order, and a thread writes it as soon as that is possible; it exists only meanwhile, and the process may end without it. Beyond
what may be kept, lines are dropped until all that was kept is written, and one more line says how many they were.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from collections import deque
from contextlib import suppress
from time import monotonic, sleep
from typing import Final

MOST_KEPT_BYTES: Final = 4_194_304
"""What may wait for the reader; hours of warnings, or a second of a busy server at level debug."""
_LAST_WAIT_S: Final = 2.0
"""How long the end of the process waits for the reader."""
_PAUSE_S: Final = 0.05
_IS_TOLD: Final = hasattr(select, "poll")
"""Whether the system tells if something can be written; Windows does not."""
#: So much can be written without waiting when it is said that something can.
_PIECE_BYTES: Final = getattr(select, "PIPE_BUF", 512)

_log = logging.getLogger("reference_server.process")


class StandardErrorHandler(logging.Handler):
    """Writes lines to standard error; a reader that has gone is no reason to say anything."""

    def __init__(self) -> None:
        super().__init__()
        self._file = _descriptor()
        self._kept: deque[bytes] = deque()
        self._kept_bytes = self._dropped = 0
        self._is_watched = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write, keep or drop the line of a record; never waits."""
        if self._file < 0:
            return
        with suppress(Exception):
            line = self._line(record)
            if self._dropped or self._kept_bytes + len(line) > MOST_KEPT_BYTES:
                self._dropped += 1
            else:
                self._keep(line)
            self._write_kept()
            if self._kept and not self._is_watched:
                # A daemon: a reader that never reads must not keep the process from ending.
                threading.Thread(target=self._watch, name="standard error", daemon=True).start()
                self._is_watched = True

    def flush(self) -> None:
        """Write what is kept, as far as the reader takes it in the last moments of the process."""
        ends_s = monotonic() + _LAST_WAIT_S
        self.acquire()
        try:
            self._write_kept()
            while self._kept and (left_s := ends_s - monotonic()) > 0:
                self._is_ready(left_s)
                self._write_kept()
        finally:
            self.release()

    def _watch(self) -> None:
        is_done = False
        while not is_done:
            self._is_ready(None)
            self.acquire()
            try:
                is_progress = self._write_kept()
                is_done = not self._kept
                self._is_watched = not is_done
            finally:
                self.release()
            if not is_progress:
                # Somebody else was quicker.
                sleep(_PAUSE_S)

    def _write_kept(self) -> bool:
        """Write all that can be written now, the number of dropped lines last; tell whether that was anything."""
        is_progress = False
        while self._kept:
            line = self._kept[0]
            written = self._write(line)
            if written == 0:
                break
            is_progress = True
            self._kept_bytes -= written
            if written < len(line):
                self._kept[0] = line[written:]
                continue
            self._kept.popleft()
            if self._dropped and not self._kept:
                self._keep(self._line(_told(self._dropped)))
                self._dropped = 0
        return is_progress

    def _keep(self, line: bytes) -> None:
        self._kept.append(line)
        self._kept_bytes += len(line)

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode()

    def _write(self, line: bytes) -> int:
        """Return how much was written, or was in vain; 0 where that would wait."""
        if not self._is_ready(0):
            return 0
        try:
            return os.write(self._file, line[:_PIECE_BYTES])
        except BlockingIOError:
            return 0
        except OSError:
            return len(line)

    def _is_ready(self, timeout_s: float | None) -> bool:
        if not _IS_TOLD:
            return True
        waiting = select.poll()
        waiting.register(self._file, select.POLLOUT)
        return bool(waiting.poll(None if timeout_s is None else timeout_s * 1000))


def _told(dropped: int) -> logging.LogRecord:
    fields = {"fields": {"count": dropped}}
    return _log.makeRecord(
        _log.name, logging.WARNING, __file__, 0, "log_lines_dropped", (), None, extra=fields
    )


def _descriptor() -> int:
    """Return what is written to; -1 where the process has no standard error."""
    try:
        file = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return -1
    # A terminal says that it can take something when that is less than a line. Opened once more it can be told not to wait,
    # which whoever else writes to the one that we were given must not notice.
    with suppress(AttributeError, OSError):
        return os.open(os.ttyname(file), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    return file
