"""Tests of `reference_server.monitoring` and `counts`: what operators can ask, and that the numbers are true."""

from __future__ import annotations

import base64
import json
import signal
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reference_server.application import Application
from reference_server.broker import Broker
from reference_server.connection import Backend, Connection
from reference_server.counts import Counts
from reference_server.versions import PhoenixVersion
from specs.loader import DOCUMENTS
from specs.message import Frame
from specs.participants import derive_participant
from specs.serializer import SERIALIZERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reference_server.outcome import Channel, Outcome
    from specs.model import Api

TIMEOUT_S = 10.0
HEADERS = (
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


class Net:
    """Raw clients of one server, which count every byte."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.port = int(server.url.rpartition(":")[2])
        self.sent_bytes = self.received_bytes = 0
        self.sockets: list[socket.socket] = []

    def dial(self) -> socket.socket:
        self.sockets.append(socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S))
        return self.sockets[-1]

    def ask(self, target: str, method: str = "GET", headers: str = "Host: x\r\n") -> tuple[int, str, bytes]:
        """Ask by HTTP and read to the end: status, head and body."""
        with self.dial() as connection:
            request = f"{method} {target} HTTP/1.1\r\n{headers}\r\n".encode()
            connection.sendall(request)
            self.sent_bytes += len(request)
            answer = b""
            while chunk := connection.recv(65_536):
                answer += chunk
        self.received_bytes += len(answer)
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head[9:12]), head.decode(), body

    def client(self, target: str) -> Client:
        return Client(self, target)

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Scrape; gives the value by name and label values, in the order of the labels' names."""
        status, head, body = self.ask("/metrics")
        assert status == 200
        assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }


class Client:
    """An open WebSocket."""

    def __init__(self, net: Net, target: str) -> None:
        self.net = net
        self.socket = net.dial()
        self._buffer = b""
        self._send(f"GET {target} HTTP/1.1\r\n{HEADERS}\r\n".encode())
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")

    def say(self, *message: Any) -> Any:
        """Send a message and return the next that comes."""
        self._send(masked(1, json.dumps(message).encode()))
        return self.next()

    def next(self) -> Any:
        return json.loads(self.frame()[1])

    def frame(self) -> tuple[int, bytes]:
        self._want(2)
        length, start = self._buffer[1], 2
        if length == 126:
            self._want(4)
            (length,), start = struct.unpack("!H", self._buffer[2:4]), 4
        self._want(start + length)
        frame, self._buffer = self._buffer[: start + length], self._buffer[start + length :]
        return frame[0] & 0x0F, frame[start:]

    def close(self, code: int) -> None:
        """Close in order and read to the end."""
        self._send(masked(8, struct.pack("!H", code)))
        assert self.frame() == (8, struct.pack("!H", code))
        assert self.socket.recv(1) == b""
        self.socket.close()

    def _send(self, data: bytes) -> None:
        self.socket.sendall(data)
        self.net.sent_bytes += len(data)

    def _want(self, count: int) -> None:
        while len(self._buffer) < count:
            self._more()

    def _more(self) -> None:
        chunk = self.socket.recv(65_536)
        assert chunk
        self.net.received_bytes += len(chunk)
        self._buffer += chunk


def masked(opcode: int, data: bytes) -> bytes:
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack("!H", len(data))
    return bytes([0x80 | opcode]) + length + bytes(4) + data


@pytest.fixture
def shared(reference_server: Any) -> Iterator[Net]:
    """Clients of a server that other tests use too."""
    made = Net(reference_server)
    yield made
    for each in made.sockets:
        each.close()


@pytest.fixture
def net(start_server: Any) -> Iterator[Net]:
    """Clients of a server that nobody else uses."""
    made = Net(start_server())
    yield made
    for each in made.sockets:
        each.close()


def connect_operator(net: Net) -> Client:
    return net.client(f"/control/websocket?token={net.server.token}&vsn=2.0.0")


def make_task(operator: Client) -> tuple[str, list[str]]:
    """Make two agents and a task; gives its topic and the keys of client and provider."""
    assert operator.say("1", "1", "control", "phx_join", {})[4]["status"] == "ok"
    key = base64.b64encode(derive_participant(7, "", "x").keys.public_key).decode()
    agents = [
        operator.say("1", str(ref), "control", "create_agent", {"public_key": key})[4]["response"]
        for ref in (2, 3)
    ]
    ids = dict(zip(("client", "provider"), (agent["agent_id"] for agent in agents), strict=True))
    wish = {"family": "task", "roles": ids, "params": {}}
    made = operator.say("1", "4", "control", "create_resource", wish)[4]["response"]
    return made["topic"], [agent["api_key"] for agent in agents]


def test_every_count_of_a_known_conversation_is_exact(net: Net) -> None:
    """Two agents and an operator talk, with refusals, an unknown event and every kind of end."""
    assert net.ask("/socket/websocket?api_key=nonsense", headers=HEADERS)[0] == 403
    assert net.ask("/nowhere", headers=HEADERS)[0] == net.ask("/", headers=HEADERS)[0] == 404
    operator = connect_operator(net)
    topic, keys = make_task(operator)
    assert operator.say("1", "5", "control", "create_agent", {})[4]["status"] == "error"
    assert operator.say("1", "6", "control", "nobody knows this", {})[4]["status"] == "error"
    client, provider = (net.client(f"/socket/websocket?api_key={key}&vsn=2.0.0") for key in keys)
    assert client.say("1", "1", topic, "phx_join", {})[4]["status"] == "ok"
    assert provider.say("1", "1", topic, "phx_join", {})[4]["status"] == "ok"
    assert provider.say("2", "2", "task:of-somebody-else", "phx_join", {})[4]["status"] == "error"
    progress = {"percent": 10, "message": "on it"}
    assert provider.say("1", "3", topic, "progress", progress)[4]["status"] == "ok"
    assert client.next()[3] == "progress"
    assert provider.say(None, "4", "phoenix", "heartbeat", {})[4]["status"] == "ok"
    client.close(1000)
    provider.close(4321)
    expected = {
        ("wireproof_connections", "agent"): 0,
        ("wireproof_connections", "control"): 1,
        ("wireproof_connections_opened_total", "agent"): 2,
        ("wireproof_connections_opened_total", "control"): 1,
        ("wireproof_connections_closed_total", "1000", "agent"): 1,
        ("wireproof_connections_closed_total", "4xxx", "agent"): 1,
        ("wireproof_handshakes_refused_total", "403"): 1,
        ("wireproof_handshakes_refused_total", "404"): 2,
        ("wireproof_joins_total", "control", "ok"): 1,
        ("wireproof_joins_total", "task", "ok"): 2,
        ("wireproof_joins_total", "task", "error"): 1,
        ("wireproof_pushes_total", "create_agent", "control", "ok"): 2,
        ("wireproof_pushes_total", "create_agent", "control", "error"): 1,
        ("wireproof_pushes_total", "create_resource", "control", "ok"): 1,
        ("wireproof_pushes_total", "", "control", "error"): 1,
        ("wireproof_pushes_total", "progress", "task", "ok"): 1,
        ("wireproof_broadcasts_total",): 1,
        ("wireproof_sent_frames_total",): 6 + 3 + 1 + 1 + 1,
        ("wireproof_sent_bytes_total",): net.received_bytes,
        ("wireproof_slow_readers_dropped_total",): 0,
        ("wireproof_transactions_made_total",): 0,
        ("wireproof_transactions_kept_total",): 0,
    }
    found = net.metrics()
    expected["wireproof_received_bytes_total",] = net.sent_bytes
    assert {key: value for key, value in found.items() if key[0].startswith("wireproof_")} == expected
    assert found["process_cpu_seconds_total",] > 0
    assert found["process_resident_memory_bytes",] > 0


def test_what_is_not_even_a_request_is_counted_and_logged(start_server: Any) -> None:
    """Malformed, too long as a whole, too long in its first line, and with too many fields; nothing of it is shown."""
    net = Net(start_server("--log-level", "info"))
    heads = [
        b"S3CRET\r\n\r\n",
        b"GET /S3CRET HTTP/1.1\r\n" + b"a: b\r\n" * 12_000,
        b"GET /S3CRET" + b"x" * 70_000,
        b"GET /S3CRET HTTP/1.1\r\n" + b"a: b\r\n" * 129 + b"\r\n",
    ]
    for head in heads:
        with socket.create_connection(("127.0.0.1", net.port), TIMEOUT_S) as client:
            client.sendall(head)
            assert client.recv(12).startswith(b"HTTP/1.1 4")
    counted = {key[1]: value for key, value in net.metrics().items() if key[0].endswith("refused_total")}
    assert counted == {"400": 1, "414": 1, "431": 2}
    lines = [json.loads(line) for line in net.server.logged().splitlines()]
    told = [(line["event"], line["status"]) for line in lines]
    assert told == [("handshake", status) for status in (400, 431, 414, 431)]
    assert "S3CRET" not in net.server.logged()


def test_no_label_tells_who_or_what(shared: Net) -> None:
    """Neither the token, nor what a client calls a topic or an event, is in the metrics."""
    operator = connect_operator(shared)
    operator.say("1", "1", "control", "phx_join", {})
    for ref, (topic, event) in enumerate(
        [
            ("control", "hidden-event"),
            ("task:hidden-topic", "phx_join"),
            ("hidden-topic", "phx_join"),
            ("control", ["x"]),
        ]
    ):
        operator.say("1", str(ref), topic, event, {})
    assert shared.ask("/hidden-path?token=hidden-token")[0] == 404
    body = shared.ask("/metrics")[2].decode()
    assert "hidden" not in body
    assert shared.server.token not in body


def test_a_connection_that_just_ends_counts_as_1006(net: Net) -> None:
    """As RFC 6455 calls it."""
    connect_operator(net).socket.close()
    until = 100
    while net.metrics()["wireproof_connections", "control"] and until:
        until -= 1
    assert net.metrics()["wireproof_connections_closed_total", "1006", "control"] == 1


def test_a_dropped_slow_reader_is_counted(net: Net) -> None:
    """Its connection, too, ends without a close frame."""
    topic, keys = make_task(connect_operator(net))
    slow, provider = (net.client(f"/socket/websocket?api_key={key}&vsn=2.0.0") for key in keys)
    for each in (slow, provider):
        each.say("1", "1", topic, "phx_join", {})
    progress = {"percent": 1, "message": "x" * 60_000}
    for ref in range(1000):
        provider.say("1", str(ref), topic, "progress", progress)
        if not ref % 50 and net.metrics()["wireproof_slow_readers_dropped_total",]:
            break
    metrics = net.metrics()
    assert metrics["wireproof_slow_readers_dropped_total",] == 1
    assert metrics["wireproof_connections_closed_total", "1006", "agent"] == 1
    assert metrics["wireproof_connections", "agent"] == 1


def test_a_slow_reader_is_dropped_once_however_much_comes_at_once(start_server: Any) -> None:
    """What comes for it in the turn in which it is dropped counts and is logged no more."""
    net = Net(start_server("--limit", "queue_bytes=100000"))
    topic, keys = make_task(connect_operator(net))
    slow, provider = (net.client(f"/socket/websocket?api_key={key}&vsn=2.0.0") for key in keys)
    for each in (slow, provider):
        each.say("1", "1", topic, "phx_join", {})
    push = json.dumps(["1", "2", topic, "progress", {"percent": 1, "message": "x" * 2000}]).encode()
    for _ in range(500):
        provider.socket.sendall(masked(1, push) * 20)
        for _ in range(20):
            provider.frame()
        if net.metrics()["wireproof_slow_readers_dropped_total",]:
            break
    counted = net.metrics()["wireproof_slow_readers_dropped_total",]
    for each in net.sockets:
        each.close()
    assert (counted, net.server.logged().count("slow_reader_dropped")) == (1, 1)


def test_crashes_are_counted(api: Api) -> None:
    """A crashed join is answered with an error; a crashed push is not answered."""

    class Crashing(Application):
        def handle(self, channel: Channel, event: str, payload: Any) -> Outcome:
            raise RuntimeError

        def join(self, channel: Channel, payload: Any) -> Outcome:
            if payload:
                raise RuntimeError
            return super().join(channel, payload)

    counts = Counts()
    application = Crashing(api, control_token="op")
    identity = application.authenticate(api.sockets["control"], {"token": "op"})
    assert identity is not None
    version = PhoenixVersion.parse("1.8")
    connection = Connection(
        Backend(api, application, Broker(), version, counts=counts),
        identity,
        SERIALIZERS["2.0.0"],
        lambda _: None,
        lambda _: None,
    )
    for message in (("phx_join", {"crash": True}), ("phx_join", {}), ("create_agent", {})):
        text = json.dumps(["1", "1", "control", *message])
        connection.receive(Frame(text.encode(), is_text=True))
    assert counts.crashes == {"control": 2}
    assert counts.joins == {("control", "error"): 1, ("control", "ok"): 1}
    assert counts.pushes == {}


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", 200), ("/metrics", 200), ("/healthz?verbose", 200)]
)
def test_head_is_get_without_the_body(shared: Net, path: str, status: int) -> None:
    """The length is told all the same, and the connection ends."""
    code, head, body = shared.ask(path, "HEAD")
    assert (code, body) == (status, b"")
    assert "Connection: close" in head
    assert "Content-Length: 0\r\n" not in head
    assert shared.ask(path)[0] == status


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_405(shared: Net, path: str, method: str) -> None:
    """What is allowed is said."""
    code, head, _ = shared.ask(path, method)
    assert code == 405
    assert "Allow: GET, HEAD" in head


def test_health_is_ok(shared: Net) -> None:
    """Two letters and a line end."""
    assert shared.ask("/healthz")[2] == b"ok\n"


def test_other_paths_are_what_they_were(shared: Net) -> None:
    """Beside the two paths nothing is answered that was not before."""
    for path in ("/healthz/x", "/metricsx", "/health", "/socket/healthz", "/%68ealthz"):
        assert shared.ask(path)[0] == 404


def test_draining_is_told_and_lets_nobody_in(net: Net) -> None:
    """Until the last client has gone, /healthz is 503, as is a handshake; /metrics goes on."""
    operator = connect_operator(net)
    operator.say("1", "1", "control", "phx_join", {})
    net.server.process.send_signal(signal.SIGTERM)
    assert operator.frame() == (8, struct.pack("!H", 1012))
    assert net.ask("/healthz")[::2] == (503, b"draining\n")
    target = f"/control/websocket?token={net.server.token}&vsn=2.0.0"
    assert net.ask(target, headers=HEADERS)[0] == 503
    assert net.metrics()["wireproof_handshakes_refused_total", "503"] == 1
    operator.socket.close()
    assert net.server.process.wait(TIMEOUT_S) == 0
    with pytest.raises(ConnectionRefusedError):
        net.dial()


def test_paths_of_the_documents_go_first(start_server: Callable[..., Any], tmp_path: Path) -> None:
    """A socket that is served under /metrics stays a socket."""
    for source in DOCUMENTS.rglob("*.json"):
        target = tmp_path / source.relative_to(DOCUMENTS)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text().replace("/control/websocket", "/metrics"))
    net = Net(start_server("--spec", str(tmp_path)))
    assert net.ask("/metrics")[0] == 403
    assert net.ask("/healthz")[0] == 200


def test_counters_do_not_grow_with_what_clients_send() -> None:
    """Events of any kind that nobody documents, and close codes of applications, fall into one each."""
    counts = Counts()
    for number in range(1000):
        for event in (f"event {number}", [number], {"a": number}, number, None, True):
            counts.push("task", event, "error", {"progress": None})
        counts.open_socket("agent")
        counts.close_socket("agent", 3000 + 2 * number)
    assert counts.pushes == {("task", "", "error"): 6000}
    assert counts.closed == {("agent", "3xxx"): 500, ("agent", "4xxx"): 500}
