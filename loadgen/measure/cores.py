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
        own = next(line[3:] for line in OWN.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return []
    quotas, folder = [], GROUPS / own.lstrip("/")
    for group in (folder, *folder.parents):
        try:
            quota, period = (group / "cpu.max").read_text().split()
            quotas.append(int(quota) / int(period))
        except (OSError, ValueError):
            # The uppermost group has no such file, and "max" is no quota.
            continue
    return quotas
