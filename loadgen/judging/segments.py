"""A tape on disk: one process writes chunks to it, another reads them at its own pace, and what is read is removed.

It stands in segments, files of a folder that are numbered from 0. Each holds chunks: four bytes of length, and so many bytes.
A length of 0 ends a segment. So the writer never waits, and the disk holds only what is not read yet.

A reader beside the load takes more than its share of the machine: each time that the server is to wake up, the kernel has to interrupt it.
So it reads nothing before the end, as long as the disk can hold that.
"""

from __future__ import annotations

import os
import select
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SEGMENT_BYTES: Final = 8 << 20
PATIENCE_BYTES: Final = 1 << 30
"""What stands unread before the end before a reader begins."""
LONGEST_BYTES: Final = 4 << 30
"""What may stand unread."""
LEAST_FREE_BYTES: Final = 1 << 30
"""What is left of the disk for others."""
SHORT_BYTES: Final = 2 * LEAST_FREE_BYTES
"""With less left, a reader begins at once."""
LOOK_S: Final = 0.05
"""How often a reader that waits looks whether it may go on."""
HEAD_BYTES: Final = 4
_END: Final = bytes(HEAD_BYTES)


class TapeTooLong(Exception):
    """More stands unread than may, or than the disk holds; says which."""


class Writer:
    """Writes chunks.

    Args:
        folder: An empty folder.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._bytes = 0
        self._fd = self._open()

    def write(self, chunks: bytes | bytearray) -> None:
        """Write chunks, each with its length before it.

        Raises:
            TapeTooLong: If the reader is too far behind, or the disk too full.
            OSError: If it cannot be written.

        """
        self._write(chunks)
        if self._bytes >= SEGMENT_BYTES:
            self._roll()

    def close(self) -> None:
        """Write no more."""
        os.close(self._fd)

    def _roll(self) -> None:
        if unread(self._folder) > LONGEST_BYTES:
            raise TapeTooLong("the judge could not keep up")
        if shutil.disk_usage(self._folder).free < LEAST_FREE_BYTES:
            raise TapeTooLong(f"less than {LEAST_FREE_BYTES >> 20} MiB are free in {self._folder.parent}")
        # The next one first: who reads the end goes on there at once.
        finished, self._number, self._bytes = self._fd, self._number + 1, 0
        self._fd = self._open()
        os.write(finished, _END)
        os.close(finished)

    def _open(self) -> int:
        return os.open(self._folder / f"{self._number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def _write(self, data: bytes | bytearray) -> None:
        self._bytes += len(data)
        with memoryview(data) as left:
            written = 0
            while written < len(data):
                written += os.write(self._fd, left[written:])


def unread(folder: Path) -> int:
    """Return about how many bytes stand unread."""
    return sum(1 for _ in folder.iterdir()) * SEGMENT_BYTES


def left_bytes(folder: Path) -> int:
    """Return how many bytes the disk holds of a tape, to its end or that of the segment that is read."""
    left = 0
    with suppress(OSError):
        for segment in folder.iterdir():
            # The reader may have removed it meanwhile.
            with suppress(OSError):
                left += segment.stat().st_size
    return left


def _may_wait(folder: Path) -> bool:
    is_short = shutil.disk_usage(folder).free < SHORT_BYTES
    return unread(folder) < (SEGMENT_BYTES if is_short else PATIENCE_BYTES)


def read(folder: Path, is_over: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the chunks of a tape as they come, and remove what is read.

    Args:
        folder: That of the writer.
        is_over: Waits a little for the writer's end, and tells whether it has come; what was written before is read.

    """
    number, may_read = 0, False
    while (segment := folder / f"{number}").exists():
        while not may_read and _may_wait(folder):
            may_read = is_over()
        yield from _segment(segment, is_over)
        number += 1


def _segment(path: Path, is_over: Callable[[], bool]) -> Iterator[bytes]:
    fd, at, is_last = os.open(path, os.O_RDONLY), 0, False
    try:
        while True:
            head = os.pread(fd, HEAD_BYTES, at)
            if head == _END:
                return
            size = int.from_bytes(head, "big")
            if len(head) == HEAD_BYTES and len(chunk := os.pread(fd, size, at + HEAD_BYTES)) == size:
                at += HEAD_BYTES + size
                yield chunk
            elif is_last:
                return
            else:
                is_last = is_over()
    finally:
        os.close(fd)
        path.unlink(missing_ok=True)


def is_closed(fd: int) -> bool:
    """Wait a little for the other end of a pipe, to which nothing is ever written, to be closed, and tell whether it was."""
    return bool(select.select([fd], [], [], LOOK_S)[0])
