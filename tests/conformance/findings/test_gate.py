"""`wireproof check --baseline`, from end to end."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conformance import cli
from conformance.faults import ConfigurationFaulty
from conformance.findings import gate
from conformance.findings.baseline import demand_writable, read, write
from tests.conformance.findings.checking import CASE, TOKEN, command

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
    # What nobody has known of is not called known, though the file names it from now on.
    assert "nothing but what the baseline names" in made.stdout
    unexplained = checked(deviating_url, path)
    assert (unexplained.returncode, "1 new" in unexplained.stdout) == (FINDINGS, True)
    assert "listed, but without a reason" not in made.stdout
    assert f"{CASE}: listed, but without a reason\n" in unexplained.stdout
    explain(path)
    assert "nothing but what the baseline names" in checked(deviating_url, path).stdout
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


def test_a_file_that_cannot_be_written_is_said_before_the_run(tmp_path: Path) -> None:
    """Nobody is even asked, and nothing is left behind."""
    for path in (tmp_path / "nowhere" / "known.toml", tmp_path):
        options = ["--baseline", str(path), "--update-baseline", "--run-dir", str(tmp_path / "run")]
        done = command("check", "ws://127.0.0.1:9", *options)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done
        assert str(path) in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_looking_whether_a_file_can_be_written_leaves_it_as_it_is(path: Path) -> None:
    """One that is not there is not made, one that is there is not changed."""
    demand_writable(path)
    assert not path.exists()
    path.write_text("format = 1\n", encoding="utf-8")
    demand_writable(path)
    assert path.read_text(encoding="utf-8") == "format = 1\n"


def test_a_run_is_reported_even_if_its_file_can_no_longer_be_written(
    deviating_url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its summary is shown, its finding file is there, and the exit code says that something is wrong with the file."""

    def write_nothing(path: Path, _known: object) -> None:
        raise ConfigurationFaulty(f"{path}: cannot be written: the disk is full")

    monkeypatch.setattr(gate, "write", write_nothing)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    folder = path.parent / "run"
    options = ["--include", CASE, "--baseline", str(path), "--update-baseline", "--run-dir", str(folder)]
    arguments = ["check", deviating_url, "--control-token", TOKEN, "--reproducer-time", "none", *options]
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 2
    assert "the disk is full" in done.stderr
    assert "added" not in done.stderr
    assert "1 failed" in done.stdout
    assert len(list((folder / "findings").glob("*.json"))) == 1
