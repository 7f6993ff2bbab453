"""`wireproof check --baseline`, from end to end."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from conformance.findings.baseline import read, write
from tests.conformance.findings.checking import CASE, command

FINDINGS = 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the baseline is."""
    return tmp_path / "known.toml"


def checked(url: str, path: Path, *options: str, case: str = CASE) -> subprocess.CompletedProcess[str]:
    return command("check", url, "--include", case, "--baseline", str(path), *options, cwd=path.parent)


def explain(path: Path) -> None:
    write(path, [entry.model_copy(update={"reason": "to be mended"}) for entry in read(path).known])


def test_a_gate_lets_known_findings_pass_and_nothing_else(
    deviating_url: str, honest_url: str, path: Path
) -> None:
    """New fails, unexplained fails, known passes, stale fails, and an update drops what is gone."""
    assert checked(deviating_url, path).returncode == 2  # there is no baseline yet
    made = checked(deviating_url, path, "--update-baseline")
    assert (made.returncode, "1 added, 0 dropped, 1 in all" in made.stderr) == (0, True), made
    unexplained = checked(deviating_url, path)
    assert (unexplained.returncode, "1 new" in unexplained.stdout) == (FINDINGS, True)
    explain(path)
    assert "nothing but known findings" in checked(deviating_url, path).stdout
    known = checked(deviating_url, path, "--json", "--run-dir", str(path.parent / "known"))
    told = json.loads(known.stdout)
    assert (known.returncode, len(told["baseline"]["known"]), told["counts"]["fail"]) == (0, 1, 1)
    assert 'message="known: to be mended"' in (path.parent / "known" / "junit.xml").read_text("utf-8")
    stale = checked(honest_url, path)
    assert (stale.returncode, "1 stale" in stale.stdout) == (FINDINGS, True)
    assert "the baseline does not fit" in stale.stdout
    other = checked(honest_url, path, case="payment/join*")
    assert (other.returncode, "0 stale" in other.stdout) == (0, True), other
    mended = checked(honest_url, path, "--update-baseline")
    assert (mended.returncode, read(path).known) == (0, [])


def test_an_update_without_a_file_is_wrong_usage(path: Path) -> None:
    """The option that writes needs the one that names."""
    done = command("check", "--update-baseline", cwd=path.parent)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
