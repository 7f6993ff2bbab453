"""What the C library does with memory that the server has freed."""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def give_back_large_blocks() -> None:
    """Let every block of more than a MiB go back to the system once it is freed; where the C library is another, all stays.

    Without it glibc, as soon as the first message of many megabytes is gone, takes further ones from its heap, and keeps what
    lies between them: hundreds of megabytes that nobody uses, more with each wave of clients.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
