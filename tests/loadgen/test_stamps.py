"""When the kernel had what was read."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from loadgen.client import stamps
from loadgen.client.clock import now_us
from loadgen.client.stamps import KernelClock, StampedSocket, kernel_clock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stamps are Linux'")


@pytest.fixture
def ends() -> Iterator[tuple[StampedSocket, socket.socket]]:
    """A stamped socket, and who sends to it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as sender,
        closing(server.accept()[0]) as raw,
    ):
        stamped = StampedSocket(raw, KernelClock())
        # The kernel begins to stamp a moment after it is asked to.
        for _ in range(100):
            sender.send(b"-")
            time.sleep(0.01)
            before_us = now_us()
            stamped.recv(1)
            if stamped.came_us < before_us:
                break
        yield stamped, sender


def test_what_waited_to_be_read_came_before(ends: tuple[StampedSocket, socket.socket]) -> None:
    """The time is when it came, though the reader was away for long."""
    stamped, sender = ends
    before_us = now_us()
    sender.send(b"something")
    after_us = now_us()
    time.sleep(0.2)
    assert stamped.recv(100) == b"something"
    assert before_us <= stamped.came_us <= after_us + 50_000


def test_of_several_the_last_counts(ends: tuple[StampedSocket, socket.socket]) -> None:
    """What is read at once never seems to have come before all of it has."""
    stamped, sender = ends
    sender.send(b"first")
    time.sleep(0.1)
    before_us = now_us()
    sender.send(b"second")
    time.sleep(0.1)
    assert stamped.recv(100) == b"firstsecond"
    assert before_us <= stamped.came_us < now_us() - 50_000


def test_the_end_of_a_connection_is_read_as_ever(ends: tuple[StampedSocket, socket.socket]) -> None:
    """Nothing is read, at a time that is now."""
    stamped, sender = ends
    sender.close()
    before_us = now_us()
    assert stamped.recv(100) == b""
    assert before_us <= stamped.came_us <= now_us()


class Told:
    """A socket on which something has come a second ago, by its stamp, with what the kernel tells of the packets before."""

    def __init__(self, info: bytes) -> None:
        self.info = info

    def setsockopt(self, *_: object) -> None:
        """Take that stamps are wanted."""

    def send(self, data: bytes) -> int:
        """Send nothing."""
        return len(data)

    def getsockopt(self, _level: int, _option: int, room: int) -> bytes:
        """Tell."""
        return self.info[:room]

    def recvmsg(self, _count: int, _room: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, None]:
        """Return a message."""
        return (
            b"-",
            [(socket.SOL_SOCKET, stamps._TIMESTAMPS, stamp_of(time.time_ns() - 1_000_000_000))],
            0,
            None,
        )


@pytest.mark.parametrize(
    ("info", "is_believed"),
    [
        (bytes(280), True),
        (bytes(224) + (1).to_bytes(4, sys.byteorder) + bytes(52), False),
        (bytes(224), False),
    ],
    ids=["in order", "overtaken", "an old kernel"],
)
def test_where_packets_have_overtaken_each_other_nothing_seems_to_have_waited(
    info: bytes, *, is_believed: bool
) -> None:
    """What was lost and sent again would have the time of what came before it, and waited for it in the kernel."""
    stamped = StampedSocket(Told(info), KernelClock())  # type: ignore[arg-type]
    before_us = now_us()
    stamped.recv(100)
    assert (stamped.came_us < before_us) == is_believed


def test_the_kernel_is_asked_in_its_own_words(ends: tuple[StampedSocket, socket.socket]) -> None:
    """On loopback nothing overtakes anything; what the kernel tells next to that, the window of the other end, is there."""
    stamped, _ = ends
    assert stamped._is_in_order()
    told = stamped._ask(socket.IPPROTO_TCP, stamps._TCP_INFO, stamps._REORDERED.stop + 4)
    assert int.from_bytes(told[stamps._REORDERED.stop :], sys.byteorder) > 0


def stamp_of(of_day_ns: int) -> bytes:
    return stamps._STAMP.pack(*divmod(of_day_ns, 1_000_000_000))


def test_a_stamp_is_told_by_the_monotonic_clock() -> None:
    """What came so long ago by the time of day, did so by the other clock."""
    clock = KernelClock()
    before_us = now_us()
    assert before_us - 5_000 - 200 <= clock.us(stamp_of(time.time_ns() - 5_000_000)) <= now_us() - 5_000


@pytest.mark.parametrize("step_ns", [3_600_000_000_000, -3_600_000_000_000, 150_000_000, -150_000_000])
def test_where_the_time_of_day_was_set_it_has_come_now(step_ns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stamp by another time of day says nothing; those of what has come since do again."""
    clock = KernelClock()
    stamp = stamp_of(time.time_ns())
    monkeypatch.setattr(stamps, "time_ns", lambda: time.time_ns() + step_ns)
    before_us = now_us()
    assert before_us <= clock.us(stamp) <= now_us()
    seen_us = now_us()
    time.sleep(0.02)
    assert seen_us < clock.us(stamp_of(time.time_ns() + step_ns - 5_000_000)) <= now_us() - 5_000


def test_what_waited_elsewhere_as_the_time_of_day_was_set_has_come_now_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sockets that are read later than the one on which it was noticed have stamps by the old time of day as well."""
    clock = KernelClock()
    stamp = stamp_of(time.time_ns())
    monkeypatch.setattr(stamps, "time_ns", lambda: time.time_ns() + 3_600_000_000_000)
    clock.us(stamp)
    before_us = now_us()
    assert before_us <= clock.us(stamp) <= now_us()


def test_nothing_comes_later_than_it_is_read() -> None:
    """A stamp from the future, as after the clock was set back a little, is now."""
    before_us = now_us()
    assert before_us <= KernelClock().us(stamp_of(time.time_ns() + 1_000_000)) <= now_us()


def test_a_system_without_stamps_has_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked with a socket, so that connections are made as ever there."""
    assert kernel_clock() is not None
    monkeypatch.setattr(stamps, "_TIMESTAMPS", 9_999)
    assert kernel_clock() is None
    monkeypatch.setattr(stamps.sys, "platform", "elsewhere")
    assert kernel_clock() is None
