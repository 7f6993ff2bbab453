"""The tab on Locust's page."""

from __future__ import annotations

import json
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask, jsonify

from loadgen.engine.page import KEY, Board
from tests.conftest import RunningServer
from tests.loadgen.test_machines import commanded, free_port


def row(worker: str, ok: int, p99_us: int) -> dict[str, object]:
    event = {
        "name": "task.progress",
        "sent": ok + 1,
        "ok": ok,
        "errors": 1,
        "response": {"p50_us": 500, "p99_us": p99_us},
    }
    return {"worker": worker, "events": [event]}


def test_workers_are_added_up_and_the_slowest_is_shown() -> None:
    """Counts are those since the load has begun."""
    board = Board()
    for each in (
        row("a", 100, 9),
        {"phase": "load"},
        row("a", 10, 900),
        row("b", 20, 2_000),
        row("a", 12, 1_000),
    ):
        board.row(each)
    [shown] = board.rows()
    assert (shown["sent"], shown["ok"], shown["errors"], shown["per_s"]) == (45, 42, 3, 32)
    assert (shown["response"], shown["delivery"]) == ("0.50 / 2.00", "")


def test_the_page_has_the_tab_and_its_rows() -> None:
    """The tab is named to the page, its rows come with Locust's own statistics, and nothing else is touched."""
    web_ui = SimpleNamespace(app=Flask("page"), template_args={})
    board = Board()
    board.show_on(web_ui)
    board.row(row("a", 10, 900))
    web_ui.app.add_url_rule("/stats/requests", "stats", lambda: jsonify(state="running", stats=[]))
    web_ui.app.add_url_rule("/other", "other", lambda: jsonify(other=1))
    client = web_ui.app.test_client()
    [told] = client.get("/stats/requests").get_json()["extended_stats"]
    assert (told["key"], told["data"][0]["name"]) == (KEY, "task.progress")
    assert client.get("/other").get_json() == {"other": 1}
    [tab], [table] = web_ui.template_args["extended_tabs"], web_ui.template_args["extended_tables"]
    assert tab["key"] == table["key"] == KEY
    assert {column["key"] for column in table["structure"]} == set(told["data"][0])


def test_a_run_is_watched_and_ends(reference_server: RunningServer, tmp_path: Path) -> None:
    """While it goes on the page and Prometheus have its figures; the page ends with the run."""
    ports = [free_port(), free_port()]
    options = ["--agents", "4", "--duration", "6s", "--run-dir", str(tmp_path / "run"), "--json"]
    watched = ["--web", str(ports[0]), "--metrics-port", str(ports[1])]
    shown: list[dict[str, Any]] = []
    metrics, everybody = "", 'wireproof_load_answered_total{event="socket.connect",outcome="ok"} 4.0'
    with commanded(reference_server.url, *options, *watched) as process:
        while process.poll() is None and not (shown and everybody in metrics):
            with suppress(OSError):
                shown = json.loads(fetched(ports[0], "/stats/requests"))["extended_stats"][0]["data"]
                metrics = fetched(ports[1], "/metrics")
            time.sleep(0.1)
        out, err = process.communicate(timeout=240)
    assert process.returncode == 0, (out[-2_000:], err[-2_000:])
    assert "socket.connect" in [row["name"] for row in shown]
    assert everybody in metrics


def fetched(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return str(answer.read().decode())
