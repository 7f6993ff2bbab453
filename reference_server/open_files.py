"""How many sockets the process may have open."""

from __future__ import annotations

import logging
import sys

from reference_server.structured_log import log_event

#: For the data, the log, and whatever a library opens.
_SPARE_FILES = 64

_log = logging.getLogger("reference_server.open_files")


def allow_as_many_as_possible() -> None:
    """Raise the soft limit of open files to the hard one; where that is not allowed, it stays as it is."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as exc:
        log_event(_log, logging.INFO, "open_files_limit_stays", limit=soft, reason=str(exc))


def room_for_sockets(backlog: int) -> int | None:
    """Return how many sockets may be open with files to spare; None where the system sets no limit.

    Whoever waits to be accepted may come all at once, before any of them can be looked at.

    Args:
        backlog: How many may wait to be accepted.

    """
    if sys.platform == "win32":
        return None
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return None
    return max(files - backlog - _SPARE_FILES, files // 2)
