"""Inputs over sockets to a server process, while others go about their business with it.

Three kinds: conversations on a task, a negotiation and a payment channel with both parties connected, whose messages are altered
samples; frames whose bytes are altered; requests whose bytes are altered. What leaves the connection open is pipelined; what is
known to end it comes last. An input counts when the server has answered what was sent behind it, or has ended the connection.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from specs.loader import load
from specs.message import Frame
from specs.samples import minimal
from specs.serializer import SERIALIZERS, MalformedFrame
from tests.conftest import RunningServer
from tests.fuzz import seeds
from tests.fuzz.mutation import Mutator
from tests.reference_server.adversary import (
    BINARY,
    CLOSE,
    HEARTBEAT,
    PING,
    TEXT,
    Agent,
    Client,
    Operator,
    frame,
    resident_bytes,
)

UNLIMITED = ("--limit", "frames_per_s=1e9", "--limit", "frames_burst=1e9")
"""Options of a server that takes as many frames as come."""

_BATCH = 60
_FAMILIES = ("task", "negotiation", "payment")
_WARM_UP_SHARE = 0.25
_PAUSE_S = 0.02
_GROWTH_BYTES = 32 * 1024 * 1024


@dataclass
class Report:
    """What the inputs have done to the server and to its other clients."""

    inputs: dict[str, int] = field(default_factory=dict)
    """How many there were of each kind."""
    relays: int = 0
    """Relays that the client beside them has got, each after a heartbeat that was answered."""
    complaint: str | None = None
    """What that client had to complain about."""
    warm_bytes: int = 0
    """Memory of the server after the first of the inputs."""
    end_bytes: int = 0
    """Memory of the server after the last."""
    logged: str = ""
    """What the server has complained about."""

    @property
    def total(self) -> int:
        """How many inputs there were."""
        return sum(self.inputs.values())

    def count(self, kind: str, number: int = 1) -> None:
        """Count inputs."""
        self.inputs[kind] = self.inputs.get(kind, 0) + number


class Canary:
    """A task whose provider and client must be served all the while, each on a connection of its own."""

    def __init__(self, server: RunningServer, operator: Operator) -> None:
        self._agents = operator.agent(), operator.agent()
        self._topic = operator.resource("task", {}, client=self._agents[0], provider=self._agents[1])
        self._hears = operator.connect(self._agents[0], self._topic)
        self._sings = operator.connect(self._agents[1], self._topic)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sing)
        self.relays = 0
        self.complaint: str | None = None

    @contextlib.contextmanager
    def singing(self) -> Iterator[None]:
        """Send progress that must be relayed, again and again."""
        self._thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._thread.join()

    def _sing(self) -> None:
        try:
            while not self._is_over.wait(_PAUSE_S):
                # Both beat, or the one that only listens would be closed for its silence.
                assert self._sings.is_alive(), "a heartbeat is refused"
                assert self._hears.is_alive(), "a heartbeat is refused"
                payload = {"percent": 1, "message": f"song {self.relays}"}
                answer = self._sings.ask("1", "s", self._topic, "progress", payload)
                assert answer["status"] == "ok", answer
                heard = self._hears.message()
                assert heard[3:] == ["progress", {**payload, **heard[4]}], heard
                self.relays += 1
        except (AssertionError, OSError) as exc:
            self.complaint = repr(exc)


class Fuzzer:
    """Sends inputs of all kinds to one server.

    Args:
        server: A server whose limits let so many frames through.
        seed: Of all that is random, but for ids and keys of the server.

    """

    def __init__(self, server: RunningServer, seed: int) -> None:
        self._server = server
        self._mutator = Mutator(seed)
        self._random = self._mutator.random
        self._operator = Operator(server)
        self._api = load()
        self._agents = {name: self._operator.agent(keys=keys) for name, keys in seeds.KEYS.items()}
        self.report = Report()

    def run(self, inputs: int) -> Report:
        """Send so many inputs, or a few more."""
        report, canary = self.report, Canary(self._server, self._operator)
        with canary.singing():
            while report.total < inputs and canary.complaint is None:
                for kind in self._random.choices(
                    (self._converse, self._spoil_frames, self._spoil_request), (2, 1, 1)
                ):
                    kind()
                if report.warm_bytes == 0 and report.total >= inputs * _WARM_UP_SHARE:
                    report.warm_bytes = resident_bytes(self._server)
        report.end_bytes = resident_bytes(self._server)
        report.logged = self._server.logged()
        report.relays, report.complaint = canary.relays, canary.complaint
        Client.close_all()
        return report

    def faults(self) -> list[str]:
        """Say what must not be: lines in the log, a client that suffers, memory that grows, too few inputs that count."""
        report, found = self.report, []
        if report.logged:
            found.append(f"the server logged: {report.logged[-2000:]}")
        if report.complaint is not None:
            found.append(f"another client complains: {report.complaint}")
        if report.relays == 0:
            found.append("another client has got no relay")
        if report.end_bytes - report.warm_bytes > _GROWTH_BYTES:
            found.append(f"the server grew from {report.warm_bytes} to {report.end_bytes} bytes")
        return found

    # Conversations

    def _converse(self) -> None:
        """Open both parties' connections of a resource and let them say what is nearly right, in turns."""
        family = self._random.choice(_FAMILIES)
        document = self._api.topics[family]
        roles = dict(zip(document.fixture.cast.values(), self._agents.values(), strict=True))
        topic = self._operator.resource(family, dict(document.fixture.values), **roles)
        clients = [self._join(agent, topic) for agent in self._agents.values() for _ in range(2)]
        answered: list[Client] = []
        inboxes = [threading.Thread(target=_until_beat, args=(client, answered)) for client in clients]
        batches = [self._batch(family, topic, number // 2) for number, _ in enumerate(clients)]
        for thread in inboxes:
            thread.start()
        for parts in (*zip(*batches, strict=True), (HEARTBEAT,) * len(clients)):
            for client, part in zip(clients, parts, strict=True):
                with contextlib.suppress(OSError):
                    client.send(part)
        for thread in inboxes:
            thread.join()
        self.report.count("messages of conversations", len(answered) * _BATCH)
        for client in clients:
            client.close()

    def _join(self, agent: Agent, topic: str) -> Client:
        client = self._operator.connect(agent, topic)
        return client.joined("agents:discovery") if self._random.random() < 0.3 else client

    def _batch(self, family: str, topic: str, party: int) -> list[bytes]:
        """Return frames that leave the connection open."""
        batch = []
        while len(batch) < _BATCH:
            data = self._mutator.text(self._message(family, topic, party))
            if self._survives(data):
                batch.append(frame(TEXT, data))
        return batch

    def _message(self, family: str, topic: str, party: int) -> list[Any]:
        events = self._api.topics[family].inbound()
        event = self._random.choice(events)
        by = "ab"[party]
        payload: Any = minimal(event.payload)
        if "nonce" in payload:
            payload["nonce"] = self._random.randint(1, 40)
        payload = seeds.signed(event, topic, payload, by)
        message: list[Any] = ["1", str(self._random.randint(2, 9)), topic, event.event, payload]
        chance = self._random.random()
        if chance < 0.6:
            message[4] = self._mutator.value(payload)
        elif chance < 0.75:
            at = self._random.randrange(5)
            message[at] = self._mutator.value(message[at])
        elif chance < 0.8:
            message[3] = self._random.choice(("phx_join", "phx_leave", "phx_reply", "phx_close"))
        return message

    def _survives(self, data: bytes) -> bool:
        """Tell whether a text frame leaves the connection open, as far as the decoder has a say."""
        try:
            message = SERIALIZERS["2.0.0"].decode_client(Frame(data, is_text=True))
        except MalformedFrame:
            return False
        fields = (message.join_ref, message.ref, message.topic, message.event)
        is_short = all(len(json.dumps(each)) < 500 for each in fields)
        return is_short and message.ref != "beat" and not isinstance(message.topic, dict)

    # Bytes

    def _spoil_frames(self) -> None:
        """Send altered texts that leave the connection open, then one altered stream, then whatever comes."""
        client = self._operator.connect(self._agents["a"], "agents:discovery")
        texts = [
            data
            for data in (self._mutator.of(seeds.texts()) for _ in range(4 * _BATCH))
            if self._survives(data)
        ]
        binaries = [
            b"\x00" + bytes(self._random.choice((0, 1, 5)) for _ in range(4)) + self._random.randbytes(30)
            for _ in range(5)
        ]
        client.send(*(frame(TEXT, data, mask=self._mask()) for data in texts))
        client.send(
            *(frame(PING, data[:100]) for data in texts[:5]), *(frame(BINARY, data) for data in binaries[:1])
        )
        client.send(HEARTBEAT, self._mutator.of(seeds.streams()), HEARTBEAT, frame(CLOSE, b""))
        client.end()
        self.report.count("frames with altered texts", len(texts) + 6)
        self.report.count("altered frames", 1)

    def _mask(self) -> bytes:
        return self._random.randbytes(4) if self._random.random() < 0.2 else bytes(4)

    def _spoil_request(self) -> None:
        """Send an altered request, several of them, or bytes that are none."""
        for _ in range(3):
            with Client(self._server) as client, contextlib.suppress(OSError):
                client.send(self._mutator.of(seeds.heads()), b"\r\n\r\n", self._mutator.of(seeds.streams()))
                client.socket.shutdown(1)
                while client.socket.recv(65_536):
                    pass
            self.report.count("altered requests", 1)


def _until_beat(client: Client, answered: list[Client]) -> None:
    with contextlib.suppress(OSError):
        client.reply("beat")
        answered.append(client)
