"""Requests that cost the server much: nobody else has to wait for them longer than for one, and one costs only so much."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.reference_server.adversary import TEXT, Client, Operator, frame

Start = Callable[..., RunningServer]


@pytest.fixture(autouse=True)
def end_of_clients(start_server: Any) -> Iterator[None]:
    # Before the servers end: they would wait for clients that are still there.
    yield
    Client.close_all()


def test_a_payload_with_a_million_faults_is_refused_for_one_of_them(start_server: Start) -> None:
    """Listing all of them would take minutes, beyond the patience of these clients."""
    server = start_server()
    operator = Operator(server)
    agent = operator.agent()
    bystander, client = operator.connect(agent), operator.connect(agent, "agents:discovery")
    payload = b'{"capabilities":[' + b"1," * 1_000_000 + b"1]}"
    client.send(frame(TEXT, b'["1","2","agents:discovery","announce",' + payload + b"]"))
    assert bystander.is_alive()
    refusal = client.reply("2")["response"]
    assert refusal == {
        "reason": "invalid_payload",
        "detail": {"pointer": "/capabilities/0", "keyword": "type"},
    }
