"""Whom a load may be put on."""

from __future__ import annotations

import pytest

from loadgen.client.route import NoRoute, route_to
from loadgen.faults import CannotTest, ConfigurationFaulty
from loadgen.target import checked_url


@pytest.mark.parametrize("url", ["ws://127.0.0.1:4000", "wss://[::1]:4000/", "ws://127.8.9.1"])
def test_loopback_needs_no_word(url: str) -> None:
    """One's own machine may be loaded without saying so."""
    assert checked_url(url, is_owned=False) == url.rstrip("/")


def test_another_machine_must_be_ones_own() -> None:
    """Without the user's word it is refused, and the line says what to add."""
    with pytest.raises(ConfigurationFaulty, match="--i-own-this-target"):
        checked_url("wss://192.0.2.1", is_owned=False)
    assert checked_url("wss://192.0.2.1", is_owned=True) == "wss://192.0.2.1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://127.0.0.1",
        "ws://",
        "ws://127.0.0.1:x",
        "ws://127.0.0.1:0",
        "ws://[::1",
        "ws://127.0.0.1?a=b",
        "ws://host..name",
        f"ws://{'h' * 70}.example",
        "ws://h\0h",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    """A user is told what a URL looks like."""
    with pytest.raises(ConfigurationFaulty):
        checked_url(url, is_owned=True)


@pytest.mark.parametrize("host", ["host..name", "h" * 70, "h\0h"])
def test_there_is_no_route_to_a_host_that_cannot_be_asked_for(host: str) -> None:
    """Whatever Python makes of it."""
    with pytest.raises(NoRoute, match=r"^h"):
        route_to(f"ws://{host}:9")


def test_a_host_without_an_address_cannot_be_tested() -> None:
    """A name that nobody knows is no fault of the configuration."""
    with pytest.raises(CannotTest):
        checked_url("ws://no-such-host.invalid", is_owned=False)
