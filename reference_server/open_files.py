"""How many sockets the process may have open."""

from __future__ import annotations

import logging
import sys

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
        _log.info("the limit of open files stays at %s: %s", soft, exc)
