"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

GROUPS: Final = Path("/sys/fs/cgroup")
OWN: Final = Path("/proc/self/cgroup")


def cores() -> float:
    """Return how many cores this process may use: those that it is let on, or what its control groups have of them."""
    try:
        most = float(len(os.sched_getaffinity(0)))
    except AttributeError:
        most = float(os.cpu_count() or 1)
    return min([most, *_quotas()])


def _quotas() -> list[float]:
    """Return the quotas of all groups that this process is in; none where there are no such groups, or no quotas."""
    try:
        lines = [line.split(":", 2) for line in OWN.read_text().splitlines()]
    except OSError:
        return []
    quotas = []
    for _, controllers, own in lines:
        if not controllers:
            quotas += [_quota(group / "cpu.max") for group in _groups(GROUPS, own)]
        elif "cpu" in controllers.split(","):
            quotas += [
                _quota(group / "cpu.cfs_quota_us", group / "cpu.cfs_period_us")
                for group in _groups(GROUPS / "cpu", own)
            ]
    return [quota for quota in quotas if quota is not None]


def _groups(root: Path, own: str) -> list[Path]:
    """Return the folders of a group and of those that it is in; a container may see no more of them than the uppermost."""
    folder = root / own.lstrip("/")
    return [folder, *folder.parents]


def _quota(*files: Path) -> float | None:
    """Return what the files of a group give it, a time in each period; None where that is no quota."""
    try:
        quota, period = (int(word) for file in files for word in file.read_text().split())
    except (OSError, ValueError):
        # The uppermost group has no such file, and "max" is no quota.
        return None
    # Version 1 writes -1 where there is none.
    return quota / period if quota > 0 else None
