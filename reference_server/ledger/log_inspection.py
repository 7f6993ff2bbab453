"""A look at the log of a killed server: whether it ends where it was cut off, or is damaged before its end.

SQLite reads a log up to the first frame that is not whole, and takes all behind that for what a crash has left. That loses, without a
word, every commit behind a damaged frame. Here those commits are looked for. What a crash leaves half-written is the last one only:
frames are written in order, the next commit when the one before is written, with `full` also to the disk. So two commits that end
behind a frame that is not whole mean damage; or, with `normal`, a machine that has ended before its disk had all of it.

Source:
    https://www.sqlite.org/fileformat2.html#the_write_ahead_log

"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
_MAGIC: Final = 0x377F0682
_SUMMED_OF_HEADER, _SUMMED_OF_FRAME = 24, 8
_PAGE_BYTES: Final = frozenset(2**power for power in range(9, 17))
_COMMITS_OF_DAMAGE: Final = 2

Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Frame:
    """One page as a commit has written it."""

    at: int
    salts: tuple[int, int]
    is_commit: bool
    summed: bytes
    sums: Sums


def damaged_at(log: Path) -> int | None:
    """Return the byte from which on a log cannot be read although commits stand behind it; None for none.

    Raises:
        OSError: If it cannot be read.

    """
    with log.open("rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return None
        magic, _, page_bytes, _, *salts, first, second = _HEADER.unpack(header)
        order = ">" if magic & 1 else "<"
        is_whole = magic & ~1 == _MAGIC and _sums(header[:_SUMMED_OF_HEADER], (0, 0), order) == (
            first,
            second,
        )
        frames = _frames(file.read, page_bytes if page_bytes in _PAGE_BYTES else 4096)
        return _first_lost(frames, (salts[0], salts[1]) if is_whole else None, (first, second), order)


def _first_lost(
    frames: Iterator[_Frame], salts: tuple[int, int] | None, sums: Sums, order: str
) -> int | None:
    """Follow the frames, each of which continues the sums of the one before."""
    lost_at, commits = (None, 0) if salts else (0, 0)
    for frame in frames:
        # Where the header is damaged, the first frame says which frames belong together.
        salts = salts or frame.salts
        if frame.salts != salts:
            # Left from before the log was begun anew, or damaged.
            lost_at = frame.at if lost_at is None else lost_at
            continue
        is_whole = _sums(frame.summed, sums, order) == frame.sums
        sums = frame.sums
        if not is_whole and lost_at is None:
            lost_at = frame.at
            commits += frame.is_commit
        elif is_whole and lost_at is not None:
            commits += frame.is_commit
        if commits == _COMMITS_OF_DAMAGE:
            return lost_at
    return None


def _frames(read: Callable[[int], bytes], page_bytes: int) -> Iterator[_Frame]:
    at = _HEADER.size
    while len(data := read(_FRAME.size + page_bytes)) == _FRAME.size + page_bytes:
        _, size, *salts, first, second = _FRAME.unpack_from(data)
        summed = data[:_SUMMED_OF_FRAME] + data[_FRAME.size :]
        yield _Frame(at, (salts[0], salts[1]), size > 0, summed, (first, second))
        at += len(data)


def _sums(data: bytes, sums: Sums, order: str) -> Sums:
    first, second = sums
    for one, two in struct.iter_unpack(f"{order}II", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
