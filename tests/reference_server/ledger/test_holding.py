"""What leaves a server whose disk stalls: nothing that was made after a change that is not kept, and then all in order."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

import reference_server.commits
from reference_server.assembly import Assembly
from reference_server.commits import Commits
from reference_server.ledger import Ledger
from reference_server.limits import Limits
from reference_server.server import Server, Settings, run
from reference_server.transport import WebSocketTransport
from specs.loader import load
from specs.participants import derive_participant
from tests.crash.phoenix import Client, Refusal
from tests.reference_server.ledger.stores import loaded

TIMEOUT_S = 20.0
HEAD = "HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

LOOPS: list[Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]] = [run, lambda main: asyncio.run(main())]


class Stalling(Ledger):
    """A ledger on a disk that can be made to stall."""

    is_stalled = False
    reached = 0

    def keep(self, number: int) -> None:
        """Report only while the disk does not stall."""
        self.reached = number
        if not Stalling.is_stalled:
            super().keep(number)

    def go_on(self) -> None:
        """Report what has been written meanwhile."""
        Stalling.is_stalled = False
        if self.reached > self._commits.kept:
            super().keep(self.reached)


class Watched(WebSocketTransport):
    """A transport that counts its writes."""

    def _write(self, data: bytes, is_last: bool) -> None:
        Stage.writes += 1
        super()._write(data, is_last)


class Stage:
    """A server with a task, its participants and an inbox, all joined."""

    writes = 0

    def __init__(self, server: Server, commits: Commits, ledgers: list[Stalling]) -> None:
        self.server = server
        self.commits = commits
        self.url = f"ws://127.0.0.1:{server.port}"
        self.ledgers = ledgers
        self.clients: list[Client] = []
        self.told: list[tuple[str, Any]] = []

    async def set_up(self) -> None:
        self.operator = await self.client("/control/websocket", token="op")
        await self.operator.join("control")
        self.agents = [await self.agent(name) for name in ("client", "provider")]
        roles = {"client": "client", "provider": "provider"}
        made = await self.operator.push(
            "control", "create_resource", {"family": "task", "roles": roles, "params": {}}
        )
        self.task = made["topic"]
        self.client_seat, self.provider_seat = [
            await self.client("/socket/websocket", api_key=agent["api_key"]) for agent in self.agents
        ]
        for seat in (self.client_seat, self.provider_seat):
            await seat.join(self.task)
        self.told.clear()

    async def agent(self, name: str) -> Any:
        key = base64.b64encode(derive_participant(7, "", name).keys.public_key).decode()
        return await self.operator.push("control", "create_agent", {"agent_id": name, "public_key": key})

    async def client(self, path: str, **params: str) -> Client:
        client = await Client.open(
            self.url + path, lambda _, event, payload: self.told.append((event, payload)), **params
        )
        self.clients.append(client)
        return client

    def stall(self) -> None:
        Stalling.is_stalled = True
        Stage.writes = 0

    def go_on(self) -> None:
        for ledger in self.ledgers:
            ledger.go_on()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that must come about."""
        async with asyncio.timeout(TIMEOUT_S):
            while not is_so():  # noqa: ASYNC110 - it is the server that changes
                await asyncio.sleep(0.001)

    @property
    def held(self) -> int:
        """How many pieces wait in all transports."""
        return sum(len(transport._held) for transport in self.server._live)


@asynccontextmanager
async def stage(directory: Path, limits: Limits | None = None) -> Any:
    ledgers: list[Stalling] = []

    class Known(Stalling):
        def load(self, *arguments: Any) -> None:
            ledgers.append(self)
            super().load(*arguments)

    Stalling.is_stalled = False
    commits = Commits()
    assembly = Assembly(
        load(),
        Settings(port=0, limits=limits),
        seed=1,
        control_token="op",
        data=directory,
        commits=commits,
        ledger=Known,
        transport=Watched,
    )
    server = await assembly.start()
    scene = Stage(server, commits, ledgers)
    try:
        await scene.set_up()
        yield scene
    finally:
        scene.go_on()
        for client in scene.clients:
            await client.close()
        await server.close()


def on_both_loops(test: Callable[[Path], Awaitable[None]]) -> Any:
    @pytest.mark.parametrize("start", LOOPS, ids=["uvloop", "asyncio"])
    def wrapped(start: Any, tmp_path: Path) -> None:
        start(lambda: test(tmp_path))

    wrapped.__name__ = test.__name__
    wrapped.__doc__ = test.__doc__
    return wrapped


@on_both_loops
async def test_replies_relays_joins_and_pushes_wait(tmp_path: Path) -> None:
    """Also those of requests that only read, on any connection; then each connection gets its own in order."""
    async with stage(tmp_path) as scene:
        scene.stall()
        inbox = scene.agents[1]
        chunk = scene.client_seat.push(scene.task, "input_stream", {"chunk": "a", "seq": 0})
        await scene.until(lambda: scene.commits.made > scene.commits.kept)
        again = scene.client_seat.push(scene.task, "input_stream", {"chunk": "b", "seq": 0})
        read = scene.provider_seat.join(scene.task)
        message = scene.operator.push(
            "control",
            "send_message",
            {"to": inbox["agent_id"], "from_agent_id": "x", "type": "t", "payload": {}},
        )
        await scene.until(lambda: scene.commits.made - scene.commits.kept == 2)
        await scene.until(lambda: scene.held >= 4)
        assert Stage.writes == 0
        assert not any(future.done() for future in (chunk, again, read, message))
        assert scene.told == []
        scene.go_on()
        assert await chunk == {}
        with pytest.raises(Refusal, match="seq_conflict"):
            await again
        assert (await read)["task"]["status"] == "open"
        assert (await message)["message_id"]
        assert ("input_stream", {"chunk": "a", "seq": 0}) in scene.told


@on_both_loops
async def test_handshakes_wait(tmp_path: Path) -> None:
    """A 101 tells of a new agent, a 403 of what a credential is worth: both wait, and so does a 404."""
    async with stage(tmp_path) as scene:
        scene.stall()
        made = scene.operator.push(
            "control",
            "create_agent",
            {"agent_id": "new", "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
        )
        await scene.until(lambda: scene.commits.made > scene.commits.kept)
        known = scene.agents[0]["api_key"]
        targets = (f"/socket/websocket?api_key={known}", "/socket/websocket?api_key=wrong", "/nowhere")
        streams = [await asyncio.open_connection("127.0.0.1", scene.server.port) for _ in targets]
        for target, (_, writer) in zip(targets, streams, strict=True):
            writer.write(f"GET {target} {HEAD}{KEY}".encode())
        await scene.until(lambda: scene.held == 4)
        assert Stage.writes == 0
        assert not made.done()
        scene.go_on()
        statuses = [(await reader.readline())[9:12] for reader, _ in streams]
        for _, writer in streams:
            writer.close()
        assert statuses == [b"101", b"403", b"404"]
        async with connect(f"{scene.url}/socket/websocket?api_key={(await made)['api_key']}"):
            pass


@on_both_loops
async def test_closes_wait_and_a_half_closed_client_still_gets_its_reply(tmp_path: Path) -> None:
    """A disconnect that follows a change is not seen before the change is kept; a client that only listens is answered."""
    async with stage(tmp_path) as scene:
        scene.stall()
        known = scene.agents[0]["api_key"]
        reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
        writer.write(f"GET /socket/websocket?api_key={known}&vsn=2.0.0 {HEAD}{KEY}".encode())
        scene.client_seat.push(scene.task, "checkpoint", {"state": {}, "seq": 1})
        await scene.until(lambda: scene.commits.made > scene.commits.kept)
        beat = b'[null,"1","phoenix","heartbeat",{}]'
        writer.write(bytes([0x81, 0x80 | len(beat)]) + bytes(4) + beat)
        writer.write_eof()
        kicked = scene.operator.push("control", "disconnect_agent", {"agent_id": "provider"})
        await scene.until(lambda: scene.held >= 4)
        assert not kicked.done()
        assert not scene.provider_seat.is_gone
        scene.go_on()
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert json.loads(b"[null" + answer.rpartition(b"[null")[2])[4] == {"status": "ok", "response": {}}
        await kicked
        await scene.until(lambda: scene.provider_seat.is_gone)


@on_both_loops
async def test_a_drain_waits_until_all_is_kept(tmp_path: Path) -> None:
    """The reply to a change comes before the close; the change is in the file when the drain is over."""
    async with stage(tmp_path) as scene:
        scene.stall()
        chunk = scene.client_seat.push(scene.task, "input_stream", {"chunk": "a", "seq": 0})
        await scene.until(lambda: scene.commits.made > scene.commits.kept)
        draining = asyncio.create_task(scene.server.drain())
        await scene.until(lambda: scene.held >= len(scene.clients))
        assert Stage.writes == 0
        scene.go_on()
        assert await chunk == {}
        await draining
        kept = await asyncio.to_thread(loaded, tmp_path)
        assert kept.entries(scene.task, "input") == [(0, "a")]


@on_both_loops
async def test_a_disk_that_stalls_stops_the_reading(tmp_path: Path) -> None:
    """No more transactions wait than the bound and what one read brings; no newcomer is read; then all is answered."""
    most, chunk = 8, "x" * 60_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference_server.commits, "MOST_WAITING", most)
        async with stage(tmp_path) as scene:
            scene.stall()
            seats = [(scene.client_seat, "input_stream"), (scene.provider_seat, "output_stream")]
            pushes = [
                seat.push(scene.task, event, {"chunk": f"{seq}{chunk}", "seq": seq})
                for seq in range(60)
                for seat, event in seats
            ]
            await scene.until(lambda: scene.commits.is_congested)
            newcomer = asyncio.create_task(
                scene.client("/socket/websocket", api_key=scene.agents[0]["api_key"])
            )
            await scene.until(lambda: len(scene.server._live) == len(scene.clients) + 1)
            # Whoever still were read from would be read from by now.
            for _ in range(200):
                await asyncio.sleep(0.001)
            # One read of at most 256 KiB may bring five more.
            assert most <= scene.commits.made - scene.commits.kept <= most + 5
            assert not newcomer.done()
            assert not any(push.done() for push in pushes)
            scene.go_on()
            assert await asyncio.gather(*pushes) == [{}] * len(pushes)
            await (await newcomer).join(scene.task)
            assert not scene.commits.is_congested


@on_both_loops
async def test_what_is_held_is_bounded_in_bytes_too(tmp_path: Path) -> None:
    """Requests that change nothing fill no queue of transactions, but their replies wait as well."""
    most_bytes = 100_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference_server.commits, "MOST_HELD_BYTES", most_bytes)
        async with stage(tmp_path) as scene:
            scene.stall()
            scene.client_seat.push(scene.task, "checkpoint", {"state": {}, "seq": 1})
            await scene.until(lambda: scene.commits.made > scene.commits.kept)
            relays = [
                scene.client_seat.push(scene.task, "progress", {"percent": 1, "message": "m" * 20_000})
                for _ in range(400)
            ]
            await scene.until(lambda: scene.commits.is_congested)
            for _ in range(200):
                await asyncio.sleep(0.001)
            assert most_bytes <= scene.commits._held_bytes <= most_bytes + 2 * 256 * 1024
            scene.go_on()
            assert await asyncio.gather(*relays) == [{}] * len(relays)
            assert scene.commits._held_bytes == 0


@on_both_loops
async def test_a_client_that_leaves_while_it_waits_harms_nobody(tmp_path: Path) -> None:
    """Its change is kept all the same, and others get their replies."""
    async with stage(tmp_path) as scene:
        scene.stall()
        chunk = scene.client_seat.push(scene.task, "input_stream", {"chunk": "a", "seq": 0})
        await scene.until(lambda: scene.commits.made > scene.commits.kept)
        read = scene.provider_seat.join(scene.task)
        await scene.until(lambda: scene.held >= 2)
        for transport in tuple(scene.server._live):
            if transport._held and transport._connection.identity.agent_id == "client":
                transport.abort()
                await transport.gone
        scene.go_on()
        assert (await read)["task"]["status"] == "open"
        assert chunk.done()
        assert scene.commits._held_bytes == 0
