"""Honest servers that tell what happens a moment later are accused of nothing, and what they do can be judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SERVE = Path(__file__).parents[1] / "innocent_servers" / "serve.py"

FIGURES = (
    *("analytics_agent/time-series", "analytics_user/time-series", "analytics_agent/revenue-of-transfers"),
    *(
        "analytics_agent/longer-periods",
        "analytics_agent/benchmark-of-peers",
        "analytics_agent/sibling-joins",
    ),
)

Check = Callable[..., dict[str, Any]]


@pytest.fixture
def check(wireproof: Any, start_server: Any, tmp_path: Path) -> Check:
    """Check an honest server with some cases: nothing is found, and each case tells."""

    def run(name: str, *include: str) -> dict[str, Any]:
        server = start_server(command=[str(SERVE), name])
        endpoint = tmp_path / "endpoint.toml"
        endpoint.write_text(f'url = "{server.url}"\n', encoding="utf-8")
        globs = [argument for glob in include for argument in ("--include", glob)]
        done = wireproof(
            *("check", "--endpoint", str(endpoint), "--seed", "11", "--json", "--workers", "2", *globs),
            WIREPROOF_CONTROL_TOKEN=server.token,
        )
        assert done.stderr == ""
        summary: dict[str, Any] = json.loads(done.stdout)
        assert summary["findings"] == []
        assert done.returncode == 0
        counts = summary["counts"]
        assert counts["pass"] + counts["advisory"] == summary["cases"] > 0
        return summary

    return run


def test_figures_may_be_a_moment_behind(check: Check) -> None:
    """Figures that belong together may be read before and after they have caught up."""
    check("tells-figures-late", *FIGURES)


def test_a_newcomer_may_come_later_than_its_snapshot(check: Check) -> None:
    """Whoever was there before is not taken for the newcomer, who is told of by a diff only."""
    check("sends-presence-state-before-tracking", "presence/*")


def test_what_keeps_not_fitting_may_still_come_late(check: Check) -> None:
    """Diffs in which nothing of the metadata shows are no diffs that stay out."""
    check("sends-presence-diffs-late", "discovery/machine", "discovery/presence/*")


def test_a_change_may_come_later_than_its_reply(check: Check) -> None:
    """A snapshot that does not show it yet is not the last word, nor is it advised."""
    assert check("changes-presence-late", "discovery/metadata/*")["advisories"] == []
