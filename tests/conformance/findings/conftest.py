"""A server with a deviation, and what a check finds there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.findings.checking import CASE, Checked, command, served


@pytest.fixture(scope="session")
def deviating_url() -> Iterator[str]:
    """A server that accepts a nonce twice."""
    yield from served("--deviate", "accepts-replayed-nonce")


@pytest.fixture(scope="session")
def honest_url() -> Iterator[str]:
    """A server without deviation."""
    yield from served()


@pytest.fixture(scope="session")
def checked(deviating_url: str, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """One case that fails, with what the run leaves of it."""
    folder = tmp_path_factory.mktemp("run") / "run"
    done = command("check", deviating_url, "--include", CASE, "--run-dir", str(folder), "--seed", "7")
    return Checked(folder, done)
