"""A run for Prometheus while it goes on, served by the command itself: the generator's processes have other things to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from loadgen.faults import ConfigurationFaulty

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

HOST = "127.0.0.1"


class LiveMetrics:
    """Counts since the agents were connected, and the latest second's latencies. A context manager.

    Args:
        port: Of the loopback interface.

    Raises:
        ConfigurationFaulty: If the port cannot be had.

    """

    def __init__(self, port: int) -> None:
        self._registry = CollectorRegistry()
        self._sent = self._counter("sent", "Pushes, joins and connects sent.", "event")
        self._answered = self._counter("answered", "Those that were answered.", "event", "outcome")
        self._acts = self._counter("acts", "Acts of the scenario.", "state")
        self._latency = self._gauge(
            "latency_seconds", "Of the latest second.", "event", "measure", "quantile"
        )
        self._connections = self._gauge("connections", "Open connections.", "worker")
        self._cpu = self._gauge(
            "generator_cpu",
            "What the work of a process takes of a core, besides being awake in time.",
            "worker",
        )
        self._awake = self._gauge("generator_awake", "What being awake in time takes of it.", "worker")
        self._lag = self._gauge("generator_lag_seconds", "The 99th percentile of its timers' lag.", "worker")
        self._known: dict[tuple[str, str], int] = {}
        try:
            self._server, self._thread = start_http_server(port, HOST, self._registry)
        except OSError as fault:
            raise ConfigurationFaulty(f"--metrics-port {port}: {fault.strerror}") from fault

    @property
    def port(self) -> int:
        """Where it is served."""
        return int(self._server.server_port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def row(self, row: dict[str, Any]) -> None:
        """Take a row of the conductor's progress."""
        if "events" not in row:
            return
        worker = row["worker"]
        self._connections.labels(worker).set(row["connections"])
        self._cpu.labels(worker).set(row["health"]["cpu"])
        self._awake.labels(worker).set(row["health"]["awake"])
        self._lag.labels(worker).set(row["health"]["lag_p99_us"] / 1e6)
        for state in ("due", "started", "finished"):
            # The rows say how many there were in all.
            before, self._known[worker, state] = self._known.get((worker, state), 0), row[state]
            self._acts.labels(state).inc(max(0, row[state] - before))
        for event in row["events"]:
            self._event(event)

    def _event(self, event: dict[str, Any]) -> None:
        name = event["name"]
        self._sent.labels(name).inc(max(0, event["sent"]))
        self._answered.labels(name, "ok").inc(max(0, event["ok"]))
        self._answered.labels(name, "error").inc(max(0, event["errors"]))
        for measure in ("response", "delivery"):
            for quantile, key in (("0.5", "p50_us"), ("0.99", "p99_us")):
                if measure in event:
                    self._latency.labels(name, measure, quantile).set(event[measure][key] / 1e6)

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"wireproof_load_{name}", told, labels, registry=self._registry)

    def _gauge(self, name: str, told: str, *labels: str) -> Gauge:
        return Gauge(f"wireproof_load_{name}", told, labels, registry=self._registry)
