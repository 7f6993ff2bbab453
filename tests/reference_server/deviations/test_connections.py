"""Tests of `reference_server.deviations.connections`: agents' connections deviate, the operator's never does."""

from __future__ import annotations

import asyncio
from typing import Any

from reference_server.application import Application
from reference_server.assembly import Assembly
from reference_server.broker import Broker
from reference_server.connection import Backend, Connection
from reference_server.deviations.connections import (
    around_connection,
    around_within,
    frames_of,
    is_joined,
    later,
    send_all,
)
from reference_server.outcome import Identity
from specs.loader import load
from specs.message import Frame
from specs.serializer import SERIALIZERS

API = load()
JOIN = Frame(b'["1","1","agents:discovery","phx_join",{}]', is_text=True)
BEAT = Frame(b'[null,"2","phoenix","heartbeat",{}]', is_text=True)


def connect(server: Assembly, socket: str = "agent") -> tuple[Any, list[Frame]]:
    """Return a connection as the server would make it, and what it sends."""
    sent: list[Frame] = []
    backend = Backend(API, Application(API), Broker(), server.settings.version, connection=server.connection)
    identity = Identity(API.sockets[socket], "somebody")
    connection = server.connection(backend, identity, SERIALIZERS["2.0.0"], sent.append, lambda _code: None)
    return connection, sent


def silent(_honest: Any, _self: Any, *_args: Any) -> None:
    """Do nothing in the place of a method."""


def test_an_agents_connection_deviates_and_the_operators_does_not() -> None:
    server = Assembly(API)
    around_connection(server, "_reply", silent)
    for socket, replies in (("agent", 0), ("control", 1)):
        connection, sent = connect(server, socket)
        connection.receive(BEAT)
        assert len(sent) == replies


def test_the_honest_class_stays_as_it_is() -> None:
    server = Assembly(API)
    around_connection(server, "_reply", silent)
    connection, sent = connect(Assembly(API))
    assert type(connection) is Connection
    connection.receive(BEAT)
    assert len(sent) == 1


def test_around_within_replaces_only_while_the_other_method_runs() -> None:
    server = Assembly(API)
    around_within(server, "_join", "_reply", silent)
    connection, sent = connect(server)
    connection.receive(JOIN)
    assert [b"phx_reply" in frame.data for frame in sent] == [False] * len(sent)
    connection.receive(BEAT)
    assert b"phx_reply" in sent[-1].data


def test_frames_of_holds_back_what_is_sent_and_send_all_sends_it_once() -> None:
    connection, sent = connect(Assembly(API))
    frames = frames_of(connection, lambda: connection.receive(BEAT))
    assert sent == []
    held = list(frames)
    send_all(connection, frames)
    send_all(connection, frames)
    assert sent == held
    assert len(sent) == 1


def test_a_channel_is_joined_until_it_ends() -> None:
    connection, _ = connect(Assembly(API))
    connection.receive(JOIN)
    (membership,) = connection._memberships.values()
    assert is_joined(connection, membership)
    connection.closed()
    assert not is_joined(connection, membership)


def test_what_is_put_off_is_done_later_in_the_same_order() -> None:
    done: list[int] = []

    async def put_off() -> None:
        is_over = asyncio.Event()
        for number in range(3):
            later(done.append, number)
        later(is_over.set)
        assert done == []
        await is_over.wait()

    asyncio.run(put_off())
    assert done == [0, 1, 2]
