"""The folder of one run, and the names of the files in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class RunFolderError(Exception):
    """A run cannot be put into that folder."""


class FolderInUse(RunFolderError):
    """The folder already holds a run."""


class FolderNotWritable(RunFolderError):
    """The folder cannot be made."""


class RunFolder:
    """A folder for one run, made if it is not there.

    Args:
        path: The folder; it may exist, and may hold other files.

    Attributes:
        path: The folder.
        run: Where the JSON lines go.
        junit: Where the JUnit XML goes.

    Raises:
        FolderInUse: If it holds one of these two files.
        FolderNotWritable: If it cannot be made, for example because a file has that name.

    """

    __slots__ = ("junit", "path", "run")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = path / "run.jsonl"
        self.junit = path / "junit.xml"
        try:
            path.mkdir(parents=True, exist_ok=True)
            held = [file.name for file in (self.run, self.junit) if file.exists()]
        except OSError as error:
            raise FolderNotWritable(f"cannot make the run folder {path}: {error.strerror}") from error
        if held:
            raise FolderInUse(f"{path} already holds a run ({', '.join(held)}); name another folder")


def default_path(now: datetime) -> Path:
    """Name the folder of a run that was given none: `wireproof-runs/` and the time, to the millisecond.

    Args:
        now: The present, in UTC.

    Returns:
        A path relative to the working directory; sorting by name sorts by time.

    Example:
        >>> from datetime import UTC, datetime
        >>> default_path(datetime(2026, 11, 22, 10, 49, 5, 123456, tzinfo=UTC)).as_posix()
        'wireproof-runs/20261122T104905.123Z'

    """
    return Path("wireproof-runs") / f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z"
