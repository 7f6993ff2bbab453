"""What the channels know after a restart: every kind of record that an effect makes, and every rule that depends on the past."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reference_server.ledger import Ledger
from reference_server.ledger.rows import Rows
from reference_server.records import Resource
from reference_server.store import MemoryStore
from specs.json_text import NotJson
from tests.reference_server.ledger.stores import everything, loaded, with_ledger

# JSON Schema takes it for an integer, and RFC 8785 signs no larger one that is written as an integer.
HUGE, HUGER = 2.0**70, 2.0**71
SHA256_OF_AB = "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603"


class Before:
    """A marketplace over a ledger, until its server ends."""

    def __init__(self, world: Any, store: MemoryStore) -> None:
        world.open(store)
        self.world = world
        self.task()
        self.negotiation()
        self.payment()
        self.rest()

    def task(self) -> None:
        client, provider = self.world.task()
        for seq, chunk in enumerate("ab"):
            client.push("input_stream", chunk=chunk, seq=seq)
        provider.push("output_stream", chunk="o", seq=2**70)
        client.push("input_complete", checksum=SHA256_OF_AB, total_size=2)
        provider.push("checkpoint", state={"deep": [None, {"x": 1.5}]}, seq=2**70)
        self.open_task = client.channel.topic
        for event, payload in (
            ("complete", {"result": {"é": [1]}}),
            ("error", {"type": "t", "details": [1]}),
            ("cancel", {"reason": "r"}),
        ):
            _, provider = self.world.task()
            assert provider.push(event, **payload).status == "ok"

    def negotiation(self) -> None:
        client, provider = self.world.negotiation()
        self.session = client.channel.topic
        client.push_signed("offer", amount="10")
        provider.push_signed("offer", amount="12")
        assert provider.push_signed("accept", amount="11").status == "ok"
        client, _ = self.world.negotiation()
        client.push("reject", reason="r")

    def payment(self) -> None:
        a, b = self.world.payment()
        self.channel = a.channel.topic
        a.push_signed("propose_transfer", amount="1.5", nonce=1)
        b.push_signed("acknowledge_transfer", amount="1.5", nonce=1)
        a.push_signed("propose_transfer", amount="2", nonce=2)
        b.push("reject_transfer", reason="r", nonce=2)
        a.push_signed("propose_transfer", amount="3", nonce=HUGE)
        b.push_signed("acknowledge_transfer", amount="3", nonce=HUGE)
        a.push_signed("propose_transfer", amount="4", nonce=HUGER)
        a, b = self.world.payment()
        self.disputed = a.channel.topic
        a.push_signed("propose_transfer", amount="1", nonce=1)
        assert b.push("dispute", reason="r", evidence={"a": [{}]}).status == "ok"
        a.push_signed("close", final_balance_a="0", final_balance_b="150")

    def rest(self) -> None:
        ada = self.world.agent("ada", capabilities=["t"], reputation=4.5, price="0.1", metadata={"k": None})
        seat = self.world.join(ada, "agents:discovery")
        seat.push("update_metadata", metadata={"m": {"n": [1, 2.5, "\0"]}})
        seat.push("announce", capabilities=["t", "u"])
        operator = self.world.operator
        self.messages = [
            operator.push("send_message", to="ada", from_agent_id="x", type="t", payload={"n": n}).response[
                "message_id"
            ]
            for n in range(4)
        ]
        inbox = self.world.join(ada, "messages:ada", socket="user")
        inbox.push("acknowledge", message_id=self.messages[0])
        inbox.push("reject", message_id=self.messages[2], reason="r\0")


@pytest.fixture
def before(make_world: Any, tmp_path: Path) -> Before:
    """Return what a server has known, kept in the test's folder."""
    made: list[Before] = []
    store = with_ledger(tmp_path, lambda store, _ledger: made.append(Before(make_world(), store)))
    made[0].kept = everything(store)
    return made[0]


@pytest.fixture
def again(before: Before, tmp_path: Path) -> Callable[[str, str], Any]:
    """Return a function that joins a topic in the role of a party, over what the next server knows."""
    world = before.world
    world.open(loaded(tmp_path))
    return lambda topic, role: world.join(world.parties[topic][role], topic)


def test_every_effect_of_every_channel_survives(before: Before, tmp_path: Path) -> None:
    """Every record and every index is equal, in value and in type."""
    assert everything(loaded(tmp_path)) == before.kept


def test_a_task_goes_on(before: Before, again: Any) -> None:
    """Its checkpoint, its chunks and what is complete are known."""
    client = again(before.open_task, "client")
    assert client.joined.response["checkpoint"] == {"state": {"deep": [None, {"x": 1.5}]}, "seq": 2**70}
    assert client.push("input_stream", chunk="c", seq=2).response["reason"] == "stream_complete"
    provider = again(before.open_task, "provider")
    assert provider.push("output_stream", chunk="x", seq=2**70).response["reason"] == "seq_conflict"
    assert provider.push("output_stream", chunk="o", seq=2**70).broadcasts == ()


def test_an_agreement_stands(before: Before, again: Any) -> None:
    """The amount and the offers are known, and no more are taken."""
    client = again(before.session, "client")
    session = client.joined.response["session"]
    assert (session["status"], session["agreed_amount"], session["offers"]) == (
        "agreed",
        "11",
        {"client": "10", "provider": "12"},
    )
    assert client.push_signed("offer", amount="1").response["reason"] == "session_closed"


def test_a_payment_channel_goes_on(before: Before, again: Any) -> None:
    """Balances and nonces are known: nothing executes twice, what was pending can be executed."""
    a, b = again(before.channel, "a"), again(before.channel, "b")
    channel = b.joined.response["channel"]
    assert (channel["balance_a"], channel["balance_b"]) == ("95.5", "54.5")
    for nonce in (1, 2, HUGE, HUGER):
        assert a.push_signed("propose_transfer", amount="1", nonce=nonce).response["reason"] == "stale_nonce"
    for nonce in (1, 2, HUGE):
        refused = b.push_signed("acknowledge_transfer", amount="1.5", nonce=nonce)
        assert refused.response["reason"] == "unknown_transfer"
    assert b.push_signed("acknowledge_transfer", amount="4", nonce=HUGER).status == "ok"
    assert a.push_signed("propose_transfer", amount="1", nonce=2.0**72).status == "ok"


def test_every_transfer_is_history(before: Before, tmp_path: Path) -> None:
    """What has become of each nonce stays known, with who proposed how much."""
    store = loaded(tmp_path)

    def row(amount: str, status: str) -> dict[str, str]:
        return {"by": "a", "amount": amount, "status": status}

    assert store.entries(before.channel, "transfers") == [
        (1, row("1.5", "executed")),
        (2, row("2", "rejected")),
        (2**70, row("3", "executed")),
    ]
    assert store.entries(before.channel, "proposals") == [(2**71, {"by": "a", "amount": "4"})]
    assert store.entries(before.disputed, "transfers") == [(1, row("1", "dropped"))]


def test_messages_are_delivered_again_until_acknowledged(before: Before, again: Any) -> None:
    """Those that were acknowledged or rejected are not, and the next one gets the next number."""
    world = before.world
    inbox = world.join(world.agents["ada"], "messages:ada", socket="user")
    pushed = [push.payload["id"] for push in inbox.joined.pushes]
    assert pushed == [before.messages[1], before.messages[3]]
    assert world.application.store.next_message_number() == 5
    assert inbox.push("acknowledge", message_id=before.messages[0]).response["reason"] == "not_found"


def test_agents_and_figures_are_known(before: Before, again: Any) -> None:
    """Credentials open the sockets, discovery shows what was announced, analytics count what happened."""
    world = before.world
    for agent in world.agents.values():
        world.identity(agent)
        world.identity(agent, "user")
    seat = world.join(world.agents["ada"], "agents:discovery")
    [found] = seat.push("discover", capability="u", filters={"min_reputation": 4.5}).response["agents"]
    assert (found["id"], found["price"], found["reputation"]) == ("ada", "0.1", 4.5)
    assert list(seat.joined.pushes[0].payload) == ["ada"]
    figures = world.join(world.agents["ada"], "analytics:global")
    revenue = figures.push("request_revenue", period="24h").response
    assert (revenue["revenue"], revenue["transfers"]) == ("4.5", 2)
    metrics = figures.push("request_metrics", period="24h").response["metrics"]
    assert [metrics[name] for name in ("tasks_completed", "tasks_failed", "tasks_cancelled")] == [1, 1, 1]


def test_what_has_no_json_text_undoes_its_transaction(tmp_path: Path) -> None:
    """A record that could not be read again is never taken; the server goes on, memory and file agree."""

    def put(store: MemoryStore, *values: Any) -> None:
        with store.transaction():
            for number, value in enumerate(values):
                store.put_entry("task:1", "input", number, value)

    def use(store: MemoryStore, ledger: Ledger) -> None:
        with pytest.raises(NotJson):
            put(store, "a", {"x": float("nan")})
        assert store.entries("task:1", "input") == []
        put(store, "b")

    store = with_ledger(tmp_path, use)
    assert store.entries("task:1", "input") == [(0, "b")]
    assert everything(loaded(tmp_path)) == everything(store)


def test_the_deepest_value_that_is_taken_is_read_again(make_world: Any, tmp_path: Path) -> None:
    """Neither SQLite nor the decoder at the start nests less deeply than the store: no client can spoil a ledger."""

    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    taken = []

    def use(store: MemoryStore, _ledger: Ledger) -> None:
        world = make_world()
        world.open(store)
        for depth in (*range(100, 1000, 30), 2000):
            a, _ = world.payment()
            client, _ = world.task()
            try:
                a.push("dispute", reason="r", evidence=nested(depth))
                client.push("input_stream", chunk="c", seq=depth)
                client.push("checkpoint", state=nested(depth), seq=1)
                taken.append(depth)
            except (RecursionError, ValueError):
                break

    store = with_ledger(tmp_path, use)
    assert taken
    assert everything(loaded(tmp_path)) == everything(store)


def test_another_memory_is_one_small_replacement(before: Before, tmp_path: Path) -> None:
    """A server that forgets at the start which nonces were executed differs in one method."""

    class ForgetfulRows(Rows):
        def resource(self, *row: Any) -> Resource:
            return dataclasses.replace(super().resource(*row), executed_nonce=0)

    class ForgetfulLedger(Ledger):
        rows = ForgetfulRows

    world = before.world
    world.open(loaded(tmp_path, ForgetfulLedger))
    [party] = [world.parties[before.channel][role] for role in "a"]
    seat = world.join(party, before.channel)
    # What was pending is pending still, and stands above it.
    world.application.store._entries.clear()
    resource = world.application.store.resource_by_topic(before.channel)
    assert resource.executed_nonce == 0
    with world.application.store.transaction():
        world.application.store.put_resource(dataclasses.replace(resource, pending_nonces=()))
    assert seat.push_signed("propose_transfer", amount="1", nonce=1).status == "ok"
    assert Decimal(seat.joined.response["channel"]["balance_a"]) == Decimal("95.5")
