"""Addresses of endpoints."""

from __future__ import annotations

import pytest

from specs.address import address_of


@pytest.mark.parametrize("url", ["ws://127.0.0.1:4000", "wss://[::1]/base/", "ws://münchen.example"])
def test_a_url_with_a_host_is_an_address(url: str) -> None:
    """With or without a port and a path, by name or by number."""
    assert address_of(url).hostname


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://host", "must start with ws://"),
        ("host", "must start with ws://"),
        ("ws://", "names no host"),
        ("ws://host:0", "names no host"),
        ("ws://host:x", "not a URL"),
        ("ws://[::1", "not a URL"),
        ("ws://host..name", "is no name"),
        ("ws://h\0h", "is no name"),
        (f"ws://{'h' * 70}.example", "is no name"),
        ("ws://host?api_key=1", "no query"),
        ("ws://host#part", "no query"),
    ],
)
def test_what_is_none_is_refused_with_what_is_wrong(url: str, fault: str) -> None:
    """One line that says what to change."""
    with pytest.raises(ValueError, match=fault):
        address_of(url)


def test_a_password_is_refused_and_not_quoted() -> None:
    """What is refused because it would stand in reports must not stand in the refusal."""
    with pytest.raises(ValueError, match="no user name or password") as refused:
        address_of("ws://agent:hidden@host")
    assert "hidden" not in str(refused.value)
