"""Two agents with `phoenix-channels-python-client`: prints what they see, one JSON object a line."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from phoenix_channels_python_client import PHXChannelsClient
from phoenix_channels_python_client.exceptions import PHXTopicError
from phoenix_channels_python_client.utils import make_message

WAIT_S = 10
URL = f"{os.environ['WIREPROOF_URL']}/socket/websocket"
TASK_TOPIC = os.environ["TASK_TOPIC"]
DISCOVERY = "agents:discovery"


def say(saw: str, **details: Any) -> None:
    """Print one thing that was seen."""
    print(json.dumps({"saw": saw, **details}), flush=True)


class Seat:
    """One agent on one topic."""

    def __init__(self, client: PHXChannelsClient, topic: str) -> None:
        self.client = client
        self.topic = topic
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.refs = 1000

    async def join(self) -> None:
        """Subscribe; everything that comes goes into the inbox."""
        await self.client.subscribe_to_topic(self.topic, self.inbox.put)

    async def next(self, event: str) -> dict[str, Any]:
        """Return the payload of the next message with that event."""
        async with asyncio.timeout(WAIT_S):
            while str((message := await self.inbox.get()).event) != event:
                pass
        return dict(message.payload)

    async def push(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Push, which the client leaves to its protocol handler, and return the reply's payload."""
        self.refs += 1
        join_ref = self.client.get_current_subscriptions()[self.topic].join_ref
        message = make_message(event, self.topic, str(self.refs), payload, join_ref)
        await self.client.get_protocol_handler().send_message(self.client.connection, message)
        return await self.next("phx_reply")


async def task(client: PHXChannelsClient, provider: PHXChannelsClient, *, hears_broadcasts: bool) -> None:
    """Order a task and have it carried out."""
    ordered, carried_out = Seat(client, TASK_TOPIC), Seat(provider, TASK_TOPIC)
    await ordered.join()
    await carried_out.join()
    say("join")
    try:
        await Seat(client, "task:nobodys").join()
    except PHXTopicError as error:
        say("refused join", reason=str(error))
    say("push", **await ordered.push("input_stream", {"chunk": "héllo 漢", "seq": 0}))
    say("refused push", **await ordered.push("input_stream", {"chunk": 1, "seq": 1}))
    say("unknown event", **await ordered.push("bogus", {}))
    if hears_broadcasts:
        say("relay", payload=await carried_out.next("input_stream"))
        say("push", **await carried_out.push("progress", {"percent": 100, "message": "done"}))
        say("relay", payload=await ordered.next("progress"))
    await client.unsubscribe_from_topic(TASK_TOPIC)
    say("leave")


async def discovery(
    client: PHXChannelsClient, provider: PHXChannelsClient, *, hears_broadcasts: bool
) -> None:
    """See an agent come and go."""
    watching, watched = Seat(client, DISCOVERY), Seat(provider, DISCOVERY)
    await watched.join()
    await watching.join()
    say("presence state", ids=sorted(await watching.next("presence_state")))
    if hears_broadcasts:
        await provider.unsubscribe_from_topic(DISCOVERY)
        while not (leaves := (await watching.next("presence_diff"))["leaves"]):
            pass
        say("presence leave", ids=sorted(leaves))


async def main() -> None:
    """Run the session with the serializer named in the environment."""
    version = os.environ["PROTOCOL_VERSION"]
    async with (
        PHXChannelsClient(URL, os.environ["CLIENT_KEY"], protocol_version=version) as client,
        PHXChannelsClient(URL, os.environ["PROVIDER_KEY"], protocol_version=version) as provider,
    ):
        # With serializer 2.0.0 the client drops every frame without join_ref, and broadcasts have none.
        hears_broadcasts = version == "1.0"
        await task(client, provider, hears_broadcasts=hears_broadcasts)
        await discovery(client, provider, hears_broadcasts=hears_broadcasts)
    say("end")


asyncio.run(main())
