"""The soak of honest servers does what it says: it tells of each run, and notices an accusation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.innocence import soak


def test_honest_servers_are_not_accused(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a run, in the kinds asked for, and exit code 0."""
    options = [
        "-n",
        "1",
        "--kind",
        "plain",
        "--kind",
        "latency-serializer-1",
        "--include",
        "heartbeat/*",
        "--burn",
        "1",
    ]
    assert soak.main(options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["ok plain seed 1", "ok latency-serializer-1 seed 1"]
    assert lines[2] == "2 runs, 0 of them with an accusation"


@pytest.mark.parametrize(
    ("code", "counts"),
    [(1, {"pass": 3, "fail": 1}), (0, {"pass": 3, "advisory": 1}), (3, {}), (0, {"flaky": 1})],
)
def test_anything_but_passes_is_an_accusation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, counts: dict[str, int]
) -> None:
    """Also where the exit code is green; what was found is shown."""
    finding = {"verdict": "fail", "case": "task/x", "requirement": "task/y", "observed": "nothing"}

    def run(*_: Any) -> tuple[int, dict[str, Any], str]:
        return code, {"counts": counts, "findings": [finding]}, "why not"

    monkeypatch.setattr(soak, "_run", run)
    assert soak.main(["-n", "2", "--kind", "plain"]) == 1
    shown = capsys.readouterr().out
    assert shown.count("ACCUSED plain") == 2
    assert "fail task/x task/y: nothing" in shown
