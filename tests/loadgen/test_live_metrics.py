"""A run for Prometheus."""

from __future__ import annotations

import socket
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from loadgen.faults import ConfigurationFaulty
from loadgen.live_metrics import LiveMetrics


def row(started: int, worker: str = "a") -> dict[str, object]:
    event = {
        "name": "task.progress",
        "sent": 10,
        "ok": 8,
        "errors": 2,
        "response": {"p50_us": 1_000, "p99_us": 9_000},
    }
    health = {"cpu": 0.25, "awake": 0.5, "lag_p99_us": 300}
    acts = {"started": started, "finished": started - 1, "due": started}
    return {"worker": worker, "health": health, "connections": 4, "events": [event], **acts}


def test_counts_rise_and_the_latest_second_is_shown() -> None:
    """Rows of all workers are added up; what they say in all is not added again."""
    with LiveMetrics(0) as metrics:
        metrics.row({"phase": "load"})
        for each in (row(5), row(8), row(2, "b")):
            metrics.row(each)
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    samples = {
        (sample.name.removeprefix("wireproof_load_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["sent_total", "task.progress"] == 30
    assert samples["answered_total", "task.progress", "error"] == 6
    assert samples["acts_total", "started"] == 10
    assert samples["latency_seconds", "task.progress", "response", "0.99"] == 0.009
    assert samples["connections", "b"] == 4
    assert (samples["generator_cpu", "b"], samples["generator_awake", "b"]) == (0.25, 0.5)


def test_a_port_that_is_taken_is_one_line() -> None:
    """It is the user's fault, and names the flag."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigurationFaulty, match="--metrics-port"):
            LiveMetrics(taken.getsockname()[1])
