"""Two agents with `realtime`: prints what they see, one JSON object a line."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from realtime import AsyncRealtimeChannel, AsyncRealtimeClient, RealtimeAcknowledgementStatus

WAIT_S = 10
URL = f"{os.environ['WIREPROOF_URL']}/socket"
ROOM = os.environ["ROOM_TOPIC"].removeprefix("realtime:")


def say(saw: str, **details: Any) -> None:
    """Print one thing that was seen."""
    print(json.dumps({"saw": saw, **details}), flush=True)


class Seat:
    """One agent on one topic."""

    def __init__(self, client: AsyncRealtimeClient, room: str) -> None:
        self.channel: AsyncRealtimeChannel = client.channel(room)
        self.broadcasts: asyncio.Queue[Any] = asyncio.Queue()
        self.joins: asyncio.Queue[str] = asyncio.Queue()
        self.leaves: asyncio.Queue[str] = asyncio.Queue()
        self.channel.on_broadcast("*", self.broadcasts.put_nowait)
        self.channel.on_presence_join(lambda key, _current, _new: self.joins.put_nowait(key))
        self.channel.on_presence_leave(lambda key, _current, _left: self.leaves.put_nowait(key))

    async def join(self) -> str:
        """Subscribe and return the state that comes of it."""
        states: asyncio.Queue[str] = asyncio.Queue()
        subscribing = asyncio.create_task(
            self.channel.subscribe(lambda state, _error: states.put_nowait(state.value))
        )
        async with asyncio.timeout(WAIT_S):
            state = await states.get()
        subscribing.cancel()
        return state

    async def push(self, event: str, payload: dict[str, Any]) -> str:
        """Push and return the status of the reply."""
        replies: asyncio.Queue[str] = asyncio.Queue()
        push = await self.channel.push(event, payload)
        for status in (RealtimeAcknowledgementStatus.Ok, RealtimeAcknowledgementStatus.Error):
            push.receive(status, lambda _response, status=status: replies.put_nowait(status.value))
        async with asyncio.timeout(WAIT_S):
            return await replies.get()


async def main() -> None:
    """Run the session."""
    client = AsyncRealtimeClient(URL, params={"api_key": os.environ["CLIENT_KEY"]}, auto_reconnect=False)
    provider = AsyncRealtimeClient(URL, params={"api_key": os.environ["PROVIDER_KEY"]}, auto_reconnect=False)
    await client.connect()
    await provider.connect()
    ours, theirs = Seat(client, ROOM), Seat(provider, ROOM)
    async with asyncio.timeout(WAIT_S * 6):
        say("join", state=await ours.join())
        say("presence join", id=await ours.joins.get())
        say("join", state=await theirs.join())
        say("presence join", id=await ours.joins.get())
        say("presence state", ids=sorted(ours.channel.presence_state()))
        say("push", status=await ours.push("broadcast", {"event": "greeting", "payload": {"text": "héllo"}}))
        say("broadcast", payload=await theirs.broadcasts.get())
        await theirs.channel.send_broadcast("answer", {"text": "hello"})
        say("broadcast", payload=await ours.broadcasts.get())
        say("refused push", status=await ours.push("broadcast", {"event": 1, "payload": {}}))
        say("unknown event", status=await ours.push("bogus", {}))
        await theirs.channel.unsubscribe()
        say("presence leave", id=await ours.leaves.get())
    await client.close()
    await provider.close()
    say("end")


asyncio.run(main())
