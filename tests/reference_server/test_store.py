"""The store in memory."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from reference_server.records import ACKNOWLEDGED, Agent, Entry, Happening, Message, Resource
from reference_server.store import MemoryStore, OutsideTransaction, own_copy
from tests.specs.test_json_text import steps

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ANN = Agent("ann", "Ann", "o1", "key-1", "token-1", b"", ("t",), metadata={"m": [1]})
TASK = Resource("task", "1", "task:1", "open", {"client": "ann"}, NOW, {"d": {"x": [1]}})
NOTE = Message("m1", "t", {"text": "hi"}, "x", "ann", "1.0", NOW, number=1)


@pytest.fixture
def store() -> MemoryStore:
    """Return a store with one record of each kind."""
    store = MemoryStore()
    with store.transaction():
        store.put_agent(ANN)
        store.put_resource(TASK)
        store.put_entry("task:1", "input", 0, "chunk")
        store.put_message(NOTE)
        store.add_happening(Happening("task_completed", NOW, ("ann",)))
    return store


def _everything(store: MemoryStore) -> Any:
    return (
        [store.agent(name) for name in ("ann", "ben")],
        [store.agent_by_api_key(key) for key in ("key-1", "key-2", "key-3")],
        [store.agent_by_session_token(token) for token in ("token-1", "token-2")],
        [store.agents_of_owner(owner) for owner in ("o1", "o2")],
        [store.agents_with_capability(name) for name in ("t", "s")],
        [store.resource_by_topic(topic) for topic in ("task:1", "task:2")],
        [store.resource("task", number) for number in ("1", "2")],
        store.entries("task:1", "input"),
        [store.message(name) for name in ("m1", "m2")],
        store.pending_messages("ann"),
        list(store.happenings(NOW - timedelta(days=1))),
        (store.count_agents(), store.count_resources("task"), store.next_message_number()),
    )


def _change_everything(store: MemoryStore) -> None:
    store.put_agent(replace(ANN, api_key="key-2", session_token="token-2", owner="o2", capabilities=("s",)))
    store.put_agent(replace(ANN, id="ben", api_key="key-3", session_token="token-3"))
    store.put_resource(replace(TASK, state="completed", data={}))
    store.put_resource(replace(TASK, id="2", topic="task:2"))
    store.put_entry("task:1", "input", 0, "other")
    store.put_entry("task:1", "input", 1, "more")
    store.delete_entry("task:1", "input", 0)
    store.put_message(replace(NOTE, status=ACKNOWLEDGED))
    store.put_message(replace(NOTE, id="m2", number=2))
    store.add_happening(Happening("task_failed", NOW - timedelta(hours=1), ("ann",)))
    store.add_happening(Happening("task_failed", NOW, ("ann",)))


def _change_everything_and_fail(store: MemoryStore) -> None:
    with store.transaction():
        _change_everything(store)
        raise ZeroDivisionError


def _nest_transactions(store: MemoryStore) -> None:
    with store.transaction():
        store.put_entry("task:1", "input", 5, "x")
        with store.transaction():
            pass


def test_a_failed_transaction_leaves_no_trace(store):
    """Every record and every index is as before."""
    before = _everything(store)
    with pytest.raises(ZeroDivisionError):
        _change_everything_and_fail(store)
    assert _everything(store) == before


def test_a_finished_transaction_keeps_every_change(store):
    """Records are found by their new members and no longer by the former ones."""
    with store.transaction():
        _change_everything(store)
    assert store.agent_by_api_key("key-1") is None
    assert store.agent_by_api_key("key-2") == store.agent("ann")
    assert [agent.id for agent in store.agents_of_owner("o1")] == ["ben"]
    assert [agent.id for agent in store.agents_with_capability("s")] == ["ann"]
    assert store.resource_by_topic("task:1").state == "completed"
    assert store.entries("task:1", "input") == [(1, "more")]
    assert [message.id for message in store.pending_messages("ann")] == ["m2"]
    kinds = [happening.kind for happening in store.happenings(NOW - timedelta(days=1))]
    assert kinds == ["task_failed", "task_completed", "task_failed"]


def test_changes_outside_a_transaction_are_refused(store):
    """Nothing is changed by the attempt."""
    before = _everything(store)
    with pytest.raises(OutsideTransaction):
        store.put_agent(replace(ANN, id="ben"))
    assert _everything(store) == before


def test_transactions_do_not_nest(store):
    """The inner one is refused, and that undoes the outer one."""
    before = _everything(store)
    with pytest.raises(OutsideTransaction):
        _nest_transactions(store)
    assert _everything(store) == before


def test_what_was_put_in_is_the_callers(store):
    """Changing it afterwards, however deep, changes nothing in the store, nor in what the journal was given."""
    journaled = []
    watched = MemoryStore(SimpleNamespace(append=journaled.extend))
    given = [
        replace(ANN, metadata={"m": [1]}),
        replace(TASK, roles={"client": "ann"}, data={"d": {"x": [1]}}),
        replace(NOTE, payload={"text": ["hi"]}),
    ]
    entry = {"y": [1]}
    with watched.transaction():
        watched.put_agent(given[0])
        watched.put_resource(given[1])
        watched.put_message(given[2])
        watched.put_entry("task:1", "other", 0, entry)
    expected = deepcopy(journaled)
    given[0].metadata["m"].append(2)
    given[1].data["d"]["x"].append(2)
    given[1].roles["client"] = "ben"
    given[2].payload["text"].append(2)
    entry["y"].append(2)
    assert journaled == expected
    assert watched.agent("ann").metadata == {"m": [1]}
    assert watched.resource_by_topic("task:1") == expected[1]
    assert watched.pending_messages(NOTE.to_agent_id) == [watched.message(NOTE.id)] == [expected[2]]
    assert watched.entry("task:1", "other", 0) == {"y": [1]}


def test_what_a_journal_refuses_is_undone():
    """A change that cannot be kept is none."""

    def refuse(_changes):
        raise ZeroDivisionError

    refusing = MemoryStore(SimpleNamespace(append=refuse))
    with pytest.raises(ZeroDivisionError), refusing.transaction():
        refusing.put_agent(ANN)
    assert refusing.agent(ANN.id) is None
    with pytest.raises(ZeroDivisionError), refusing.transaction():
        refusing.put_agent(ANN)


def test_a_journal_gets_the_changes_of_what_succeeds(store):
    """In their order, one call a transaction; neither those of a failed one, nor the removal of what is not there."""
    given = []
    store.journal = SimpleNamespace(append=given.append)
    with pytest.raises(ZeroDivisionError):
        _change_everything_and_fail(store)
    with store.transaction():
        store.delete_entry("task:1", "input", 99)
        store.delete_entry("nothing", "x", 1)
    with pytest.raises(OutsideTransaction):
        store.delete_entry("task:1", "input", 99)
    with store.transaction():
        store.put_entry("task:1", "input", 5, "x")
        store.put_entry("task:1", "input", 6, "y")
    with store.transaction():
        store.delete_entry("task:1", "input", 6)
    assert given == [
        (Entry("task:1", "input", 5, "x"), Entry("task:1", "input", 6, "y")),
        (Entry("task:1", "input", 6, None),),
    ]


def test_happenings_are_those_from_an_instant_on(store):
    """The instant itself is included."""
    assert len(store.happenings(NOW)) == 1
    assert len(store.happenings(NOW + timedelta(microseconds=1))) == 0


def test_looking_something_up_creates_nothing(store):
    """Reads of unknown names leave counts as they are."""
    assert store.resource("nothing", "1") is None
    assert store.entries("nothing", "x") == []
    assert store.pending_messages("nobody") == []
    assert (store.count_resources("nothing"), store.count_agents()) == (0, 1)


def test_credentials_do_not_show_in_a_records_text():
    """A record that is logged tells no secret."""
    assert "key-1" not in repr(ANN)
    assert "token-1" not in repr(ANN)


def test_a_large_value_is_copied_without_a_step_for_each_element() -> None:
    """Everybody waits while it is; its arrays and objects are all new."""
    many = 100_000
    value = {"array": [*range(many), [1.5]], "object": {str(number): None for number in range(many)}}
    copies: list[Any] = []
    assert steps(lambda: copies.append(own_copy(value))) < many / 100
    [copy] = copies
    assert copy == value
    assert copy["array"] is not value["array"]
    assert copy["array"][-1] is not value["array"][-1]
    assert copy["object"] is not value["object"]
