"""The soak of honest servers does what it says: it tells of each run, and notices an accusation."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.innocence import soak
from tests.innocence.delay import delayed


def test_honest_servers_are_not_accused(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a run, in the kinds asked for, and exit code 0."""
    options = ["-n", "1", "--kind", "plain", "--kind", "latency", "--include", "heartbeat/*", "--burn", "1"]
    assert soak.main(options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["ok plain seed 1", "ok latency seed 1"]
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


def test_a_delayed_answer_arrives_whole_in_order_and_ends() -> None:
    """What a server says before it closes is delivered, and then the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        with delayed(url, 0.05) as reached:
            host, port = reached.removeprefix("ws://").split(":")
            with socket.create_connection((host, int(port)), timeout=20) as client:
                client.sendall(b"question")
                server, _ = listener.accept()
                with server:
                    assert server.recv(100) == b"question"
                    for part in (b"one ", b"two ", b"three"):
                        server.sendall(part)
                received = b""
                while data := client.recv(100):
                    received += data
    assert received == b"one two three"
