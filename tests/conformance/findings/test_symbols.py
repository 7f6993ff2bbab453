"""Names in the place of values: all of them are found, and no piece of a credential is left."""

from __future__ import annotations

import pytest

from conformance.findings.rendering import code_of
from conformance.findings.symbols import NotSymbolic, Symbols

KEY = "key_0123456789abcdefghij"


@pytest.fixture
def symbols() -> Symbols:
    """An agent, its credential, and a resource whose id is part of its topic."""
    symbols = Symbols()
    symbols.define("agent_0123456789", "client.id")
    symbols.define(KEY, "client.api_key", is_secret=True)
    symbols.define("task:task_abcdef", "task")
    symbols.define("task_abcdef", "task.partition(':')[2]")
    return symbols


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nothing to name", '"nothing to name"'),
        ("agent_0123456789", "client.id"),
        ("messages:agent_0123456789", 'f"messages:{client.id}"'),
        ("task:task_abcdef", "task"),
        ("id task_abcdef {", "f\"id {task.partition(':')[2]} {{\""),
        (f"{KEY}x", 'f"{client.api_key}x"'),
        (f"a={KEY[:15]}", 'f"a={client.api_key[:15]}"'),
    ],
)
def test_values_are_named_wherever_they_stand(symbols: Symbols, text: str, code: str) -> None:
    """The longest known value is found first, also as the beginning of a credential."""
    assert code_of(symbols.text(text)) == code


@pytest.mark.parametrize(
    ("text", "is_query", "code"),
    [
        ("a17", False, "client.id"),
        ("messages:a17", False, 'f"messages:{client.id}"'),
        ("analytics:agent:42", False, 'f"analytics:agent:{provider.id}"'),
        (
            "/user_socket/websocket?agent_id=42&vsn=2.0.0",
            True,
            'f"/user_socket/websocket?agent_id={provider.id}&vsn=2.0.0"',
        ),
        ("42", False, '"42"'),
        ("10:30:42", False, '"10:30:42"'),
        ("it is a17", False, '"it is a17"'),
    ],
)
def test_a_short_id_is_named_where_it_stands_alone(text: str, is_query: bool, code: str) -> None:
    """As a whole text, as what a topic is about, in a query; but a number may be an amount or a ref."""
    symbols = Symbols()
    symbols.define("a17", "client.id")
    symbols.define("42", "provider.id")
    assert code_of(symbols.text(text, is_query=is_query)) == code
    assert code_of(symbols.id("42")) == "provider.id"


def test_another_piece_of_a_credential_is_not_said(symbols: Symbols) -> None:
    """What cannot be named must not be written."""
    with pytest.raises(NotSymbolic):
        symbols.text(f"x{KEY[3:18]}")


def test_a_query_is_named_as_it_is_written() -> None:
    """A value that a query writes otherwise is quoted where it is put in."""
    symbols = Symbols()
    symbols.define("a value/with signs", "value")
    assert code_of(symbols.text("v=a%20value%2Fwith%20signs", is_query=True)) == (
        "f\"v={quote(value, safe='')}\""
    )


def test_names_are_identifiers_that_nothing_else_has() -> None:
    """Whatever a case calls its agents, the names of a file are sound."""
    symbols = Symbols()
    names = [
        symbols.name(wish)
        for wish in ("a", "a", "b again", "class", "1st", "é", "endpoint", "list", "part", "")
    ]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)
    assert not {"class", "endpoint", "list", "part"} & set(names)
