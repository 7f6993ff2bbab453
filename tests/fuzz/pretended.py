"""The whole server but for TCP: bytes go in and come out in this process, so that many inputs take little time."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from dataclasses import replace
from typing import Any, cast

from reference_server.application import Application
from reference_server.broker import Broker
from reference_server.connection import Backend
from reference_server.handshake import Accept
from reference_server.limits import Limits
from reference_server.outcome import Channel, Identity
from reference_server.records import Resource
from reference_server.transport import WebSocketTransport
from reference_server.versions import PhoenixVersion
from specs.loader import load
from specs.serializer import SERIALIZERS
from tests.fuzz.seeds import KEYS, TOPIC_OF
from tests.reference_server.adversary import CLOSE, KEY, TEXT, frame, text

_REQUEST = f"GET / HTTP/1.1\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode()
_LIFE = 500
"""Inputs after which a world is made anew, so that a fault can be found again from few inputs."""


class Tcp:
    """A TCP transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.is_open = True

    def write(self, data: bytes) -> None:
        """Take bytes of the server."""
        self.written += data

    def pause_reading(self) -> None:
        """Do nothing: this client always reads."""

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        """Return 0: this client always reads."""
        return 0

    def is_closing(self) -> bool:
        """Tell whether the server has dropped the connection."""
        return not self.is_open

    def can_write_eof(self) -> bool:
        """Return that a half of TCP can end."""
        return True

    def write_eof(self) -> None:
        """End the server's half."""
        self.is_open = False

    abort = write_eof


class _Faults(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class World:
    """Agents `a` and `b` with a task, a negotiation and a payment channel, a connection of `b` that must never suffer."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._log = _Faults()
        logging.getLogger("reference_server").addHandler(self._log)
        self._age = 0
        self._build()

    def close(self) -> None:
        """Let go of the loop, and listen to the log no more."""
        logging.getLogger("reference_server").removeHandler(self._log)
        self._loop.close()

    @property
    def faults(self) -> list[str]:
        """What the server has complained about."""
        return self._log.lines

    def feed(self, data: bytes) -> None:
        """Send bytes on a fresh connection of `a` or `b` that has joined everything: as a stream, or as one text frame."""
        self._age += 1
        if self._age > _LIFE:
            self._age = 0
            self._build()
        self._reopen()
        self._loop.run_until_complete(self._feed(data))

    def _reopen(self) -> None:
        """Let what an input has closed begin again."""
        store = self._application.store
        for topic, fresh in self._fresh.items():
            resource = store.resource_by_topic(topic)
            if resource is None or resource.state != fresh.state:
                with store.transaction():
                    store.put_resource(fresh)

    async def _feed(self, data: bytes) -> None:
        vsn = "1.0.0" if data[:1] == b"{" else "2.0.0"
        tcp, transport = self._open("ab"[len(data) % 2], vsn)
        if vsn == "2.0.0":
            for number, topic in enumerate((*TOPIC_OF.values(), "agents:discovery")):
                transport.data_received(text("1", f"j{number}", topic, "phx_join", {}))
        sent = frame(TEXT, data) if data[:1] in {b"{", b"["} else data
        half = len(sent) // 2
        for piece in (sent[:half], sent[half:], frame(CLOSE, b"")):
            if piece:
                transport.data_received(piece)
        await asyncio.sleep(0)
        transport.connection_lost(None)
        assert tcp.written.startswith(b"HTTP/1.1 101 ")
        await self._look_after_the_other()

    async def _look_after_the_other(self) -> None:
        tcp, transport = self._other
        tcp.written.clear()
        transport.data_received(text(None, "beat", "phoenix", "heartbeat", {}))
        await asyncio.sleep(0)
        assert b'"beat"' in tcp.written, "another connection is not answered any more"

    def _build(self) -> None:
        api = load()
        self._api = api
        self._application = Application(api, seed=1, control_token="t")
        self._backend = Backend(api, self._application, Broker(), PhoenixVersion.parse("1.8"))
        self._fresh: dict[str, Resource] = {}
        self._operate()
        self._other = self._loop.run_until_complete(self._opened_other())

    async def _opened_other(self) -> tuple[Tcp, WebSocketTransport]:
        tcp, transport = self._open("b", "2.0.0")
        for number, topic in enumerate(TOPIC_OF.values()):
            transport.data_received(text("1", f"j{number}", topic, "phx_join", {}))
        await asyncio.sleep(0)
        assert tcp.written.count(b'"ok"') == len(TOPIC_OF)
        return tcp, transport

    def _open(self, agent_id: str, vsn: str) -> tuple[Tcp, WebSocketTransport]:
        accept = Accept(Identity(self._api.sockets["agent"], agent_id), SERIALIZERS[vsn], KEY)
        tcp = Tcp()
        asyncio.set_event_loop(self._loop)
        transport = WebSocketTransport(self._backend, lambda _: accept, Limits(), set())
        transport.connection_made(cast("asyncio.Transport", tcp))
        transport.data_received(_REQUEST)
        return tcp, transport

    def _operate(self) -> None:
        application, store = self._application, self._application.store
        identity = application.authenticate(self._api.sockets["control"], {"token": "t"})
        assert identity is not None
        channel = Channel("control", self._api.topics["control"], identity)
        assert application.join(channel, {}).status == "ok"
        for agent_id in ("a", "b"):
            public_key = base64.b64encode(KEYS[agent_id].public_key).decode()
            payload = {"agent_id": agent_id, "public_key": public_key}
            assert application.handle(channel, "create_agent", payload).status == "ok"
        for family, topic in TOPIC_OF.items():
            self._make(family, topic, channel)
        assert all(store.resource_by_topic(topic) for topic in TOPIC_OF.values())

    def _make(self, family: str, topic: str, channel: Channel) -> None:
        document = self._api.topics[family]
        roles = dict(zip(document.fixture.cast.values(), ("a", "b"), strict=False))
        payload = {"family": family, "params": dict(document.fixture.values), "roles": roles}
        made: Any = self._application.handle(channel, "create_resource", payload)
        assert made.status == "ok", json.dumps(made.response)
        store = self._application.store
        resource = store.resource_by_topic(made.response["topic"])
        assert resource is not None
        self._fresh[topic] = replace(resource, id=topic.partition(":")[2], topic=topic)
        self._reopen()
