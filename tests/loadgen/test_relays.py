"""What receivers are owed."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen.client.calls import Call
from loadgen.client.relays import Receiver, relayed_events
from loadgen.measure.statistics import Figures
from specs.loader import load

TASK = relayed_events(load().topics["task"])
STREAM = "output_stream"


class Relay:
    """A receiver, with who sends to it."""

    def __init__(self) -> None:
        self.figures = Figures("task", STREAM)
        self.receiver = Receiver(TASK)
        self.receiver.is_here = True

    def send(self, seq: int, status: str | None = "ok", chunk: str = "a") -> None:
        call = Call(self.figures, 100, 100)
        call.status = status
        self.receiver.expect((STREAM, seq), {"chunk": chunk, "seq": seq}, call)

    def arrive(self, seq: Any, chunk: str = "a", **more: Any) -> None:
        self.receiver.arrived(STREAM, {"chunk": chunk, "seq": seq, **more}, 150, self.figures)

    @property
    def broken(self) -> dict[str, int]:
        return {name: count for name, count in self.figures.broken.items() if count}


def test_what_arrives_as_it_was_sent_is_in_order() -> None:
    """Each is delivered once, timed from its push, and members that are added do not matter."""
    relay = Relay()
    for seq in range(3):
        relay.send(seq)
    for seq in range(3):
        relay.arrive(seq, added=True)
    relay.receiver.settle()
    assert (relay.figures.relays, relay.figures.delivered, relay.broken) == (3, 3, {})
    assert relay.figures.histograms["delivery"].max_us == 50


def test_a_missing_relay_is_lost_once_all_has_arrived() -> None:
    """Only what was accepted can be lost; what was refused or is unknown is owed to nobody."""
    relay = Relay()
    for seq, status in enumerate(("ok", "error", "unknown")):
        relay.send(seq, status)
    relay.receiver.settle()
    assert (relay.figures.relays, relay.broken) == (1, {"lost": 1})


def test_a_doubled_relay_is_told() -> None:
    """A second arrival is one too many."""
    relay = Relay()
    relay.send(0)
    relay.arrive(0)
    relay.arrive(0)
    assert relay.broken == {"doubled": 1}


def test_an_overtaking_relay_is_told() -> None:
    """What comes behind what was sent after it is reordered."""
    relay = Relay()
    relay.send(0)
    relay.send(1)
    relay.arrive(1)
    relay.arrive(0)
    assert relay.broken == {"reordered": 1}


def test_an_altered_relay_is_told() -> None:
    """Another chunk, or a number that nobody has sent."""
    relay = Relay()
    relay.send(0)
    relay.arrive(0, chunk="b")
    relay.arrive(9)
    assert relay.broken == {"altered": 2}


@pytest.mark.parametrize("altered", [[1], {"is": 1}, True, "1", 1.5, None])
def test_a_number_of_another_kind_is_altered(altered: Any) -> None:
    """What is no number any more is told as well, also where Python takes it for the same; the relay itself is lost."""
    relay = Relay()
    relay.send(1)
    relay.arrive(altered)
    relay.receiver.settle()
    assert (relay.figures.delivered, relay.broken) == (0, {"altered": 1, "lost": 1})


def test_a_whole_number_with_a_fraction_of_zero_is_the_same() -> None:
    """JSON has one kind of numbers."""
    relay = Relay()
    relay.send(1)
    relay.arrive(1.0)
    relay.receiver.settle()
    assert (relay.figures.delivered, relay.broken) == (1, {})


def test_what_is_sent_again_need_not_come_again() -> None:
    """After a reconnect a chunk may be sent a second time; it may be relayed or not."""
    relay = Relay()
    relay.send(0)
    relay.arrive(0)
    relay.send(0)
    relay.receiver.settle()
    relay.arrive(0)
    assert (relay.figures.relays, relay.broken) == (1, {})


def test_who_is_away_is_owed_nothing() -> None:
    """What was on its way when the receiver was cut off is not lost, nor what is sent meanwhile."""
    relay = Relay()
    relay.send(0)
    relay.receiver.forget()
    relay.send(1)
    relay.receiver.settle()
    assert (relay.figures.relays, relay.broken) == (0, {})


def test_an_echo_to_the_sender_is_nothing_unexpected() -> None:
    """Whether a sender gets its own relay back is open."""
    relay = Relay()
    relay.receiver.own.appendleft((STREAM, 0))
    relay.arrive(0)
    assert relay.broken == {}


def test_what_the_other_side_sends_is_no_echo() -> None:
    """Where both sides send an event, a doubled relay of the other's is told all the same."""
    relay = Relay()
    relay.receiver.own.appendleft((STREAM, 0))
    relay.send(1)
    relay.arrive(1)
    relay.arrive(1)
    assert relay.broken == {"doubled": 1}


def test_what_is_sent_while_a_receiver_comes_back_may_come() -> None:
    """The server has let it in before its agent has read so; and it may be behind with what was sent before the loss."""
    relay = Relay()
    relay.send(0)
    relay.receiver.forget()
    relay.send(1)
    relay.receiver.is_here = True
    relay.send(2)
    for seq in range(3):
        relay.arrive(seq)
    relay.receiver.settle()
    assert (relay.figures.relays, relay.figures.delivered, relay.broken) == (1, 1, {})


class Offers(Relay):
    """Relays of an event that has no number."""

    EVENT = "progress"

    def offer(self, message: str) -> None:
        payload = {"percent": 1, "message": message}
        call = Call(self.figures, 100, 100)
        call.status = "ok"
        self.receiver.expect((self.EVENT, TASK[self.EVENT].key(payload)), payload, call)

    def come(self, message: str) -> None:
        self.receiver.arrived(self.EVENT, {"percent": 1, "message": message}, 150, self.figures)


@pytest.mark.parametrize(
    ("arrivals", "delivered", "broken"),
    [
        ("ab", 2, {}),
        ("aab", 2, {"doubled": 1}),
        ("aabb", 2, {"doubled": 2}),
        ("xb", 2, {"altered": 1}),
        ("ax", 2, {"altered": 1}),
        ("xab", 2, {"altered": 1}),
        ("a", 1, {"lost": 1}),
        ("", 0, {"lost": 2}),
    ],
)
def test_what_has_no_number_is_counted_once(arrivals: str, delivered: int, broken: dict[str, int]) -> None:
    """One that is altered is not lost besides, and one that comes twice is not altered."""
    offers = Offers()
    offers.offer("a")
    offers.offer("b")
    for message in arrivals:
        offers.come(message)
    offers.receiver.settle()
    assert (offers.figures.delivered, offers.broken) == (delivered, broken)


def test_what_is_sent_twice_may_come_twice() -> None:
    """The same message again is another one."""
    offers = Offers()
    for _ in range(2):
        offers.offer("a")
        offers.come("a")
    offers.receiver.settle()
    assert (offers.figures.relays, offers.figures.delivered, offers.broken) == (2, 2, {})
