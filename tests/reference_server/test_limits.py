"""What the documents say of limits is what a client meets, over a socket of a server process."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reference_server.limits import BadLimit, Limits
from specs import json_limits
from specs.canonical import canonical_bytes
from specs.loader import DOCUMENTS, load, shipped_limits
from tests.conftest import RunningServer, running
from tests.reference_server.adversary import (
    BINARY,
    CONT,
    HEARTBEAT,
    PING,
    PONG,
    TEXT,
    TIMEOUT_S,
    Agent,
    Client,
    Ended,
    Operator,
    frame,
)

BY_NAME = {limit.name: limit for limit in shipped_limits()}
NARROW = {
    "handshake_timeout_s": 0.3,
    "handshake_bytes": 2000,
    "connections_per_credential": 4,
    "idle_timeout_s": 30,
    "frame_bytes": 3000,
    "message_bytes": 5000,
    "frames_per_s": 1,
    "frames_burst": 60,
    "channels": 2,
    "json_depth": 6,
    "number_digits": 20,
    "field_bytes": 100,
    "profile_bytes": 200,
    "stored_bytes": 1856,
    "pending_proposals": 2,
    "transfers": 3,
}


def options(values: dict[str, Any]) -> list[str]:
    return [part for name, value in values.items() for part in ("--limit", f"{name}={value}")]


@pytest.fixture(scope="module")
def narrow() -> Iterator[RunningServer]:
    """A server that allows little of everything."""
    with running(["-m", "wireproof", "serve"], *options(NARROW)) as server:
        yield server


@pytest.fixture(autouse=True)
def end_of_clients(start_server: Any) -> Iterator[None]:
    # Before the servers end: they would wait for clients that are still there.
    yield
    Client.close_all()


@pytest.fixture
def operator(narrow: RunningServer) -> Operator:
    return Operator(narrow)


@pytest.fixture
def client(operator: Operator) -> Client:
    return operator.connect(operator.agent())


# What the limits are


def test_every_limit_is_in_the_documents_and_every_documented_limit_is_kept() -> None:
    """Names agree, the defaults are the documents' figures, and the loaded protocol has them."""
    assert {field.name: field.default for field in dataclasses.fields(Limits)} == {
        name: limit.value for name, limit in BY_NAME.items()
    }
    assert load().limits == BY_NAME


def test_reasons_beyond_a_limit_are_documented_errors() -> None:
    """An error reply beyond a limit has a reason that an event lists, but for what Phoenix itself answers."""
    listed = {
        error for topic in load().topics.values() for event in topic.inbound() for error in event.errors
    }
    reasons = {limit.reason for limit in BY_NAME.values() if limit.reason} - {"too many channels joined"}
    assert reasons
    assert reasons <= listed


def test_documents_give_the_defaults_and_what_they_leave_out_is_as_shipped(tmp_path: Any) -> None:
    """A folder's own document of limits counts; without one the shipped one does."""
    for source in DOCUMENTS.rglob("*.json"):
        target = tmp_path / source.relative_to(DOCUMENTS)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    own = json.loads((tmp_path / "limits.json").read_text())
    own["limits"] = [{**row, "value": 7} for row in own["limits"] if row["name"] == "channels"]
    (tmp_path / "limits.json").write_text(json.dumps(own))
    assert Limits.of(load(tmp_path)) == dataclasses.replace(Limits(), channels=7)
    (tmp_path / "limits.json").unlink()
    assert Limits.of(load(tmp_path)) == Limits()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("message_size=1", "no such limit: 'message_size'; limits are handshake_timeout_s, "),
        ("message_bytes", "NAME=VALUE"),
        ("message_bytes=", "needs a number"),
        ("message_bytes=many", "needs a number"),
        ("message_bytes=1.5", "whole number"),
        ("message_bytes=0", "above 0"),
        ("message_bytes=-1", "above 0"),
        ("message_bytes=nan", "above 0"),
        ("message_bytes=1e999", "above 0"),
        ("idle_timeout_s=inf", "above 0"),
        ("json_depth=257", "256 at most"),
        ("number_digits=4001", "4000 at most"),
    ],
)
def test_a_setting_that_cannot_be_kept_is_refused(setting: str, words: str) -> None:
    """The message says what is wrong with it, and an unknown name brings the known ones."""
    with pytest.raises(BadLimit, match=words):
        Limits().with_settings([setting])


def test_the_last_of_several_settings_counts() -> None:
    """As with other options."""
    limits = Limits().with_settings(["channels=3", "idle_timeout_s=0.5", "channels=4"])
    assert limits == dataclasses.replace(Limits(), channels=4, idle_timeout_s=0.5)


# Coming in


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"x" * 2000, 414),
        (b"GET /" + b"x" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 400, 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 2000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 2000, 431),
    ],
)
def test_a_request_that_is_too_long_is_refused(narrow: RunningServer, head: bytes, status: int) -> None:
    """Whether it has ended or not, without waiting for its end."""
    with Client(narrow) as client:
        client.send(head)
        assert client.head().startswith(f"HTTP/1.1 {status} ".encode())


def _drip(client: Client, piece: bytes, pause_s: float) -> bytes:
    """Send a piece again and again until the server ends TCP; return what it said."""
    client.socket.settimeout(pause_s)
    until_s = time.monotonic() + TIMEOUT_S
    with contextlib.suppress(Ended, ConnectionError):
        while time.monotonic() < until_s:
            client.send(piece)
            with contextlib.suppress(TimeoutError):
                client._fill()
    assert time.monotonic() < until_s, "TCP goes on"
    return bytes(client._buffer)


def test_an_endless_request_is_cut_off(narrow: RunningServer) -> None:
    """Field after field in small pieces is answered at the limit, and TCP ends."""
    with Client(narrow) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        assert _drip(client, b"A: b\r\n" * 10, 0.001).startswith(b"HTTP/1.1 431 ")


def test_a_slow_handshake_ends(narrow: RunningServer) -> None:
    """TCP ends without an answer, also where a byte comes now and then."""
    with Client(narrow) as client:
        assert _drip(client, b"G", 0.05) == b""


def test_one_credential_has_so_many_connections(operator: Operator, narrow: RunningServer) -> None:
    """All credentials of an agent count together; another agent is let in; a connection that ends makes room."""
    agent = operator.agent()
    queries = [agent.query, f"session_token={agent.session_token}&vsn=2.0.0"]
    clients = [Client(narrow).upgraded(queries[number % 2]) for number in range(4)]
    for query in queries:
        with Client(narrow) as more:
            head = more.request(f"/socket/websocket?{query}")
            assert head.startswith(b"HTTP/1.1 429 ")
            assert b"\r\nRetry-After: " in head
    with operator.connect(operator.agent()) as other:
        assert other.is_alive()
    clients.pop().close()
    with _admitted_at_last(narrow, agent) as again:
        assert again.is_alive()
    for client in clients:
        assert client.is_alive()


def _admitted_at_last(server: RunningServer, agent: Agent) -> Client:
    until_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until_s:
        client = Client(server)
        if client.request(f"/socket/websocket?{agent.query}").startswith(b"HTTP/1.1 101 "):
            return client
        client.close()
    raise AssertionError("never let in")


def test_there_are_so_many_connections_in_all(start_server: Callable[..., RunningServer]) -> None:
    """Whoever comes too many gets 503 with Retry-After; wrong credentials get 403 as ever."""
    server = start_server(*options({"connections": 3, "linger_s": 0.1}))
    operator = Operator(server)
    agent = operator.agent()
    clients = [operator.connect(agent), operator.connect(agent)]
    with Client(server) as more:
        head = more.request(f"/socket/websocket?{agent.query}")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: " in head
    with Client(server) as stranger:
        assert stranger.request("/socket/websocket?api_key=x").startswith(b"HTTP/1.1 403 ")
    clients.pop().close()
    with _admitted_at_last(server, agent) as again:
        assert again.is_alive()


def test_unfinished_handshakes_make_room_for_new_ones(start_server: Callable[..., RunningServer]) -> None:
    """Of too many the oldest ends; whoever finishes in time gets in however many do not."""
    server = start_server(*options({"handshakes": 20, "linger_s": 0.1}))
    idlers = [Client(server) for _ in range(100)]
    for idler in idlers:
        idler.send(b"GET /socket/websocket")
    operator = Operator(server)
    with operator.connect(operator.agent()) as client:
        assert client.is_alive()
    assert idlers[0].end() == "cut"
    idlers[-1].send(b" HTTP/1.1\r\n\r\n")
    assert idlers[-1].head().startswith(b"HTTP/1.1 403 ")


# Frames


@pytest.mark.parametrize(
    "sent",
    [
        frame(TEXT, b" " * 3001),
        frame(BINARY, b" " * 3001),
        frame(TEXT, b"", fin=False) + frame(CONT, b" " * 3001),
        frame(TEXT, b" " * 2501, fin=False) + frame(CONT, b" " * 2500),
        frame(TEXT, b" ", fin=False) + b"".join(frame(CONT, b" " * 1000, fin=False) for _ in range(5)),
    ],
    ids=["text", "binary", "fragment", "fragments", "unfinished"],
)
def test_a_frame_or_message_that_is_too_big_closes(client: Client, sent: bytes) -> None:
    """With 1009, as soon as it is known; fragments count together."""
    client.send(sent)
    assert client.end() == BY_NAME["message_bytes"].close_code == BY_NAME["frame_bytes"].close_code == 1009


def test_a_message_of_just_the_limit_is_taken(client: Client) -> None:
    """In two frames, each within the limit of a frame."""
    beat = json.dumps([None, "beat", "phoenix", "heartbeat", {}]).encode()
    client.send(frame(TEXT, beat, fin=False), frame(CONT, b" " * 3000, fin=False))
    client.send(frame(CONT, b" " * (2000 - len(beat))))
    assert client.reply("beat")["status"] == "ok"


@pytest.mark.parametrize(
    "flood",
    [
        HEARTBEAT,
        frame(PING, b""),
        frame(PONG, b""),
        frame(TEXT, b"", fin=False) + frame(CONT, b"", fin=False) * 100,
    ],
    ids=["heartbeats", "pings", "pongs", "fragments"],
)
def test_too_many_frames_close(client: Client, flood: bytes) -> None:
    """With 1008, whatever frames they are, and however little is in them."""
    for _ in range(50):
        assert client.is_alive()
    client.send(flood * (1 if len(flood) > 500 else 20))
    assert client.end() == BY_NAME["frames_burst"].close_code == BY_NAME["frames_per_s"].close_code == 1008


def test_frames_come_together_again_with_time(start_server: Callable[..., RunningServer]) -> None:
    """A client that keeps to the rate is never closed, however long it goes on."""
    server = start_server(*options({"frames_per_s": 1000, "frames_burst": 5, "linger_s": 0.1}))
    operator = Operator(server)
    with operator.connect(operator.agent()) as client:
        for _ in range(50):
            assert client.is_alive()
            time.sleep(0.002)


def _nested(depth: int) -> str:
    # The message is one level, its payload another.
    return '[null,"beat","phoenix","heartbeat",{"x":' + "[" * (depth - 2) + "]" * (depth - 2) + "}]"


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        (_nested(6), _nested(7)),
        (
            '[null,"beat","phoenix","heartbeat",{"x":"[[[[[[[[[["}]',
            '[null,"beat","phoenix","heartbeat",[[[[[[{}]]]]]]]',
        ),
        (
            '[null,"beat","phoenix","heartbeat",' + "9" * 20 + "]",
            '[null,"beat","phoenix","heartbeat",' + "9" * 21 + "]",
        ),
        (
            f'[null,"beat","phoenix","heartbeat","{"9" * 30}"]',
            f'[null,"beat","phoenix","heartbeat",[0.{"3" * 30}]]',
        ),
        (
            f'["{"j" * 98}","beat","phoenix","heartbeat",{{}}]',
            f'["{"j" * 99}","beat","phoenix","heartbeat",{{}}]',
        ),
        ('[null,"beat","phoenix","heartbeat",{}]', f'[null,"{"é" * 50}","phoenix","heartbeat",{{}}]'),
        ('[null,"beat","phoenix","heartbeat",{}]', f'[null,"1","{"t" * 99}","phx_join",{{}}]'),
        ('[null,"beat","phoenix","heartbeat",{}]', f'[null,{["x"] * 40},"t","e",{{}}]'.replace("'", '"')),
    ],
    ids=["depth", "brackets", "integer", "fraction", "join_ref", "ref", "topic", "array"],
)
def test_json_beyond_a_limit_is_as_json_that_cannot_be_decoded(
    client: Client, allowed: str, refused: str
) -> None:
    """Depth, digits and the fields of a message: what just fits is answered, one more closes with 1011."""
    client.send(frame(TEXT, allowed.encode()))
    assert client.reply("beat")["status"] == "ok"
    client.send(frame(TEXT, refused.encode()))
    assert client.end() == 1011
    assert {BY_NAME[name].close_code for name in ("json_depth", "number_digits", "field_bytes")} == {1011}


@pytest.mark.parametrize(
    ("values", "length"),
    [
        ({"json_depth": 5, "number_digits": 50, "field_bytes": 50}, 10),
        ({"json_depth": 50, "number_digits": 9, "field_bytes": 50}, 9),
        ({"json_depth": 50, "number_digits": 50, "field_bytes": 8}, 8),
    ],
)
def test_a_message_is_looked_at_as_soon_as_it_may_break_a_limit(
    values: dict[str, float], length: int
) -> None:
    """No text of the harmless length exceeds a limit; one byte more and one may."""
    limits = Limits().with_values(values)
    assert limits.harmless_bytes == length
    deepest = b"[" * (length // 2) + b"]" * (length // 2)
    assert json_limits.excess(deepest, limits.json_depth, limits.number_digits) is None
    assert json_limits.excess(b"1" * length, limits.json_depth, limits.number_digits) is None


def test_a_binary_payload_is_no_json(operator: Operator) -> None:
    """Its brackets and digits are not counted, but in serializer 1.0.0, which reads JSON from any frame."""
    agent = operator.agent()
    with operator.connect(agent) as second:
        second.send(frame(BINARY, b"\x00\x00\x01\x07\x091phoenixheartbeat" + b"[" * 50 + b"7" * 50))
        assert second.reply("1")["status"] == "ok"
    first = operator.connect(dataclasses.replace(agent, api_key=f"{agent.api_key}&vsn=1.0.0&x="))
    first.send(frame(BINARY, b'{"topic":"t","event":"e","ref":null,"payload":[[[[[[[]]]]]]]}'))
    assert first.end() == 1011


def test_a_connection_has_so_many_channels(operator: Operator) -> None:
    """The next join is refused with Phoenix' own words."""
    agent = operator.agent()
    with operator.connect(agent) as client:
        for topic in ("agents:discovery", "analytics:global"):
            client.joined(topic)
        answer = client.ask("3", "3", f"analytics:agent:{agent.id}", "phx_join", {})
        assert answer == {"status": "error", "response": {"reason": BY_NAME["channels"].reason}}
        assert client.is_alive()


# What is kept


def _reason(answer: dict[str, Any]) -> str | None:
    return None if answer["status"] == "ok" else answer["response"]["reason"]


@pytest.mark.parametrize(("event", "member"), [("update_metadata", "metadata"), ("announce", "capabilities")])
def test_an_agent_says_so_much_of_itself(operator: Operator, event: str, member: str) -> None:
    """A bigger profile is refused and the former stays."""
    agent = operator.agent()
    filled: dict[str, Any] = {"metadata": {"x": "y" * 192}, "capabilities": ["y" * 196]}
    bigger: dict[str, Any] = {"metadata": {"x": "y" * 193}, "capabilities": ["y" * 197]}
    with operator.connect(agent, "agents:discovery") as client:
        assert _reason(client.ask("1", "2", "agents:discovery", event, {member: filled[member]})) is None
        answer = client.ask("1", "3", "agents:discovery", event, {member: bigger[member]})
        assert _reason(answer) == BY_NAME["profile_bytes"].reason
        found = client.ask("1", "4", "agents:discovery", "discover", {"capability": "y" * 196})
        assert len(found["response"]["agents"]) == (event == "announce")


def test_a_task_keeps_so_many_chunks(operator: Operator) -> None:
    """Input and output count together, an empty chunk counts, too; a chunk kept already may be repeated."""
    client_agent, provider_agent = operator.agent(), operator.agent()
    topic = operator.resource("task", {}, client=client_agent, provider=provider_agent)
    with operator.connect(client_agent, topic) as client, operator.connect(provider_agent, topic) as provider:

        def stream(who: Client, event: str, seq: int, chunk: str) -> str | None:
            return _reason(who.ask("1", f"s{seq}", topic, event, {"seq": seq, "chunk": chunk}))

        assert stream(client, "input_stream", 0, "x" * 500) is None
        assert stream(provider, "output_stream", 0, "é" * 200) is None
        refused = BY_NAME["stored_bytes"].reason
        assert stream(client, "input_stream", 1, "x" * 189) == refused
        assert stream(client, "input_stream", 1, "x" * 188) is None
        assert stream(provider, "output_stream", 1, "") == refused
        assert stream(client, "input_stream", 0, "x" * 500) is None
        assert stream(provider, "output_stream", 0, "é" * 200) is None


class Payment:
    """A payment channel and its parties."""

    def __init__(self, operator: Operator) -> None:
        self.agents = {"a": operator.agent(), "b": operator.agent()}
        params = {"balance_a": "100", "balance_b": "100"}
        self.topic = operator.resource("payment", params, **self.agents)
        self.clients = {role: operator.connect(agent, self.topic) for role, agent in self.agents.items()}

    def send(self, role: str, event: str, nonce: int) -> str | None:
        signed = {"topic": self.topic, "event": event, "amount": "1", "nonce": nonce}
        signature = self.agents[role].keys.sign(canonical_bytes(signed))
        payload = {"amount": "1", "nonce": nonce, "signature": signature}
        return _reason(self.clients[role].ask("1", f"p{nonce}", self.topic, event, payload))


def test_a_party_has_so_many_proposals_pending(operator: Operator) -> None:
    """The other party's do not count; one that is answered makes room."""
    payment = Payment(operator)
    assert [payment.send("a", "propose_transfer", nonce) for nonce in (1, 2)] == [None, None]
    assert payment.send("a", "propose_transfer", 3) == BY_NAME["pending_proposals"].reason
    assert payment.send("b", "propose_transfer", 4) is None
    rejected = {"reason": "no", "nonce": 1}
    assert _reason(payment.clients["b"].ask("1", "r", payment.topic, "reject_transfer", rejected)) is None
    assert payment.send("a", "acknowledge_transfer", 4) is None
    assert payment.send("a", "propose_transfer", 5) is None


def test_a_channel_keeps_so_many_rejected_transfers(operator: Operator) -> None:
    """They are history as those that were executed are, and do not pile up without end."""
    payment = Payment(operator)
    for nonce in (1, 2, 3):
        assert payment.send("a", "propose_transfer", nonce) is None
        rejected = {"reason": "no", "nonce": nonce}
        assert _reason(payment.clients["b"].ask("1", "r", payment.topic, "reject_transfer", rejected)) is None
    assert payment.send("a", "propose_transfer", 4) == BY_NAME["transfers"].reason


def test_a_channel_executes_so_many_transfers(operator: Operator) -> None:
    """What has been proposed can always be executed; beyond that nothing is proposed any more."""
    payment = Payment(operator)
    for nonce in (1, 2):
        assert payment.send("a", "propose_transfer", nonce) is None
        assert payment.send("b", "acknowledge_transfer", nonce) is None
    assert payment.send("b", "propose_transfer", 3) is None
    refused = BY_NAME["transfers"].reason
    assert payment.send("a", "propose_transfer", 4) == refused
    assert payment.send("a", "acknowledge_transfer", 3) is None
    assert payment.send("a", "propose_transfer", 4) == refused
