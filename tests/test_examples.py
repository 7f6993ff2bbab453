"""The examples in `docs/examples` work as they stand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance.endpoint import read_endpoint
from conformance.provisioner_settings import StaticSettings
from conformance.provisioning.opening import provisioning
from specs.loader import load

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
SEED = "33" * 32


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_an_endpoint_file_can_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in it is unknown, and its lists fit the documents."""
    for name in ("API_KEY", "TOKEN", "SEED"):
        for number in (1, 2):
            monkeypatch.setenv(f"AGENT_{number}_{name}", SEED)
    endpoint = read_endpoint(path, {})
    if isinstance(endpoint.provisioner, StaticSettings):
        with provisioning(endpoint, load()):
            pass


def test_the_program_makes_what_a_check_needs(wireproof: Any, reference_server: Any, tmp_path: Path) -> None:
    """With it in the place of the control topic the same cases pass, those that an operator has a part in as well."""
    endpoint = tmp_path / "endpoint.toml"
    argv = json.dumps([sys.executable, str(EXAMPLES / "provisioner.py")])
    endpoint.write_text(
        f'url = "{reference_server.url}"\n[provisioner]\nkind = "command"\nargv = {argv}\n', encoding="utf-8"
    )
    globs = ("leaving/disconnect-closes", "payment/close/*", "messages/*/accepts/*", "discovery/search/*")
    done = wireproof(
        *("check", "--endpoint", str(endpoint), "--seed", "5", "--json"),
        *(option for glob in globs for option in ("--include", glob)),
        WIREPROOF_CONTROL_TOKEN=reference_server.token,
    )
    assert (done.returncode, done.stderr) == (0, "")
    counts = json.loads(done.stdout)["counts"]
    assert counts["pass"] == sum(counts.values()) > 20
