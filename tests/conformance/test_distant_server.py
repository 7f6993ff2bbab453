"""A server that is far away: that everything takes longer changes no verdict."""

from __future__ import annotations

import json
from typing import Any

from tests.delaying_proxy.check import CLEAN, distant
from tests.variations import UNLESS_WHOLE, options

DELAY_MS = 20
#: Cases that wait for what may not come, that count round trips, and that send many messages at once.
GLOBS = (
    *(
        "ordering/*",
        "joining/*duplicate*",
        "leaving/pipelined-*",
        "frames/ping-answered",
        "stale/leave-ignored",
    ),
    *("task/input_stream/refuses/state/*", "payment/nonce-gap", "discovery/announce/told"),
)


def test_distance_changes_no_verdict(wireproof: Any, reference_server: Any) -> None:
    """No finding, nothing flaky, nothing open, no error of our own."""
    with distant(reference_server, DELAY_MS) as proxy:
        done = wireproof(
            *("check", proxy.url, "--control", reference_server.url, "--seed", "4", "--json"),
            *options(GLOBS, UNLESS_WHOLE),
            WIREPROOF_CONTROL_TOKEN=reference_server.token,
        )
    assert (done.returncode, done.stderr) == (0, "")
    counts = json.loads(done.stdout)["counts"]
    assert {verdict for verdict, count in counts.items() if count} <= CLEAN
    assert counts["pass"] > 15
