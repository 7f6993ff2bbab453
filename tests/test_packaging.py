"""The wheel holds what the tool needs, and nothing of the checkout besides."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the tracked files."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-build-isolation",
            "--no-deps",
            "-w",
            folder,
            source,
        ],
        check=True,
        capture_output=True,
    )
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel_names(wheel: Path) -> set[str]:
    """Return the names of the wheel's members."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_installed_tool_finds_its_documents(wheel: Path, tmp_path: Path) -> None:
    """Installed from its wheel, away from the checkout, the tool lists its requirements and checks its own server."""
    target = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, wheel]
    subprocess.run(install, check=True, capture_output=True)
    for arguments in (["--version"], ["list"], ["check", "--include", "heartbeat/*"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "wireproof", *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(target)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_every_document_and_schema_is_in_the_wheel(wheel_names: set[str]) -> None:
    """An installed tool finds its documents, the schemas that they must fit, and its presets."""
    data = [*(ROOT / "specs").rglob("*.json"), *(ROOT / "reports").rglob("*.json")]
    data += (ROOT / "conformance").rglob("*.json")
    data += (ROOT / "reference_server").rglob("*.toml")
    assert len(data) > 20
    assert {path.relative_to(ROOT).as_posix() for path in data} <= wheel_names


def test_every_module_is_in_the_wheel(wheel_names: set[str]) -> None:
    """No package is forgotten."""
    rooms = ("specs", "reports", "reference_server", "conformance", "loadgen")
    modules = {path.relative_to(ROOT).as_posix() for room in rooms for path in (ROOT / room).rglob("*.py")}
    assert {*modules, "wireproof.py"} <= wheel_names


def test_tests_are_not_in_the_wheel(wheel_names: set[str]) -> None:
    """`tests` is everybody's name."""
    assert not [name for name in wheel_names if name.startswith(("tests", "docs"))]
