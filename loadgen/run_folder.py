"""The folder of one load test or one search, and what is refused because another has been there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from loadgen.engine.conductor import PROGRESS_FILE, RESULT_FILE
from reports.run_folder import FolderInUse, RunFolder, default_path

if TYPE_CHECKING:
    from pathlib import Path

SUMMARY_FILE: Final = "load.json"
CAPACITY_FILE: Final = "capacity.json"
STEPS_FOLDER: Final = "steps"

_OF_A_RUN: Final = (RESULT_FILE, PROGRESS_FILE, SUMMARY_FILE, CAPACITY_FILE, STEPS_FOLDER)


def fresh_folder(path: Path | None) -> Path:
    """Return the folder of a run that begins, made if it is not there, as an absolute path.

    Args:
        path: As the user named it; one of the present time where they did not.

    Raises:
        FolderInUse: If it holds any file of a run; what that has measured would be told as this one's.
        FolderNotWritable: If it cannot be made.

    """
    folder = RunFolder(path or default_path(datetime.now(UTC))).path.resolve()
    refuse_used(folder)
    return folder


def refuse_used(folder: Path) -> None:
    """Refuse a folder in which a load test or a search has been.

    Raises:
        FolderInUse: If it holds any file of one.

    """
    held = [name for name in _OF_A_RUN if (folder / name).exists()]
    if held:
        raise FolderInUse(f"{folder} already holds a run ({', '.join(held)}); name another folder")
