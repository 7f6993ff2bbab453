"""What is kept is weighed right, whatever happens to it."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reference_server.records import Agent
from reference_server.store import MemoryStore
from reference_server.weights import weight_bytes

KEY = ("task:1", "input")
changes = st.lists(st.tuples(st.integers(0, 3), st.none() | st.text(max_size=5), st.booleans()), max_size=6)


class Abandoned(Exception):
    """The transaction is given up."""


def _is_true_weight(store: MemoryStore) -> bool:
    return store.entries_bytes(*KEY) == sum(weight_bytes(value) for _, value in store.entries(*KEY))


@given(st.lists(st.tuples(changes, st.booleans()), max_size=5))
def test_a_weight_follows_its_collection(transactions: Any) -> None:
    """Also through replaced and removed entries, given-up transactions, and questions in the midst of one."""
    store = MemoryStore()
    for entries, is_given_up in transactions:
        with contextlib.suppress(Abandoned), store.transaction():
            for number, value, is_asked in entries:
                if value is None:
                    store.delete_entry(*KEY, number)
                else:
                    store.put_entry(*KEY, number, value)
                assert not is_asked or _is_true_weight(store)
            if is_given_up:
                raise Abandoned
        assert _is_true_weight(store)


def test_an_entry_weighs_its_utf8_and_a_share() -> None:
    """Text by its bytes, other values by their JSON; an empty text is not free."""
    assert [weight_bytes(value) for value in ("", "é", {"a": 1}, None)] == [256, 258, 256 + 7, 0]


def test_capabilities_that_nobody_has_any_more_leave_nothing_behind() -> None:
    """An agent that announces one new name after the other does not make the store grow."""
    store = MemoryStore()
    for number in range(10):
        with store.transaction():
            store.put_agent(Agent("a", "a", "o", "k", "t", b"", capabilities=(f"c{number}",)))
    with contextlib.suppress(Abandoned), store.transaction():
        store.put_agent(Agent("a", "a", "p", "k", "t", b"", capabilities=("other",)))
        raise Abandoned
    assert list(store._by_capability) == ["c9"]
    assert list(store._by_owner) == ["o"]
    assert [agent.id for agent in store.agents_with_capability("c9")] == ["a"]
