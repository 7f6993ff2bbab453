"""What is written down of each fault: one JSON object a line, in a file, or as an event of the server's log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from reference_server.structured_log import log_event

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("reference_server.chaos")


class FaultRecord(BaseModel):
    """One fault, as a line of `--chaos-log`.

    `detail` has, by fault: `delay_s` of a delay; `copies` of a duplicate; `behind`, the event that came first, of a reorder; `code`
    of a cut (1006 without a close frame) and, where refusals follow, `refused_for_s`; `kept_bytes` and `of_bytes` of a truncated
    frame; `status` of a refused handshake.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: str
    """UTC, ISO 8601, milliseconds."""
    connection: int
    """Counted from 1 in the order in which clients were let in, operators aside; of a refusal, the one that was cut."""
    socket: str
    agent: str
    fault: Literal["delay", "drop", "duplicate", "reorder", "cut", "truncate", "refuse"]
    topic: str | None
    """Of the frame; None where no frame of this connection had to do with it."""
    event: str | None
    detail: dict[str, int | float | str]


class Recorder(Protocol):
    """Where records go."""

    def write(self, record: FaultRecord) -> None:
        """Take one record; must not raise."""


class LogRecorder:
    """Events `chaos` of the server's log, at level info."""

    def write(self, record: FaultRecord) -> None:
        """Log the record; its event is the member `message_event`, since `event` is what a log line is."""
        members = record.model_dump(exclude={"time", "event", "detail"})
        log_event(_log, logging.INFO, "chaos", **members, message_event=record.event, **record.detail)


class FileRecorder:
    """Lines of a file, which begins anew.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be written.

    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._has_failed = False

    def write(self, record: FaultRecord) -> None:
        """Write the record at once; that it cannot be written is logged once."""
        try:
            self._file.write(record.model_dump_json() + "\n")
        except OSError as exc:
            if not self._has_failed:
                log_event(_log, logging.ERROR, "chaos_log_failed", reason=exc.strerror)
            self._has_failed = True


def now_as_text() -> str:
    """Return the time as records have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")[:23] + "Z"
