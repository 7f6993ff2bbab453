"""How many sockets the process may have open."""

from __future__ import annotations

import logging
import sys

from reference_server.structured_log import log_event

#: For the data, the log, and whatever a library opens.
_SPARE_FILES = 64
_TURNS = 6
#: A turn that accepts many is quicker, but those that are too many among them take up files until they are known.
_MOST_AT_ONCE, _FILES_FOR_ONE = 64, 32

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


def accepted_at_once() -> int:
    """Return how many sockets may be accepted in one turn of the event loop: few where there are few files."""
    files = _open_files_limit()
    return _MOST_AT_ONCE if files is None else max(1, min(_MOST_AT_ONCE, files // _FILES_FOR_ONE))


def room_for_sockets(accepted_at_once: int) -> int | None:
    """Return how many sockets may be open with files to spare; None where the system sets no limit.

    Args:
        accepted_at_once: How many are accepted in one turn of the event loop. It takes some turns until one that is too many
            is known, and is gone.

    """
    files = _open_files_limit()
    if files is None:
        return None
    return max(files - _TURNS * accepted_at_once - _SPARE_FILES, files // 2)


def _open_files_limit() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if files == resource.RLIM_INFINITY else files
