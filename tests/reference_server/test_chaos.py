"""Tests of `reference_server.chaos` over real sockets: each kind of fault, what is spared, and that a seed repeats it."""

from __future__ import annotations

import asyncio
import base64
import json
import select
import socket
import time
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from reference_server.assembly import Assembly
from reference_server.chaos.installing import install
from reference_server.chaos.record import FaultRecord
from reference_server.chaos.rules import Rules
from reference_server.deviations.replacing import around
from reference_server.server import Settings
from specs.message import Frame
from specs.participants import derive_participant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from specs.model import Api

TIMEOUT_S = 10.0
TOKEN = "operator"


class Client:
    """A WebSocket that speaks serializer 2.0.0."""

    def __init__(self, connection: ClientConnection) -> None:
        self.socket = connection

    def say(self, *message: Any) -> Any:
        """Send a message and return the next that comes."""
        self.tell(*message)
        return self.next()

    def tell(self, *message: Any) -> None:
        self.socket.send(json.dumps(message))

    def next(self) -> Any:
        return json.loads(self.socket.recv(TIMEOUT_S))

    def relays(self) -> list[int]:
        """Return the percents of all progress that has come before the answer to a heartbeat."""
        self.tell(None, "beat", "phoenix", "heartbeat", {})
        found = []
        while (message := self.next())[1] != "beat":
            found.append(message[4]["percent"])
        return found

    def until_end(self) -> tuple[list[int], int]:
        """Return the percents of all progress until the end, and the close code."""
        found = []
        try:
            while True:
                found.append(self.next()[4].get("percent", -1))
        except ConnectionClosed as exc:
            return found, exc.rcvd.code if exc.rcvd else 1006

    def end(self) -> int:
        """Read to the end and return the close code."""
        return self.until_end()[1]


class Scene:
    """A server with chaos, and a task with its two participants."""

    def __init__(self, port: int, records: list[FaultRecord], token: str = TOKEN) -> None:
        self.port = port
        self.serving: Any = None
        self.records = records
        self.stack = ExitStack()
        self.operator = self.client(f"token={token}", "/control/websocket")
        self.operator.say("1", "1", "control", "phx_join", {})
        self.topic, self.keys = self.make_task()

    def client(self, query: str, path: str = "/socket/websocket") -> Client:
        url = f"ws://127.0.0.1:{self.port}{path}?{query}&vsn=2.0.0"
        return Client(self.stack.enter_context(connect(url, proxy=None, close_timeout=1)))

    def raw(self, key: str) -> socket.socket:
        """Connect with bytes alone."""
        raw = self.stack.enter_context(socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S))
        raw.sendall(
            f"GET /socket/websocket?api_key={key}&vsn=2.0.0 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        return raw

    def make_task(self) -> tuple[str, list[str]]:
        """Make a task; gives its topic and the keys of client and provider."""
        key = base64.b64encode(derive_participant(7, "", "x").keys.public_key).decode()
        agents = [
            self.operator.say("1", "2", "control", "create_agent", {"public_key": key})[4]["response"]
            for _ in range(2)
        ]
        roles = dict(zip(("client", "provider"), (agent["agent_id"] for agent in agents), strict=True))
        wish = {"family": "task", "roles": roles, "params": {}}
        made = self.operator.say("1", "3", "control", "create_resource", wish)[4]["response"]
        return made["topic"], [agent["api_key"] for agent in agents]

    def joined(self, key: str, topic: str | None = None) -> Client:
        client = self.client(f"api_key={key}")
        assert client.say("1", "1", topic or self.topic, "phx_join", {})[4]["status"] == "ok"
        return client

    def pair(self) -> tuple[Client, Client]:
        """Seat client and provider: connections 1 and 2."""
        first, second = map(self.joined, self.keys)
        return first, second

    def faults(self) -> list[tuple[str, int, str | None, dict[str, Any]]]:
        return [(row.fault, row.connection, row.event, row.detail) for row in self.records]


def masked(*message: Any) -> bytes:
    """One text frame of a client with a mask of zeros."""
    data = json.dumps(message).encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data)]) + bytes(4) + data


def progress(provider: Client, topic: str, percents: Any) -> None:
    """Push progress; each push must be answered with ok."""
    for percent in percents:
        answer = provider.say("1", str(percent), topic, "progress", {"percent": percent, "message": ""})
        assert (answer[1], answer[4]["status"]) == (str(percent), "ok")


@pytest.fixture
def scene(api: Api, serve_in_thread: Callable[..., Any]) -> Iterator[Callable[..., Scene]]:
    """Make scenes with rules of their own."""
    with ExitStack() as stack:

        def make(*faults: dict[str, Any], seed: int = 7, prepare: Any = None) -> Scene:
            records: list[FaultRecord] = []
            assembly = Assembly(api, Settings(port=0), seed=seed, control_token=TOKEN)
            if prepare is not None:
                prepare(assembly)

            class Recorder:
                def write(self, record: FaultRecord) -> None:
                    records.append(record)

            install(assembly, Rules.model_validate({"fault": faults}), seed, Recorder())
            serving = serve_in_thread(assembly)
            made = Scene(serving.server.port, records)
            made.serving = serving
            stack.enter_context(made.stack)
            return made

        yield make


def test_dropped_relays_never_come(scene: Callable[..., Scene]) -> None:
    """What comes is exactly what was not recorded; every push is answered."""
    here = scene({"kind": "drop", "probability": 0.4})
    client, provider = here.pair()
    progress(provider, here.topic, range(20))
    came = client.relays()
    assert came == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 19]
    assert here.faults() == [("drop", 1, "progress", {})] * (20 - len(came))
    assert {row.topic for row in here.records} == {here.topic}
    assert {row.socket for row in here.records} == {"agent"}


def test_duplicated_relays_come_in_a_row(scene: Callable[..., Scene]) -> None:
    """As many copies as the rule says, right behind the frame."""
    here = scene({"kind": "duplicate", "probability": 1, "copies": 2, "at_most": 2})
    client, provider = here.pair()
    progress(provider, here.topic, range(4))
    assert client.relays() == [0, 0, 0, 1, 1, 1, 2, 3]
    assert here.faults() == [("duplicate", 1, "progress", {"copies": 2})] * 2


def test_reordered_relays_change_places_with_the_next(scene: Callable[..., Scene]) -> None:
    """None is lost; what another frame than a relay follows, keeps its place."""
    here = scene({"kind": "reorder", "probability": 0.5})
    client, provider = here.pair()
    progress(provider, here.topic, range(20))
    came = client.relays()
    assert sorted(came) == list(range(20))
    assert came != sorted(came)
    assert len(here.records) == sum(second < first for first, second in pairwise(came))
    assert {row.detail["behind"] for row in here.records} == {"progress"}


def test_a_relay_without_a_next_goes_alone(scene: Callable[..., Scene]) -> None:
    """A reply does not overtake it; nor does it wait for ever."""
    here = scene({"kind": "reorder", "probability": 1, "within_s": 0.01})
    client, provider = here.pair()
    progress(provider, here.topic, [1])
    assert client.next()[4]["percent"] == 1
    assert here.records == []


def test_delay_keeps_the_order_of_its_connection(scene: Callable[..., Scene]) -> None:
    """The relays and the reply behind them come in order, none before its time; the other connection is not held up."""
    here = scene({"kind": "delay", "probability": 0.5, "delay_s": [0.1, 0.2]})
    client, provider = here.pair()
    started_s = time.monotonic()
    progress(provider, here.topic, range(10))
    assert client.relays() == list(range(10))
    delays = [float(row.detail["delay_s"]) for row in here.records]
    assert time.monotonic() - started_s >= max(delays)
    assert len(delays) == 5
    assert all(0.1 <= delay <= 0.2 for delay in delays)


def test_a_close_ends_every_wait(scene: Callable[..., Scene]) -> None:
    """What waits goes out before the close frame."""
    here = scene({"kind": "delay", "probability": 1, "delay_s": [60, 60]})
    client, provider = here.pair()
    progress(provider, here.topic, range(3))
    client.tell("1", "2", {}, "phx_join", {})
    assert [client.next()[4]["percent"] for _ in range(3)] == [0, 1, 2]
    assert client.end() == 1011


@pytest.mark.parametrize(("code", "seen"), [(None, 1006), (1012, 1012)])
def test_a_cut_ends_the_connection_in_place_of_a_frame(
    scene: Callable[..., Scene], code: int | None, seen: int
) -> None:
    """What came before it has arrived; the others go on, and the server has let go of the channel."""
    rule = {"kind": "cut", "probability": 0.2}
    here = scene(rule if code is None else {**rule, "code": code}, seed=22)
    client, provider = here.pair()
    progress(provider, here.topic, range(20))
    came, ended = client.until_end()
    assert came == [0, 1, 2]
    assert ended == seen
    assert here.faults() == [("cut", 1, "progress", {"code": seen})]
    again = here.joined(here.keys[0])
    assert again.relays() == []


def test_nothing_is_carried_out_behind_a_cut(scene: Callable[..., Scene]) -> None:
    """What a client sent in the same segment as the message whose answer was cut has no effect."""
    here = scene(
        {
            "kind": "cut",
            "probability": 1,
            "replies": True,
            "events": ["phx_reply"],
            "at_most": 1,
            "topics": ["payment"],
        }
    )
    client = here.joined(here.keys[0])
    raw = here.raw(here.keys[1])
    push = here.topic, "progress", {"percent": 1, "message": ""}
    raw.sendall(
        masked("1", "1", here.topic, "phx_join", {})
        + masked("1", "2", *push)
        + masked("2", "3", "payment:x", "phx_join", {})
        + masked("1", "4", *push)
    )
    while raw.recv(65_536):
        pass
    assert client.relays() == [1]
    assert [row.event for row in here.records] == ["phx_reply"]


def test_what_is_not_delayed_does_not_overtake(scene: Callable[..., Scene]) -> None:
    """Although the time of the frame before it has come, and the loop was too busy to send it."""
    here = scene({"kind": "delay", "probability": 1, "delay_s": [0.01, 0.01], "at_most": 1})
    client, provider = here.pair()
    [first] = [
        each for each in here.serving.server._live if each._faults is not None and each._faults.number == 1
    ]

    def send_both() -> None:
        for percent in (1, 2):
            text = json.dumps([None, None, here.topic, "progress", {"percent": percent}])
            first.send(Frame(text.encode(), is_text=True))
            time.sleep(0.02)

    here.serving.loop.call_soon_threadsafe(send_both)
    assert [client.next()[4]["percent"] for _ in range(2)] == [1, 2]
    assert provider.relays() == []


def test_a_cut_can_be_everyones(scene: Callable[..., Scene]) -> None:
    """All connections but the operator's end at once; each has its record."""
    here = scene({"kind": "cut", "probability": 1, "code": 1012, "everyone": True})
    client, provider = here.pair()
    bystander = here.client(f"api_key={here.keys[0]}")
    provider.tell("1", "2", here.topic, "progress", {"percent": 1, "message": ""})
    assert [each.end() for each in (client, provider, bystander)] == [1012] * 3
    assert here.faults() == [
        ("cut", 1, "progress", {"code": 1012}),
        ("cut", 2, None, {"code": 1012}),
        ("cut", 3, None, {"code": 1012}),
    ]
    assert here.operator.relays() == []


def test_a_truncated_frame_is_the_last(scene: Callable[..., Scene]) -> None:
    """TCP ends in the middle of a frame, as many bytes behind its beginning as the record says."""
    here = scene({"kind": "truncate", "probability": 1, "keep": [0.5, 0.5], "at_most": 1})
    raw = here.raw(here.keys[0])
    raw.sendall(masked("1", "1", here.topic, "phx_join", {}))
    received = b""
    while b"phx_reply" not in received:
        received += raw.recv(65_536)
    provider = here.joined(here.keys[1])
    progress(provider, here.topic, [1])
    rest = b""
    while chunk := raw.recv(65_536):
        rest += chunk
    [row] = here.records
    assert (row.fault, row.connection, row.detail["kept_bytes"]) == ("truncate", 1, len(rest))
    assert rest[0] == 0x81
    assert rest[1] + 2 == row.detail["of_bytes"] > len(rest)


def test_a_truncated_text_is_a_whole_frame(scene: Callable[..., Scene]) -> None:
    """Without a cut the frame is cut short, in UTF-8 still, and the connection goes on."""
    here = scene({"kind": "truncate", "probability": 1, "keep": [0.7, 0.7], "cut": False, "at_most": 30})
    client, provider = here.pair()
    for ref in range(30):
        message = {"percent": 1, "message": "é漢😀" * ref}
        provider.say("1", str(ref), here.topic, "progress", message)
        text = client.socket.recv(TIMEOUT_S)
        assert isinstance(text, str)
        whole = json.dumps(
            [None, None, here.topic, "progress", message], ensure_ascii=False, separators=(",", ":")
        )
        assert text
        assert whole.startswith(text[:20])
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(text)
        assert here.records[-1].detail["kept_bytes"] == len(text.encode())
    progress(provider, here.topic, [50])
    assert client.relays() == [50]


def test_reconnects_are_refused_for_a_while(scene: Callable[..., Scene]) -> None:
    """The agent that was cut is refused, and only it; then it is let in."""
    here = scene(
        {"kind": "cut", "probability": 1, "at_most": 1, "events": ["progress"]},
        {"kind": "refuse", "probability": 1, "for_s": [60, 60], "attempts": 2, "status": 503},
    )
    client, provider = here.pair()
    provider.tell("1", "2", here.topic, "progress", {"percent": 1, "message": ""})
    assert client.end() == 1006
    for _ in range(2):
        with pytest.raises(InvalidStatus) as refused:
            here.client(f"api_key={here.keys[0]}")
        assert refused.value.response.status_code == 503
        here.client(f"api_key={here.keys[1]}")
        here.client(f"token={TOKEN}", "/control/websocket")
    here.joined(here.keys[0])
    assert here.faults() == [
        ("cut", 1, "progress", {"code": 1006, "refused_for_s": 60.0}),
        ("refuse", 1, None, {"status": 503}),
        ("refuse", 1, None, {"status": 503}),
    ]


@pytest.mark.parametrize("status", [499, 520, 599])
def test_a_refusal_may_have_a_status_without_a_name(scene: Callable[..., Scene], status: int) -> None:
    """What proxies answer on their own is recorded because the client has got it."""
    here = scene(
        {"kind": "cut", "probability": 1, "at_most": 1},
        {"kind": "refuse", "probability": 1, "for_s": [60, 60], "status": status},
    )
    client, provider = here.pair()
    provider.tell("1", "2", here.topic, "progress", {"percent": 1, "message": ""})
    assert client.end() == 1006
    with pytest.raises(InvalidStatus) as refused:
        here.client(f"api_key={here.keys[0]}")
    assert refused.value.response.status_code == status
    assert here.faults()[-1] == ("refuse", 1, None, {"status": status})


def test_refusals_end_with_their_time(scene: Callable[..., Scene]) -> None:
    """A client that goes on trying gets in."""
    here = scene(
        {"kind": "cut", "probability": 1, "at_most": 1},
        {"kind": "refuse", "probability": 1, "for_s": [0.1, 0.1]},
    )
    client, provider = here.pair()
    provider.tell("1", "2", here.topic, "progress", {"percent": 1, "message": ""})
    assert client.end() == 1006
    until_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until_s:
        try:
            here.joined(here.keys[0])
            break
        except InvalidStatus:
            time.sleep(0.01)
    assert time.monotonic() < until_s


def test_rules_are_about_their_topics_and_events_only(scene: Callable[..., Scene]) -> None:
    """Another event of the topic, and the event on another topic, come through."""
    here = scene({"kind": "drop", "probability": 1, "topics": ["task"], "events": ["output_stream"]})
    client, provider = here.pair()
    provider.say("1", "2", here.topic, "output_stream", {"seq": 0, "chunk": "x"})
    progress(provider, here.topic, [1])
    assert client.relays() == [1]
    assert [row.event for row in here.records] == ["output_stream"]


def test_replies_are_struck_only_on_demand(scene: Callable[..., Scene]) -> None:
    """With `replies` the answer to a push is lost, although its effect is there."""
    here = scene(
        {
            "kind": "drop",
            "probability": 1,
            "replies": True,
            "topics": ["task"],
            "events": ["phx_reply"],
            "at_most": 1,
        }
    )
    provider = here.client(f"api_key={here.keys[1]}")
    provider.tell("1", "1", here.topic, "phx_join", {})
    progress(provider, here.topic, [1])
    assert here.faults() == [("drop", 1, "phx_reply", {})]


def test_operators_are_spared(scene: Callable[..., Scene]) -> None:
    """The control socket, /healthz and /metrics answer as ever under a rule about everything."""
    here = scene({"kind": "drop", "probability": 1, "replies": True})
    assert here.operator.relays() == []
    for path in ("healthz", "metrics"):
        with urlopen(f"http://127.0.0.1:{here.port}/{path}") as answer:
            assert answer.status == 200
    assert here.records == []


RULES = (
    {"kind": "drop", "probability": 0.1},
    {"kind": "duplicate", "probability": 0.1},
    {"kind": "reorder", "probability": 0.2},
    {"kind": "delay", "probability": 0.1, "delay_s": [0, 0.01]},
    {"kind": "cut", "probability": 0.02, "code": 1012},
    {"kind": "refuse", "probability": 1, "for_s": [60, 60], "attempts": 2},
)


def converse(here: Scene, *, noise: bool) -> list[dict[str, Any]]:
    """Hold the same conversation, with other traffic or without; gives the records of its connections, times aside."""
    client, provider = here.pair()
    if noise:
        topic, keys = here.make_task()
        others = [here.joined(key, topic) for key in keys]
    for percent in range(100):
        provider.tell("1", "2", here.topic, "progress", {"percent": percent, "message": ""})
        if noise and percent < 10:
            others[1].tell("1", "2", topic, "progress", {"percent": percent, "message": ""})
        assert provider.next()[4]["status"] == "ok"
    client.end()
    for _ in range(2):
        with pytest.raises(InvalidStatus):
            here.client(f"api_key={here.keys[0]}")
    return [row.model_dump(exclude={"time"}) for row in here.records if row.connection <= 2]


def test_a_seed_repeats_the_faults(scene: Callable[..., Scene]) -> None:
    """The same conversation meets the same faults, whatever others do meanwhile; another seed gives others."""
    first = converse(scene(*RULES), noise=False)
    assert {row["fault"] for row in first} == {"drop", "duplicate", "reorder", "delay", "cut", "refuse"}
    assert converse(scene(*RULES), noise=False) == first
    assert converse(scene(*RULES), noise=True) == first
    assert converse(scene(*RULES, seed=8), noise=False) != first


def test_a_delayed_frame_waits_for_its_commit(scene: Callable[..., Scene]) -> None:
    """When its time has come, it still does not leave before what it may tell of is kept."""
    here = scene({"kind": "delay", "probability": 1, "delay_s": [0.01, 0.01]})
    client, provider = here.pair()
    commits, loop = here.serving.assembly.commits, here.serving.loop

    async def make() -> int:
        return commits.make()

    number = asyncio.run_coroutine_threadsafe(make(), loop).result(TIMEOUT_S)
    provider.tell("1", "2", here.topic, "progress", {"percent": 1, "message": ""})
    until_s = time.monotonic() + TIMEOUT_S
    # The relay and the reply.
    while len(commits._waiting) < 2 and time.monotonic() < until_s:
        time.sleep(0.001)
    assert len(commits._waiting) == 2
    assert select.select([client.socket.socket], [], [], 0)[0] == []
    loop.call_soon_threadsafe(commits.keep, number)
    assert client.next()[4]["percent"] == 1
    assert provider.next()[1] == "2"


def test_chaos_comes_on_top_of_a_deviation(scene: Callable[..., Scene]) -> None:
    """A transport that differs already goes on differing."""
    seen: list[int] = []

    def send(honest: Any, self: Any, frame: Any) -> None:
        seen.append(len(frame.data))
        honest(self, frame)

    def prepare(assembly: Assembly) -> None:
        assembly.transport = around(assembly.transport, "send", send)

    here = scene({"kind": "duplicate", "probability": 1}, prepare=prepare)
    client, provider = here.pair()
    progress(provider, here.topic, [1])
    assert client.relays() == [1, 1]
    assert len(seen) > 4


def test_the_command_records_into_a_file(start_server: Any, tmp_path: Path) -> None:
    """Every line is a record; the seed is told where none was given."""
    log = tmp_path / "faults.jsonl"
    rules = tmp_path / "rules.toml"
    rules.write_text('[[fault]]\nkind = "drop"\nprobability = 1\n')
    server = start_server("--chaos", str(rules), "--chaos-log", str(log), "--seed", "7")
    here = Scene(int(server.url.rpartition(":")[2]), [], server.token)
    client, provider = here.pair()
    progress(provider, here.topic, range(3))
    assert client.relays() == []
    here.stack.close()
    rows = [FaultRecord.model_validate_json(line) for line in log.read_text().splitlines()]
    assert [(row.connection, row.fault, row.event) for row in rows] == [(1, "drop", "progress")] * 3
