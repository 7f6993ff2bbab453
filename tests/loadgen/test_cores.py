"""How many cores a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadgen.measure import cores as module
from loadgen.measure.cores import cores


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Control groups of which this process is in /pod/container."""
    own = tmp_path / "own"
    own.write_text("0::/pod/container\n")
    monkeypatch.setattr(module, "OWN", own)
    monkeypatch.setattr(module, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    container = tmp_path / "groups" / "pod" / "container"
    container.mkdir(parents=True)
    return container


@pytest.mark.parametrize(
    ("own", "pods", "count"),
    [
        ("max 100000", "max 100000", 4),
        ("150000 100000", "max 100000", 1.5),
        ("max 100000", "50000 100000", 0.5),
        ("300000 100000", "200000 100000", 2),
        ("900000 100000", "max 100000", 4),
        ("", "unheard of", 4),
    ],
)
def test_the_smallest_quota_counts(groups: Path, own: str, pods: str, count: float) -> None:
    """A group has no more than those that it is in, and none more than there are cores."""
    (groups / "cpu.max").write_text(own)
    (groups.parent / "cpu.max").write_text(pods)
    assert cores() == count


@pytest.mark.parametrize(
    ("quota", "count"), [("-1", 4), ("150000", 1.5), ("900000", 4), ("unheard of", 4)], ids=str
)
@pytest.mark.parametrize("own", ["/pod/container", "/seen/from/outside"])
def test_the_older_control_groups_have_quotas_too(groups: Path, quota: str, count: float, own: str) -> None:
    """They stand beside the newer ones; a container may see only its own group there."""
    module.OWN.write_text(f"9:name=systemd:/\n3:memory:{own}\n1:cpuacct,cpu:{own}\n0::/\n")
    group = groups.parents[1] / "cpu"
    if own == "/pod/container":
        group /= own[1:]
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert cores() == count


def test_without_control_groups_all_cores_are_there(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an older kernel nor another system has such files."""
    assert cores() == 4
    monkeypatch.setattr(module, "OWN", groups / "nothing")
    assert cores() == 4
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == os.cpu_count()
