"""What the README shows is what happens."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)

TRANSCRIBED = "wireproof check --seed 7"

Wireproof = Callable[..., subprocess.CompletedProcess[str]]


def shown_commands() -> list[str]:
    """Return every command line of the README's console blocks, without comments."""
    lines = [line for block in CONSOLE.findall(README) for line in block.splitlines()]
    return [line[2:].partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


def shown_output(command: str) -> list[str]:
    """Return what the README shows below a command."""
    block = next(block for block in CONSOLE.findall(README) if f"$ {command}\n" in block)
    after = block.partition(f"$ {command}\n")[2]
    return after.partition("\n$ ")[0].splitlines()


def unchanging(line: str) -> str:
    """Replace what differs from run to run: ports, times, versions, folders."""
    line = re.sub(r":\d{4,5}\b", ":PORT", line)
    line = re.sub(r"\d+\.\d s\b", "TIME", line)
    line = re.sub(r"^wireproof \S+ ", "wireproof VERSION ", line)
    return re.sub(r"^Run folder: .*", "Run folder: FOLDER", line).rstrip()


def shown_servers() -> list[str]:
    """Return every `wireproof serve` of the README that runs until it is told to end, without comments."""
    lines = [
        line.partition("  #")[0].strip() for block in SHELL.findall(README) for line in block.splitlines()
    ]
    return [line for line in lines if line.startswith("wireproof serve ")]


def test_the_readme_shows_commands() -> None:
    """There is something to test."""
    assert {"make demo", "make test", TRANSCRIBED} <= set(shown_commands())


@pytest.mark.parametrize("command", [line for line in shown_commands() if line.startswith("wireproof ")])
def test_a_shown_command_works(command: str, wireproof: Wireproof) -> None:
    """Every wireproof command of the README ends with 0 and says nothing on standard error; the transcript is real."""
    done = wireproof(*shlex.split(command)[1:], COLUMNS="100")
    assert (done.returncode, done.stderr) == (0, "")
    if "--json" in command:
        assert json.loads(done.stdout)["counts"]["fail"] == 0
    if command == TRANSCRIBED:
        # But for ports, times and folders. Here, since a whole check takes long.
        shown = [unchanging(line) for line in shown_output(command)]
        assert [unchanging(line) for line in done.stdout.splitlines()] == shown


@pytest.mark.parametrize("command", shown_servers())
def test_a_shown_server_starts_and_ends(command: str, certificates: Any, tmp_path: Path) -> None:
    """It listens, ends with 0 when it is told to, and says nothing but its log."""
    for name, path in (("cert.pem", certificates.cert), ("key.pem", certificates.key)):
        (tmp_path / name).write_bytes(path.read_bytes())
    process = subprocess.Popen(
        [sys.executable, "-m", *shlex.split(command), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    process.terminate()
    _, log = process.communicate(timeout=30)
    assert line.startswith("wireproof serve: listening on ws"), log
    assert process.returncode == 0
    assert all(json.loads(entry)["level"] == "warning" for entry in log.splitlines())


@pytest.mark.parametrize("command", [line for line in shown_commands() if line.startswith("make ")])
def test_a_shown_make_target_exists(command: str) -> None:
    """Make knows what to do for every make command of the README; .ci/run carries them out."""
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MAKEFLAGS": ""},
    )
    assert done.returncode == 0, done.stderr
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_documented_exit_codes_are_the_tools() -> None:
    """The table of exit codes names every code of the tool and no other."""
    from reports.exit_codes import ExitCode

    rows = re.findall(r"^\| (\d) \| (.+?) \|$", README, re.MULTILINE)
    assert [int(code) for code, _ in rows] == [int(code) for code in ExitCode]


def test_the_endpoint_file_of_the_readme_is_valid(tmp_path: Path) -> None:
    """The example endpoint file is read without a fault."""
    from conformance.endpoint import read_endpoint

    example = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert example is not None
    path = tmp_path / "endpoint.toml"
    path.write_text(example.group(1), encoding="utf-8")
    endpoint = read_endpoint(path, {})
    assert endpoint.url == "wss://staging.example.org"
    assert "task/join-hides-existence" in endpoint.profile.waived


def test_a_deployment_is_checked_as_shown(
    wireproof: Wireproof, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    """`wireproof serve` with the options shown, then `wireproof check URL --endpoint FILE` against it."""
    assert "wireproof check wss://host --endpoint endpoint.toml" in README
    assert "wireproof serve --port 4000 --control-token TOKEN" in README
    server = start_server("--control-token", "TOKEN", "--phoenix-version", "1.7")
    endpoint = tmp_path / "endpoint.toml"
    endpoint.write_text(
        '[provisioner]\nkind = "control"\ntoken_env = "STAGING_CONTROL_TOKEN"\n', encoding="utf-8"
    )
    done = wireproof(
        *("check", server.url, "--endpoint", str(endpoint), "--include", "heartbeat/*"),
        STAGING_CONTROL_TOKEN="TOKEN",
    )
    assert done.returncode == 0, done.stdout + done.stderr
