"""A server with one rule broken is found out, by the requirement that it breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SERVE = Path(__file__).parents[1] / "faulty_servers" / "serve.py"

WHOLE: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("fault", "requirement", "include"),
    [
        ("accepts-replayed-nonce", "payment/nonce-increasing", WHOLE),
        ("skips-signature-of-accept", "negotiation/accept-signature-verified", WHOLE),
        ("miscounts-balance", "payment/transfer-complete-exact", WHOLE),
        ("drops-relay", "task/stream-relayed", ("task",)),
        ("echoes-wrong-ref", "frames/reply-echoes-ref", ("frames/*", "task")),
        ("omits-presence-state", "presence/state-after-join", ("presence/*", "discovery")),
    ],
)
def test_a_fault_is_named_by_its_requirement(
    wireproof: Any, start_server: Any, tmp_path: Path, fault: str, requirement: str, include: tuple[str, ...]
) -> None:
    """Exit code 1, the requirement among the failures, and both reports say so."""
    server = start_server(command=[str(SERVE), fault])
    endpoint = tmp_path / "endpoint.toml"
    # Most of these servers leave something out, so that a short wait for it saves much time.
    endpoint.write_text(f'url = "{server.url}"\n[profile.timeouts]\nreply_s = 0.3\n', encoding="utf-8")
    done = wireproof(
        *("check", "--endpoint", str(endpoint), "--seed", "3", "--json", "--run-dir", str(tmp_path / "run")),
        *(argument for glob in include for argument in ("--include", glob)),
        WIREPROOF_CONTROL_TOKEN=server.token,
    )
    summary = json.loads(done.stdout)
    failed = {f["requirement"] for f in summary["findings"] if f["verdict"] == "fail"}
    assert done.returncode == 1
    assert requirement in failed
    assert summary["counts"]["error"] == summary["counts"]["flaky"] == 0
    assert summary["counts"]["pass"] > 0
    assert requirement in (tmp_path / "run" / "junit.xml").read_text(encoding="utf-8")
