"""Clients that do not read, do not end and do not stop: the server's memory is bounded, and everybody else is served.

Measured on server processes: their resident memory, their open sockets, what other clients get.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer, running
from tests.reference_server.adversary import (
    CLOSE,
    CONT,
    HEARTBEAT,
    PING,
    TEXT,
    TIMEOUT_S,
    Agent,
    Client,
    Operator,
    frame,
    resident_bytes,
    text,
)

MIB = 1024 * 1024
SMALL_WINDOW_BYTES = 4096
FREE_FRAMES = ("--limit", "frames_per_s=1e9", "--limit", "frames_burst=1e9")

Start = Callable[..., RunningServer]


@pytest.fixture(autouse=True)
def end_of_clients(start_server: Any) -> Iterator[None]:
    # Before the servers end: they would wait for clients that are still there.
    yield
    Client.close_all()


@pytest.fixture(scope="module")
def impatient() -> Iterator[RunningServer]:
    """A server that waits for nobody long."""
    limits = {"linger_s": 0.2, "idle_timeout_s": 1, "message_bytes": 200_000}
    options = [part for name, value in limits.items() for part in ("--limit", f"{name}={value}")]
    with running(["-m", "wireproof", "serve"], *FREE_FRAMES, *options) as server:
        yield server


class Task:
    """A task whose provider pushes progress, which the server relays to the client's connections and does not keep.

    `echoed` is a push whose reply is as long as itself.
    """

    def __init__(self, server: RunningServer) -> None:
        self.operator = Operator(server)
        self.client, self.provider = self.operator.agent(), self.operator.agent()
        self.topic = self.operator.resource("task", {}, client=self.client, provider=self.provider)
        self.pusher = self.operator.connect(self.provider, self.topic)
        # An unknown event is refused with its name.
        self.echoed = text("1", "2", self.topic, "x" * 1000, {})
        self._count = 0

    def progress(self, size_bytes: int) -> None:
        """Push progress with a number and so many bytes in its message, and wait for the reply."""
        self._count += 1
        payload = {"percent": 1, "message": f"{self._count} {'x' * size_bytes}"}
        assert self.pusher.ask("1", f"p{self._count}", self.topic, "progress", payload)["status"] == "ok"

    def end(self) -> None:
        """Close the connections that this task has needed."""
        self.operator.close()
        self.pusher.close()

    def stalled(self, agent: Agent | None = None) -> Client:
        """Return a joined connection that nobody reads from now on."""
        return self.operator.connect(agent or self.client, self.topic, receive_bytes=SMALL_WINDOW_BYTES)


@contextlib.contextmanager
def growth_at_most(server: RunningServer, most_bytes: int) -> Iterator[None]:
    """Demand that the server's memory grows by no more; looked at all the while."""
    before_bytes = highest_bytes = resident_bytes(server)
    is_over = threading.Event()

    def watch() -> None:
        nonlocal highest_bytes
        while not is_over.wait(0.01):
            highest_bytes = max(highest_bytes, resident_bytes(server))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
    highest_bytes = max(highest_bytes, resident_bytes(server))
    assert highest_bytes - before_bytes <= most_bytes, (
        f"grew by {(highest_bytes - before_bytes) / MIB:.1f} MiB"
    )


def send_until_blocked(client: Client, data: bytes, most_bytes: int) -> int:
    """Send the same bytes again and again until the server takes no more, or ends TCP; return how many were taken."""
    client.socket.setblocking(False)
    sent_bytes, unchanged_since_s = 0, time.monotonic()
    while sent_bytes < most_bytes and time.monotonic() < unchanged_since_s + 1:
        try:
            sent_bytes += client.socket.send(data[sent_bytes % len(data) :])
            unchanged_since_s = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
        except ConnectionError:
            break
    client.socket.settimeout(TIMEOUT_S)
    return sent_bytes


def _sockets(server: RunningServer) -> int:
    """Count the sockets that a server process has open."""
    count = 0
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(link.readlink()).startswith("socket:")
    return count


def test_a_storm_to_a_reader_that_never_reads_is_bounded_and_harms_nobody_else(start_server: Start) -> None:
    """50 MB for a reader that does not read: it is dropped, memory stays, another reader gets all of it in order."""
    server = start_server("--limit", f"queue_bytes={2 * MIB}")
    task = Task(server)
    reader, stalled = task.operator.connect(task.client, task.topic), task.stalled()
    task.progress(100)
    assert reader.message()[4]["message"].startswith("1 ")
    with growth_at_most(server, 12 * MIB):
        for number in range(2, 1002):
            task.progress(50_000)
            message = reader.message()
            assert (message[3], message[4]["message"].partition(" ")[0]) == ("progress", str(number))
        assert task.pusher.is_alive()
    assert stalled.end() == "cut"


def test_many_readers_that_never_read_share_one_bound(start_server: Start) -> None:
    """12 of them may hold 4 MiB together, not 12 times what each may."""
    server = start_server("--limit", f"queue_bytes={2 * MIB}", "--limit", f"queues_bytes={4 * MIB}")
    task = Task(server)
    reader = task.operator.connect(task.client, task.topic)
    for _ in range(12):
        task.stalled()
    before = _sockets(server)
    with growth_at_most(server, 16 * MIB):
        for _ in range(80):
            task.progress(80_000)
            reader.message()
    assert reader.is_alive()
    assert _sockets(server) < before


@pytest.mark.parametrize("is_fragmented", [False, True])
def test_messages_that_are_never_ended_share_one_bound(start_server: Start, is_fragmented: bool) -> None:
    """Whose was begun first loses its connection, and who ends a message of the same length is served."""
    server = start_server("--limit", f"unfinished_bytes={8 * MIB}")
    task = Task(server)
    message = text("1", "2", task.topic, "x" * 1000, {"text": "x" * 3 * MIB})
    begun = frame(TEXT, message[14:], fin=False) if is_fragmented else message[: -MIB // 4]
    with growth_at_most(server, 24 * MIB):
        uploading = [task.operator.connect(task.client, task.topic) for _ in range(6)]
        for client in uploading:
            client.send(begun)
            assert task.pusher.is_alive()
        task.pusher.send(message)
        assert task.pusher.message()[1] == "2"
    assert [client.end() for client in uploading[:4]] == ["cut"] * 4
    if not is_fragmented:
        uploading[-1].send(message[-MIB // 4 :])
        assert uploading[-1].message()[1] == "2"


def test_a_client_that_never_reads_its_replies_is_not_read_from(start_server: Start) -> None:
    """It cannot send much more than the kernels take, memory stays, and it gets every reply once it reads."""
    server = start_server(*FREE_FRAMES)
    task = Task(server)
    mute = task.stalled(task.provider)
    push = task.echoed
    with growth_at_most(server, 8 * MIB):
        sent_bytes = send_until_blocked(mute, push, 100 * MIB)
        assert sent_bytes < 50 * MIB
        assert task.pusher.is_alive()
    rest = push[sent_bytes % len(push) :] if sent_bytes % len(push) else b""
    sender = threading.Thread(target=mute.send, args=(rest, HEARTBEAT))
    sender.start()
    replies = 0
    while (message := mute.message())[1] != "beat":
        replies += message[1] == "2"
    sender.join(TIMEOUT_S)
    assert replies == -(-sent_bytes // len(push))


def test_small_requests_with_big_replies_in_one_segment_are_answered_one_by_one(start_server: Start) -> None:
    """60 joins that each bring a checkpoint of 1 MB take no 60 MB; the client gets all of them as it reads."""
    server = start_server()
    task = Task(server)
    state = {"seq": 1, "state": {"filling": "x" * MIB}}
    assert task.pusher.ask("1", "c", task.topic, "checkpoint", state)["status"] == "ok"
    greedy = task.operator.connect(task.client)
    joins = [text(str(ref), str(ref), task.topic, "phx_join", {}) for ref in range(60)]
    with growth_at_most(server, 20 * MIB):
        greedy.send(*joins)
        assert task.pusher.is_alive()
        time.sleep(0.3)
        assert task.pusher.is_alive()
        for ref in range(60):
            assert greedy.reply(str(ref))["response"]["checkpoint"]["state"] == state["state"]


def test_pings_whose_pongs_nobody_reads_are_bounded(start_server: Start) -> None:
    """The flood stops at the kernels' buffers."""
    server = start_server(*FREE_FRAMES)
    task = Task(server)
    mute = task.operator.connect(task.client, receive_bytes=SMALL_WINDOW_BYTES)
    with growth_at_most(server, 8 * MIB):
        assert send_until_blocked(mute, frame(PING, b"p" * 125), 100 * MIB) < 50 * MIB
        assert task.pusher.is_alive()


def test_a_message_that_never_ends_takes_no_more_than_its_bytes(start_server: Start) -> None:
    """A hundred thousand fragments of two bytes are not kept one by one."""
    server = start_server(*FREE_FRAMES)
    task = Task(server)
    endless = task.operator.connect(task.client)
    endless.send(frame(TEXT, b"[", fin=False))
    fragments = frame(CONT, b"  ", fin=False) * 20_000
    with growth_at_most(server, 3 * MIB):
        for _ in range(5):
            endless.send(fragments)
        endless.send(frame(PING, b"all of it"))
        assert endless.next_frame()[1] == b"all of it"
    assert task.pusher.is_alive()


def test_an_answered_message_takes_no_room_while_its_client_stays(start_server: Start) -> None:
    """Ten clients that have each sent 9 MiB and are silent since do not hold 90 MiB."""
    server = start_server()
    task = Task(server)
    clients = [task.operator.connect(task.client) for _ in range(10)]
    before_bytes = resident_bytes(server)
    for client in clients:
        client.say("1", "2", task.topic, "x", {"filling": "x" * 9 * MIB})
        assert client.reply("2")["status"] == "error"
    assert resident_bytes(server) - before_bytes < 40 * MIB


@pytest.mark.parametrize("kind", ["unfinished", "not UTF-8"])
def test_what_the_message_of_a_client_took_is_free_once_it_has_gone(start_server: Start, kind: str) -> None:
    """At once, not when the collector of garbage comes by next: nobody may be there any more who would make it come."""
    server = start_server()
    task = Task(server)
    before_bytes = resident_bytes(server)
    for _ in range(2):
        clients = [task.operator.connect(task.client) for _ in range(20)]
        for client in clients:
            if kind == "unfinished":
                client.send(frame(TEXT, b"x" * 9 * MIB, fin=False), frame(PING, b""))
                client.next_frame()
            else:
                client.send(frame(TEXT, b"x" * 9 * MIB + b"\xff"))
                assert client.end() == 1007
        for client in clients:
            client.close()
    assert task.pusher.is_alive()
    until_s = time.monotonic() + TIMEOUT_S
    while resident_bytes(server) - before_bytes > 40 * MIB:
        assert time.monotonic() < until_s, "the server keeps what it has no use for"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "kind", ["refused", "malformed", "too big", "closing", "half closed", "full", "full and half closed"]
)
def test_a_client_that_does_not_end_is_cut_off(impatient: RunningServer, kind: str) -> None:
    """However a connection comes to its end, the server lets go of it, though the client neither reads nor closes."""
    server = impatient
    before = _sockets(server)
    task = Task(server)
    client = Client(server, receive_bytes=SMALL_WINDOW_BYTES)
    push = task.echoed
    if kind == "refused":
        client.send(b"GET /nowhere HTTP/1.1\r\n\r\n")
    else:
        client.upgraded(task.provider.query).joined(task.topic)
    if kind.startswith("full"):
        send_until_blocked(client, push, 100 * MIB)
    elif kind == "malformed":
        client.send(frame(TEXT, b"{"), frame(PING, b""), push)
    elif kind == "too big":
        client.send(frame(TEXT, b"x" * 200_001)[:-1])
    elif kind == "closing":
        client.send(push * 10, frame(CLOSE, b""), push)
    if kind.endswith("half closed"):
        client.socket.shutdown(socket.SHUT_WR)
    task.end()
    until_s = time.monotonic() + TIMEOUT_S
    while _sockets(server) > before:
        assert time.monotonic() < until_s, "the server keeps the connection"
        time.sleep(0.05)
    task = Task(server)
    assert task.pusher.is_alive()
    task.end()
    while _sockets(server) > before:
        time.sleep(0.01)
