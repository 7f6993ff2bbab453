"""A server with one rule broken is found out, by the requirement that it breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SERVE = Path(__file__).parents[1] / "faulty_servers" / "serve.py"

USUAL_S, SHORT_S = 2.0, 0.3
"""A server that leaves something out is waited for in vain, so that a short wait saves much time."""
WHOLE: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("fault", "requirement", "include", "reply_s"),
    [
        ("accepts-replayed-nonce", "payment/nonce-increasing", WHOLE, USUAL_S),
        ("skips-signature-of-accept", "negotiation/accept-signature-verified", WHOLE, USUAL_S),
        ("miscounts-balance", "payment/transfer-complete-exact", WHOLE, USUAL_S),
        ("drops-relay", "task/stream-relayed", ("task",), SHORT_S),
        ("echoes-wrong-ref", "frames/reply-echoes-ref", ("frames/*", "task"), SHORT_S),
        ("omits-presence-state", "presence/state-after-join", ("presence/*", "discovery"), SHORT_S),
    ],
)
def test_a_fault_is_named_by_its_requirement(
    wireproof: Any,
    start_server: Any,
    tmp_path: Path,
    fault: str,
    requirement: str,
    include: tuple[str, ...],
    reply_s: float,
) -> None:
    """Exit code 1, the requirement among the failures, and both reports say so."""
    server = start_server(command=[str(SERVE), fault])
    endpoint = tmp_path / "endpoint.toml"
    endpoint.write_text(f'url = "{server.url}"\n[profile.timeouts]\nreply_s = {reply_s}\n', encoding="utf-8")
    done = wireproof(
        *("check", "--endpoint", str(endpoint), "--seed", "3", "--json", "--run-dir", str(tmp_path / "run")),
        *(argument for glob in include for argument in ("--include", glob)),
        WIREPROOF_CONTROL_TOKEN=server.token,
    )
    summary = json.loads(done.stdout)
    failed = {f["requirement"] for f in summary["findings"] if f["verdict"] == "fail"}
    assert done.returncode == 1
    assert requirement in failed
    assert summary["counts"]["error"] == 0
    # On a busy machine a short wait may end before a reply that does come; then nothing is confirmed.
    assert reply_s == SHORT_S or summary["counts"]["flaky"] == 0
    assert summary["counts"]["pass"] > 0
    assert requirement in (tmp_path / "run" / "junit.xml").read_text(encoding="utf-8")
