"""The standalone file of a finding: it reproduces it there, says that it is not so elsewhere, and needs nothing of ours."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.findings.checking import TOKEN, Checked, command, served

REPRODUCED, NOT_REPRODUCED, COULD_NOT_RUN = 1, 0, 3

FINDINGS = {
    # Something is accepted, over a signature made anew and then forged.
    "takes-malleable-signature": "signatures/malleable",
    # Something does not come.
    "payment/reject_transfer/drops-relay": "payment/reject_transfer/accepts/minimal",
}


def run(file: Path, *arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    known = {
        name: value for name, value in os.environ.items() if not name.startswith(("WIREPROOF", "PYTHONPATH"))
    }
    return subprocess.run(
        [sys.executable, str(file), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=file.parent,
        env={**known, "WIREPROOF_CONTROL_TOKEN": token},
        check=False,
    )


@dataclass(frozen=True)
class Offered:
    """A standalone file, and where it was made."""

    file: Path
    table: dict[str, Any]
    url: str


@pytest.fixture(scope="module", params=FINDINGS.items(), ids=FINDINGS.keys())
def offered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offered]:
    """What a check of one case against a server with one deviation offers."""
    deviation, case = request.param
    servers = served("--deviate", deviation)
    url = next(servers)
    folder = tmp_path_factory.mktemp("run") / "run"
    done = command(
        "check", url, "--strict", "--include", case, "--run-dir", str(folder), reproducer_time="60s"
    )
    checked = Checked(folder, done)
    made = checked.table()["reproducer"]
    assert made["file"], made
    yield Offered(checked.file.with_name(made["file"]), checked.table(), url)
    next(servers, None)


def test_it_reproduces_the_finding_where_it_was_made(offered: Offered) -> None:
    """It says what was expected and observed, and that it is still so; it was run before it was offered."""
    done = run(offered.file)
    assert (done.returncode, done.stderr) == (REPRODUCED, "")
    for text in (offered.table["requirement"]["id"], offered.table["expected"], "reproduced"):
        assert text in done.stdout
    made = offered.table["reproducer"]
    assert made["reproduced"] == made["runs"] > 0


def test_it_does_not_reproduce_it_at_an_honest_server(offered: Offered, honest_url: str) -> None:
    """What would be true anywhere shows nothing."""
    done = run(offered.file, honest_url)
    assert (done.returncode, done.stderr) == (NOT_REPRODUCED, "")
    assert "not reproduced" in done.stdout


def test_it_says_when_it_could_not_run(offered: Offered) -> None:
    """Nobody there, no token, a wrong token: neither reproduced nor not."""
    for done in (
        run(offered.file, "ws://127.0.0.1:9"),
        run(offered.file, token=""),
        run(offered.file, token="wrong"),
    ):
        assert (done.returncode, done.stderr) == (COULD_NOT_RUN, "")
        assert "could not run" in done.stdout


def test_it_needs_two_packages_and_holds_no_credential(offered: Offered) -> None:
    """Everything else it imports comes with Python."""
    text = offered.file.read_text(encoding="utf-8")
    modules = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    foreign = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    assert foreign == {"websockets", "nacl"}
    assert TOKEN not in text
    assert re.search(r"\b[a-z]+_[A-Za-z0-9_-]{30,}", text) is None


def test_it_was_made_short(offered: Offered) -> None:
    """Nobody sends more frames than before, and no more than a few."""
    made = offered.table["reproducer"]
    assert max(made["frames"].values(), default=0) <= 6
    assert sum(made["frames"].values()) <= sum(made["frames_before"].values())


def test_nothing_is_made_where_the_user_wants_nothing(checked: Checked) -> None:
    """The finding file is there all the same."""
    assert [path.suffix for path in (checked.folder / "findings").iterdir()] == [".json"]
