"""How many sockets the process may have open."""

from __future__ import annotations

import logging
import sys

from reference_server.structured_log import log_event

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
