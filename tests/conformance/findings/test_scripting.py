"""An attempt as a script: names for what was made for it, and for what the server made and the case sent back."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.client.steps import (
    AgentMade,
    Arrived,
    Caused,
    Ended,
    LetGo,
    NameMade,
    Opened,
    ResourceMade,
    Sent,
    Signed,
    Step,
    Waited,
)
from conformance.findings.rendering import statements
from conformance.findings.scripting import tell
from conformance.findings.symbols import NotSymbolic
from specs.canonical import canonical_bytes
from specs.signing import SigningKeyPair

BASE = "ws://127.0.0.1:4000"
KEYS = SigningKeyPair.from_seed(bytes(32))
AGENT = AgentMade(
    "client",
    {"name": "client"},
    "agent_AAAAAAAA",
    "owner_BBBBBBBB",
    "key_" + "c" * 30,
    "session_" + "d" * 30,
    KEYS.public_key,
)
TASK = ResourceMade("task", {"client": AGENT.agent_id}, {}, "task:task_EEEEEEEE")
OPENED = Opened(1, "client", f"{BASE}/socket/websocket?api_key={AGENT.api_key}&vsn=2.0.0", {})
BEFORE: list[Step] = [AGENT, TASK, OPENED]


def sent(text: str) -> Sent:
    return Sent(1, "text", (text.encode(),))


def arrived(text: str) -> Arrived:
    return Arrived(1, text.encode(), is_text=True)


def written(*steps: Step) -> list[str]:
    """Return the statements of steps after a connection has been opened."""
    return statements(tell([*BEFORE, *steps], BASE).lines)[3:]


def test_agents_resources_and_connections_come_first() -> None:
    """What the operator makes is made afresh, and credentials are named."""
    assert statements(tell(BEFORE, BASE).lines) == [
        'client = endpoint.agent("client", name="client")',
        'task = endpoint.resource("task", "task", {"client": client.id}, {})',
        'client_socket = endpoint.connect("client_socket", f"/socket/websocket?api_key={client.api_key}&vsn=2.0.0")',
    ]


def test_agents_may_have_ids_as_short_as_those_of_a_table() -> None:
    """The roles of a resource and what an operator causes name the agents that are made afresh, whatever their ids."""
    agent = AgentMade("client", {}, "7", "8", "key_" + "c" * 30, "session_" + "d" * 30, KEYS.public_key)
    task = ResourceMade("task", {"client": "7"}, {}, "task:7")
    caused = Caused("send_message", {"to": "7", "from_agent_id": "7", "type": "7"}, {})
    assert statements(tell([agent, task, caused], BASE).lines) == [
        'client = endpoint.agent("client")',
        'task = endpoint.resource("task", "task", {"client": client.id}, {})',
        'endpoint.request("send_message", {"to": client.id, "from_agent_id": client.id, "type": "7"})',
    ]


def test_what_comes_is_waited_for() -> None:
    """A reply by its ref and status, an event by its topic and name, the end of the connection."""
    assert written(
        sent('["1","1","task:task_EEEEEEEE","phx_join",{}]'),
        arrived('["1","1","task:task_EEEEEEEE","phx_reply",{"status":"ok","response":{}}]'),
        arrived('[null,null,"task:task_EEEEEEEE","progress",{"by":"agent_AAAAAAAA"}]'),
        Waited(2.0),
        Ended(1, 1011),
    ) == [
        'client_socket.send(["1", "1", task, "phx_join", {}])',
        'client_socket.wait(ref="1", status="ok")',
        'client_socket.wait(topic=task, event="progress")',
        "time.sleep(2.0)",
        'client_socket.wait(event="closed")',
    ]


def test_a_signature_is_made_over_the_same_with_other_values() -> None:
    """What is signed is a value where the bytes are its canonical text."""
    data = canonical_bytes({"topic": TASK.topic, "amount": "1"})
    signature = KEYS.sign(data)
    assert written(
        Signed(KEYS.public_key, data, signature),
        sent(f'["1","2","{TASK.topic}","offer",{{"signature":"{signature}"}}]'),
    ) == [
        'signature = client.sign({"amount": "1", "topic": task})',
        'client_socket.send(["1", "2", task, "offer", {"signature": signature}])',
    ]


def test_a_signature_that_is_not_sent_is_not_made() -> None:
    """Nothing is in a script that nothing uses."""
    assert (
        written(Signed(KEYS.public_key, b"{}", KEYS.sign(b"{}")), NameMade("thing", "thing-0123456789ab"))
        == []
    )


def test_an_id_that_the_server_made_is_taken_from_where_it_came() -> None:
    """A case that sends back what it was told sends back what it is told this time."""
    assert written(
        arrived('[null,null,"messages:m","new_message",{"id":"msg_12345678","type":"notice"}]'),
        sent('["1","2","messages:m","acknowledge",{"message_id":"msg_12345678","type":"notice"}]'),
    ) == [
        'the_id = part(client_socket.wait(topic="messages:m", event="new_message"), 4, "id")',
        'client_socket.send(["1", "2", "messages:m", "acknowledge", {"message_id": the_id, "type": "notice"}])',
    ]


def test_a_connection_that_this_side_ends_is_not_waited_for() -> None:
    """Its end is our own."""
    assert written(LetGo(1, "close"), Ended(1, 1000)) == ["client_socket.close()"]
    assert written(LetGo(1, "reset")) == ["reset(client_socket)"]


def test_what_came_is_kept_with_names() -> None:
    """So that two attempts can be compared without carrying anything out."""
    told = tell(
        [*BEFORE, arrived('["1","1","task:task_EEEEEEEE","phx_reply",{"status":"ok","response":{}}]')], BASE
    )
    (one,) = told.seen["client_socket"]
    assert (one.ref, one.status, one.topic) == ("1", "ok", {"$": [{"=": "task"}]})


@pytest.mark.parametrize(
    "step",
    [
        Opened(2, "other", "ws://elsewhere/socket/websocket", {}),
        Signed(bytes(32), b"{}", "signature"),
        sent(f'"{AGENT.api_key[3:20]}"'),
        AgentMade("odd", {}, "agent_x", "owner_x", "", "", bytes(32), ("some-other-secret",)),
    ],
)
def test_what_cannot_be_said_by_names_is_not_said(step: Any) -> None:
    """Another endpoint, a key of nobody, a piece of a credential, a credential of another kind."""
    with pytest.raises(NotSymbolic):
        tell([*BEFORE, step], BASE)
