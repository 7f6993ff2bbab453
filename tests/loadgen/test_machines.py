"""A master and workers that find each other over the network."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from loadgen.faults import ConfigurationFaulty
from loadgen.machines import Master, address_of, master_at
from loadgen.measure.histogram import Histogram
from loadgen.measure.statistics import Statistics
from tests.conftest import ROOT, TOKEN, RunningServer

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99)


@pytest.mark.parametrize(
    ("text", "address"),
    [("10.0.0.1", ("10.0.0.1", 5557)), ("host:5600", ("host", 5600)), ("*:1", ("*", 1))],
)
def test_an_address_may_have_a_port(text: str, address: tuple[str, int]) -> None:
    """Without one it is Locust's own."""
    assert address_of(text, "--bind") == address


@pytest.mark.parametrize("text", [":5557", "host:", "host:0", "host:65536", "host:port"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """The line names the flag."""
    with pytest.raises(ConfigurationFaulty, match="--bind"):
        address_of(text, "--bind")


def test_a_master_knows_how_many_it_waits_for() -> None:
    """Without that, it would begin with whoever is first."""
    assert "--expect-workers" in Master("*", 5557, 2).flags
    with pytest.raises(ConfigurationFaulty, match="--expect-workers"):
        master_at(None, None)


@contextmanager
def commanded(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `wireproof load` in the background, and end it."""
    environment = {**os.environ, "WIREPROOF_CONTROL_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "wireproof", "load", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_what_workers_measured_is_merged_exactly(reference_server: RunningServer, tmp_path: Path) -> None:
    """Every count and percentile that the master reports is that of both workers' own records pooled; nothing is short at the end."""
    address, own = f"127.0.0.1:{free_port()}", tmp_path / "workers"
    options = ["--agents", "16", "--agents-per-user", "4", "--duration", "3s", "--json"]
    # Half of all runs have a task of the usual lengths that is longer than the drain.
    options += ["--set", "output_chunks=8", "--set", "spread=0"]
    with ExitStack() as stack:
        run = ["--run-dir", str(tmp_path / "run"), "--master", "--expect-workers", "2", "--bind", address]
        master = stack.enter_context(commanded(reference_server.url, *run, *options))
        workers = [
            stack.enter_context(commanded("--worker", "--master-host", address, "--run-dir", str(own)))
            for _ in range(2)
        ]
        out, err = master.communicate(timeout=240)
        ended = [worker.wait(60) for worker in workers]
    assert (master.returncode, ended) == (0, [0, 0]), (out[-2_000:], err[-2_000:])
    told: dict[str, Any] = json.loads(out)
    records = [json.loads(path.read_text()) for path in sorted(own.iterdir())]
    assert len(records) == 2
    for event in told["events"]:
        parts = [
            figures
            for record in records
            for figures in Statistics.from_json(record["statistics"])
            if figures.name == event["name"]
        ]
        for name in ("sent", "ok"):
            assert event[name] == sum(getattr(part, name) for part in parts)
        for measure in ("service", "response", "delivery"):
            pooled: Counter[int] = Counter()
            for part in parts:
                pooled.update(part.histograms[measure].counts)
            if pooled:
                values = Histogram(pooled).percentiles(PERCENTS)
                expected = {
                    f"p{percent:g}_ms": value / 1000 for percent, value in zip(PERCENTS, values, strict=True)
                }
                assert expected == {key: event[measure][key] for key in expected}
                assert event[measure]["count"] == sum(pooled.values())
    streamed = [
        sum(row["ok"] for row in record["statistics"] if row["event"] == "output_stream")
        for record in records
    ]
    assert min(streamed) > 0
    assert (
        told["acts"]["started"] == told["acts"]["finished"] == sum(row["acts"]["started"] for row in records)
    )
    assert told["is_judged"]
