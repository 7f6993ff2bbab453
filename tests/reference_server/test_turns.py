"""A connection whose requests take long lets all others go in between, and loses nothing by that."""

from __future__ import annotations

import gc
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from reference_server.limits import Limits
from reference_server.outcome import Channel, Outcome
from reference_server.server import Settings
from reference_server.turns import TURN_S
from tests.reference_server.adversary import CLOSE, frame, text
from tests.reference_server.test_transport import TIMEOUT_S, Running

if TYPE_CHECKING:
    from collections.abc import Iterator

COMES_BACK = (1012).to_bytes(2, "big")


class Slow:
    """Every request takes more than a turn; the first one waits until `gate` is opened."""

    def __init__(self) -> None:
        self.has_begun, self.gate = threading.Event(), threading.Event()
        self.carried_out: list[str] = []

    def handle(self, channel: Channel, event: str, payload: Any) -> Outcome:
        self.has_begun.set()
        assert self.gate.wait(TIMEOUT_S)
        time.sleep(1.1 * TURN_S)
        self.carried_out.append(event)
        return Outcome(response=payload)


@pytest.fixture
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    # A server that waits for its clients longer than the tests wait for it; other limits come from a test's parameter.
    limits = Limits(linger_s=60).with_values(getattr(request, "param", {}))
    running = Running(Settings(port=0, limits=limits, drain_timeout_s=60))
    yield running
    running.stop()


@pytest.fixture
def slow(running: Running) -> Slow:
    slow = Slow()
    running.application.handle = slow.handle  # type: ignore[method-assign]
    return slow


def test_costly_requests_let_others_go_in_between(running: Running, slow: Slow) -> None:
    """Six requests come in one segment, that of another client comes while the first of them is carried out."""
    greedy, other = running.client(), running.client()
    for client in (greedy, other):
        client.socket.sendall(text("1", "1", "room:1", "phx_join", {}))
        client.message()
    greedy.socket.sendall(b"".join(text("1", str(ref), "room:1", f"costly {ref}", {}) for ref in range(6)))
    assert slow.has_begun.wait(TIMEOUT_S)
    other.socket.sendall(text("1", "2", "room:1", "other", {}))
    slow.gate.set()
    assert [greedy.message()[1] for _ in range(6)] == [str(ref) for ref in range(6)]
    assert slow.carried_out.index("other") < slow.carried_out.index("costly 3")


@pytest.mark.parametrize("running", [{"unfinished_bytes": 1_000}], indirect=True)
def test_what_had_to_wait_for_its_turn_is_not_unfinished_any_more(running: Running, slow: Slow) -> None:
    """Whose requests are all answered loses nothing when another begins a long message."""
    greedy, other = running.client(), running.client()
    slow.gate.set()
    for client in (greedy, other):
        client.socket.sendall(text("1", "1", "room:1", "phx_join", {}))
        client.message()
    greedy.socket.sendall(b"".join(text("1", str(ref), "room:1", f"costly {ref}", {}) for ref in range(6)))
    assert [greedy.message()[1] for _ in range(6)] == [str(ref) for ref in range(6)]
    long = text("1", "7", "room:1", "other", {"text": "x" * 900})
    other.socket.sendall(long[:-10])
    time.sleep(0.1)
    greedy.socket.sendall(text("1", "8", "room:1", "costly 8", {}))
    assert greedy.message()[1] == "8"
    other.socket.sendall(long[-10:])
    assert other.message()[1] == "7"


def test_the_collector_stays_away_from_a_large_message(running: Running) -> None:
    """It would walk through millions of new objects again and again; afterwards it goes on as before."""
    within: list[bool] = []

    def handle(channel: Channel, event: str, payload: Any) -> Outcome:
        within.append(gc.isenabled())
        if event == "crash":
            raise RuntimeError
        return Outcome()

    running.application.handle = handle  # type: ignore[method-assign]
    client = running.client()
    client.socket.sendall(text("1", "1", "room:1", "phx_join", {}))
    client.message()
    client.socket.sendall(text("1", "2", "room:1", "small", {}))
    client.socket.sendall(text("1", "3", "room:1", "large", {"x": [[]] * 30_000}))
    client.socket.sendall(text("1", "4", "room:1", "crash", {"x": [[]] * 30_000}))
    client.socket.sendall(text("1", "5", "room:1", "small", {}))
    assert [client.message()[1] for _ in range(4)] == ["2", "3", "1", "5"]
    assert within == [True, False, False]
    assert gc.isenabled()


def test_a_client_that_closes_behind_costly_requests_gets_their_replies(running: Running, slow: Slow) -> None:
    """What comes behind them, in whatever segment, is carried out behind them."""
    client = running.client()
    client.socket.sendall(text("1", "1", "room:1", "phx_join", {}))
    client.message()
    slow.gate.set()
    client.socket.sendall(text("1", "2", "room:1", "a", {}) + text("1", "3", "room:1", "b", {}))
    client.socket.sendall(text("1", "4", "room:1", "c", {}) + frame(CLOSE, b"\x03\xe8"))
    assert [client.message()[1] for _ in range(3)] == ["2", "3", "4"]
    assert client.close_code() == 1000
    assert slow.carried_out == ["a", "b", "c"]


def test_a_client_that_is_closed_between_its_turns_ends_in_order(running: Running, slow: Slow) -> None:
    """The server drains while requests wait: their client reads the close frame, and its own is still read."""
    client = running.client()
    client.socket.sendall(text("1", "1", "room:1", "phx_join", {}))
    client.message()
    client.socket.sendall(b"".join(text("1", str(ref), "room:1", f"costly {ref}", {}) for ref in range(50)))
    assert slow.has_begun.wait(TIMEOUT_S)
    drained = running.start_drain()
    slow.gate.set()
    while (received := client.frame())[0] != CLOSE:
        pass
    assert received[1] == COMES_BACK
    client.socket.sendall(frame(CLOSE, COMES_BACK))
    client.socket.close()
    drained.result(TIMEOUT_S)
    assert len(slow.carried_out) < 50
