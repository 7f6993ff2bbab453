"""The tab on Locust's page."""

from __future__ import annotations

from types import SimpleNamespace

from flask import Flask, jsonify

from loadgen.engine.page import KEY, Board


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
