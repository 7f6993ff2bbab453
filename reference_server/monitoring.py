"""What operators ask the server's port besides WebSockets: `/healthz`, and `/metrics` for Prometheus.

Nothing is computed until it is asked for: the collector reads the server's plain counters when it is scraped. No label holds
a credential, an agent or what identifies a resource.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from websockets.datastructures import Headers
from websockets.http11 import Response

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from websockets.http11 import Request

    from reference_server.commits import Commits
    from reference_server.counts import Counts
    from specs.model import Api

HEALTH_PATH: Final = "/healthz"
METRICS_PATH: Final = "/metrics"
_TEXT: Final = "text/plain; charset=utf-8"


class ServerCollector(Collector):
    """Turns the counters of a server into metric families when Prometheus asks."""

    def __init__(self, counts: Counts, commits: Commits) -> None:
        self._counts = counts
        self._commits = commits

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the server."""
        counts, commits = self._counts, self._commits
        yield _gauge("connections", "WebSockets that are open.", counts.open)
        yield _labelled("connections_opened", "WebSockets opened.", ["socket"], counts.opened)
        yield _labelled(
            "connections_closed", "WebSockets that have ended.", ["socket", "code"], counts.closed
        )
        yield _labelled(
            "handshakes_refused", "Requests that became no WebSocket.", ["status"], counts.refused
        )
        yield _labelled("joins", "Joins answered.", ["family", "status"], counts.joins)
        yield _labelled("pushes", "Pushes answered.", ["family", "event", "status"], counts.pushes)
        yield _labelled("channel_crashes", "Joins and channels that raised.", ["family"], counts.crashes)
        yield _counter("broadcasts", "Broadcasts, however many listen.", counts.broadcasts)
        yield _counter("sent_frames", "Messages given to connections.", counts.sent_frames)
        yield _counter("received_bytes", "Bytes read.", counts.received_bytes)
        yield _counter("sent_bytes", "Bytes written.", counts.sent_bytes)
        yield _counter("slow_readers_dropped", "Clients dropped for not reading.", counts.slow_readers)
        yield _counter("transactions_made", "Transactions that changed something.", commits.made)
        yield _counter("transactions_kept", "Transactions that survive a crash.", commits.kept)


class Monitoring:
    """Answers the paths of operators.

    Args:
        api: The documents; a socket's own path is never answered here.
        counts: What the metrics tell.
        commits: The transactions made and kept.

    """

    def __init__(self, api: Api, counts: Counts, commits: Commits) -> None:
        self.is_draining = False
        """Whether the server is about to end, so that nobody should be sent to it."""
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(ServerCollector(counts, commits))
        ProcessCollector(registry=self._registry)
        own: dict[str, Callable[[], tuple[int, str, bytes]]] = {
            HEALTH_PATH: self._health,
            METRICS_PATH: self._metrics,
        }
        taken = {path.strip("/") for socket in api.sockets.values() for path in socket.paths}
        self._answers = {path: answer for path, answer in own.items() if path.strip("/") not in taken}

    def answer(self, request: Request) -> Response | None:
        """Return the response to a request for one of the paths; None for any other path."""
        answer = self._answers.get(request.path.partition("?")[0])
        if answer is None:
            return None
        if request.method not in {"GET", "HEAD"}:
            return _response(
                405, "Method Not Allowed", _TEXT, b"method not allowed\n", {"Allow": "GET, HEAD"}
            )
        status, content_type, body = answer()
        phrase = "OK" if status == 200 else "Service Unavailable"
        response = _response(status, phrase, content_type, body)
        if request.method == "HEAD":
            response.body = b""
        return response

    def _health(self) -> tuple[int, str, bytes]:
        return (503, _TEXT, b"draining\n") if self.is_draining else (200, _TEXT, b"ok\n")

    def _metrics(self) -> tuple[int, str, bytes]:
        return 200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self._registry)


def _response(
    status: int, phrase: str, content_type: str, body: bytes, more: Mapping[str, str] | None = None
) -> Response:
    fields = {
        "Connection": "close",
        "Cache-Control": "no-store",
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
    }
    return Response(status, phrase, Headers({**fields, **(more or {})}), body)


def _gauge(name: str, text: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"wireproof_{name}", text, labels=["socket"])
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(f"wireproof_{name}", text, value=value)


def _labelled(name: str, text: str, labels: list[str], values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(f"wireproof_{name}", text, labels=labels)
    for key, value in values.items():
        parts = key if isinstance(key, tuple) else (key,)
        family.add_metric([str(part) for part in parts], value)
    return family
