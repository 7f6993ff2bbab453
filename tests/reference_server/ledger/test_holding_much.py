"""What a stalled disk lets wait is not held against clients that read, however much it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from reference_server.limits import Limits
from tests.reference_server.ledger.test_holding import on_both_loops, stage


@on_both_loops
async def test_a_client_that_reads_is_never_dropped_for_what_the_disk_holds_up(tmp_path: Path) -> None:
    """Whoever streams to it has to wait instead; then it gets every chunk, and nothing counts as waiting any more."""
    limits = Limits(queue_bytes=1_000_000)
    async with stage(tmp_path, limits) as scene:
        scene.stall()
        chunks = [f"{seq}".ljust(30_000, "x") for seq in range(200)]
        pushes = [
            scene.client_seat.push(scene.task, "input_stream", {"chunk": chunk, "seq": seq})
            for seq, chunk in enumerate(chunks)
        ]
        await scene.until(lambda: scene.commits.is_congested)
        for _ in range(200):
            await asyncio.sleep(0.001)
        assert not scene.provider_seat.is_gone
        scene.go_on()
        assert await asyncio.gather(*pushes) == [{}] * len(pushes)
        await scene.until(lambda: len(scene.told) == len(chunks) or scene.provider_seat.is_gone)
        assert [payload["chunk"] for _, payload in scene.told] == chunks
        transport = next(iter(scene.server._live))
        assert transport._backend.queues.waiting_bytes == 0


@on_both_loops
async def test_an_inbox_of_any_size_is_delivered(tmp_path: Path) -> None:
    """More than may wait for a client is redelivered by one join, also while the disk stalls."""
    limits = Limits(queue_bytes=1_000_000)
    async with stage(tmp_path, limits) as scene:
        agent = scene.agents[0]
        message = {"to": agent["agent_id"], "from_agent_id": "x", "type": "t"}
        for number in range(300):
            payload = {"n": number, "filling": "x" * 10_000}
            await scene.operator.push("control", "send_message", {**message, "payload": payload})
        for stalls in (False, True):
            inbox = await scene.client(
                "/user_socket/websocket", agent_id=agent["agent_id"], token=agent["session_token"]
            )
            scene.told.clear()
            if stalls:
                scene.stall()
                scene.client_seat.push(scene.task, "checkpoint", {"state": {}, "seq": 1})
                await scene.until(lambda: scene.commits.made > scene.commits.kept)
            joined = inbox.join(f"messages:{agent['agent_id']}")
            if stalls:
                await scene.until(lambda: scene.held > 2)
                scene.go_on()
            await joined
            await inbox.push("phoenix", "heartbeat", {})
            assert [payload["payload"]["n"] for _, payload in scene.told] == list(range(300))
