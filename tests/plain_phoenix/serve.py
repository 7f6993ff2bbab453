"""A plain Phoenix server with topics of its own, as a process: `python serve.py --port 0`.

It shares no code with the reference server or with `specs`: it is written from the recorded facts (phoenix-wire.md), so that
the suite meets a server that does not have the faults of ours. It follows Phoenix 1.8.12 on Cowboy.

`room:*` can be joined by everybody; `new_msg` goes to all, the sender included, and is answered; `whisper` goes to the
others and is not answered; `ping` is answered with an error; any other event crashes the channel. `crowd` tracks presence.
`vault` refuses everybody.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed

PATH = "/socket/websocket"
UNMATCHED = {"status": "error", "response": {"reason": "unmatched topic"}}
OK: dict[str, Any] = {"status": "ok", "response": {}}


class Undecodable(Exception):
    """No message: the connection process crashes."""


@dataclass
class Message:
    """One message of either serializer."""

    join_ref: Any
    ref: Any
    topic: Any
    event: Any
    payload: Any


def decode(data: str | bytes, vsn: str) -> Message:
    """Read what a client has sent."""
    if isinstance(data, bytes) and vsn == "2":
        return decode_binary(data)
    value = read_json(data)
    if vsn == "2":
        if not isinstance(value, list) or len(value) < 5:
            raise Undecodable
        return Message(*value[:5])
    if not isinstance(value, dict) or not {"topic", "event", "payload", "ref"} <= value.keys():
        raise Undecodable
    return Message(value.get("join_ref"), value["ref"], value["topic"], value["event"], value["payload"])


def read_json(data: str | bytes) -> Any:
    """Read JSON as Jason does: no constants, no infinite numbers, no half surrogate pairs."""

    def refuse(_constant: str) -> None:
        raise Undecodable

    def number(text: str) -> float:
        if abs(float(text)) == float("inf"):
            raise Undecodable
        return float(text)

    try:
        value = json.loads(data, parse_constant=refuse, parse_float=number)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as exc:
        raise Undecodable from exc
    return value


def decode_binary(data: bytes) -> Message:
    """Read a binary push of a client (B-1)."""
    if len(data) < 5 or data[0] != 0:
        raise Undecodable
    fields, at = [], 5
    for size in data[1:5]:
        fields.append(data[at : at + size])
        at += size
    if at > len(data):
        raise Undecodable
    return Message(*(text.decode() for text in fields), data[at:])


def encode(message: Message, vsn: str) -> str:
    """Write what goes to a client."""
    if vsn == "2":
        value: Any = [message.join_ref, message.ref, message.topic, message.event, message.payload]
    else:
        value = {name: getattr(message, name) for name in ("topic", "event", "payload", "ref")}
    return json.dumps(value, ensure_ascii=False)


@dataclass
class Channel:
    """A joined topic of one connection."""

    stored: Any
    """The join_ref as it was sent."""
    join_ref: Any
    """What pushes and replies carry: the join's ref where it had no join_ref."""
    topic: str


class Server:
    """Who is on which topic."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.crowd: dict[str, dict[str, str]] = {}
        self.refs = itertools.count(1)

    def broadcast(self, topic: str, event: str, payload: Any, *, but: Socket | None = None) -> None:
        """Send to everybody on a topic."""
        for socket in self.sockets:
            if topic in socket.channels and socket is not but:
                socket.send(Message(None, None, topic, event, payload))


@dataclass(eq=False)
class Socket:
    """One connection."""

    server: Server
    connection: ServerConnection
    vsn: str
    key: str
    channels: dict[str, Channel] = field(default_factory=dict)
    outbox: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def send(self, message: Message) -> None:
        """Queue a message for the client."""
        self.outbox.put_nowait(encode(message, self.vsn))

    async def write(self) -> None:
        """Send what is queued, in order."""
        while True:
            await self.connection.send(await self.outbox.get())

    async def converse(self) -> None:
        """Handle one message after the other until the client leaves or sends what is none."""
        writer = asyncio.ensure_future(self.write())
        self.server.sockets.append(self)
        try:
            async for data in self.connection:
                self.handle(decode(data, self.vsn))
        except (Undecodable, UnicodeDecodeError, TypeError):
            writer.cancel()
            await self.connection.close(1011)
        except ConnectionClosed:
            pass
        finally:
            writer.cancel()
            self.server.sockets.remove(self)
            for topic in tuple(self.channels):
                self.end(topic)

    def handle(self, message: Message) -> None:
        """Handle one message as Phoenix.Socket does."""
        channel = self.channels.get(message.topic) if isinstance(message.topic, str) else None
        if message.topic == "phoenix" and message.event == "heartbeat":
            self.reply(None, message, OK)
        elif message.event == "phx_join":
            self.join(message, channel)
        elif channel is None:
            is_leave = message.event == "phx_leave"
            self.reply(message.join_ref if is_leave else None, message, OK if is_leave else UNMATCHED)
        elif message.join_ref is not None and not identical(message.join_ref, channel.stored):
            return
        elif message.event == "phx_leave":
            self.reply(channel.stored, message, OK)
            self.close(channel)
        else:
            self.push(message, channel)

    def reply(self, join_ref: Any, message: Message, payload: Any) -> None:
        """Send a reply; after a binary message its refs are texts."""
        self.send(Message(join_ref, message.ref, message.topic, "phx_reply", payload))

    def join(self, message: Message, old: Channel | None) -> None:
        """Join, in the place of an earlier join of the topic."""
        topic = message.topic
        if not isinstance(topic, str) or not (topic.startswith("room:") or topic in {"crowd", "vault"}):
            if isinstance(topic, dict):
                raise Undecodable
            self.reply(None, message, UNMATCHED)
            return
        if old is not None:
            self.end(topic)
        if topic == "vault":
            refusal = {"status": "error", "response": {"reason": "unauthorized"}}
            self.reply(message.join_ref, message, refusal)
        else:
            join_ref = message.ref if message.join_ref is None else message.join_ref
            self.channels[topic] = Channel(message.join_ref, join_ref, topic)
            self.reply(message.join_ref, message, OK)
        if old is not None:
            self.send(Message(old.stored, old.stored, topic, "phx_close", {}))
        if topic in self.channels:
            self.after_join(self.channels[topic])

    def after_join(self, channel: Channel) -> None:
        """Push what a channel pushes to whoever has joined."""
        if channel.topic != "crowd":
            self.send(Message(channel.join_ref, None, channel.topic, "welcome", {"to": channel.topic}))
            return
        ref = f"ref-{next(self.server.refs)}"
        self.server.crowd.setdefault(self.key, {})[ref] = self.key
        self.server.broadcast("crowd", "presence_diff", {"joins": entries({self.key: [ref]}), "leaves": {}})
        present = {key: list(refs) for key, refs in self.server.crowd.items()}
        self.send(Message(channel.join_ref, None, "crowd", "presence_state", entries(present)))

    def end(self, topic: str) -> None:
        """Forget a channel, and tell the crowd."""
        del self.channels[topic]
        if topic == "crowd":
            metas = self.server.crowd[self.key]
            ref = next(iter(metas))
            del metas[ref]
            if not metas:
                del self.server.crowd[self.key]
            gone = {"joins": {}, "leaves": entries({self.key: [ref]})}
            self.server.broadcast("crowd", "presence_diff", gone)

    def close(self, channel: Channel, event: str = "phx_close", payload: Any = None) -> None:
        """End a channel and say so."""
        self.send(Message(channel.stored, channel.stored, channel.topic, event, payload or {}))
        self.end(channel.topic)

    def push(self, message: Message, channel: Channel) -> None:
        """Handle an event as the channel's own code does."""
        if not isinstance(message.payload, dict):
            self.close(channel, "phx_error", {"reason": "channel_crash"})
        elif message.event == "new_msg":
            self.server.broadcast(channel.topic, "new_msg", message.payload)
            self.reply(channel.join_ref, message, OK)
        elif message.event == "whisper":
            self.server.broadcast(channel.topic, "whisper", message.payload, but=self)
        elif message.event == "ping":
            refusal = {"status": "error", "response": {"reason": "not today"}}
            self.reply(channel.join_ref, message, refusal)
        else:
            self.close(channel, "phx_error", {"reason": "channel_crash"})


def identical(left: Any, right: Any) -> bool:
    """Tell whether two refs are equal, their types included."""
    return json.dumps(left) == json.dumps(right)


def entries(refs: dict[str, list[str]]) -> dict[str, Any]:
    """Return presence entries."""
    return {key: {"metas": [{"phx_ref": ref} for ref in of_key]} for key, of_key in refs.items()}


def answer(status: HTTPStatus) -> Response:
    """Return an HTTP response without a body."""
    return Response(status.value, status.phrase, Headers([("Content-Length", "0"), ("Connection", "close")]))


def vsn_of(query: str) -> str | None:
    """Return the major version of the serializer that a query asks for; None where there is none."""
    values = dict(parse_qsl(query, keep_blank_values=True))
    if any(name.startswith("vsn[") for name in values):
        return None
    parts = values.get("vsn", "1.0.0").split(".")
    is_version = len(parts) == 3 and all(part.isdecimal() and str(int(part)) == part for part in parts)
    return parts[0] if is_version and parts[:2] in (["1", "0"], ["2", "0"]) else None


async def accept(_connection: ServerConnection, request: Request) -> Response | None:
    """Answer a handshake before it is one, where it cannot become one."""
    parts = urlsplit(request.path)
    try:
        unquote_to_bytes(parts.query).decode()
    except UnicodeDecodeError:
        return answer(HTTPStatus.BAD_REQUEST)
    if parts.path.rstrip("/") != PATH:
        return answer(HTTPStatus.NOT_FOUND)
    if request.method != "GET":
        return answer(HTTPStatus.BAD_REQUEST)
    return answer(HTTPStatus.FORBIDDEN) if vsn_of(parts.query) is None else None


async def main(port: int) -> None:
    """Serve until the process is ended."""
    server, keys = Server(), itertools.count(1)

    async def converse(connection: ServerConnection) -> None:
        query = urlsplit(connection.request.path).query if connection.request else ""
        await Socket(server, connection, str(vsn_of(query)), f"guest-{next(keys)}").converse()

    async with serve(
        converse,
        "127.0.0.1",
        port,
        process_request=accept,
        compression=None,
        ping_interval=None,
        max_size=10_000_000,
    ) as listening:
        url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        print(f"wireproof serve: listening on {url}", flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[sys.argv.index("--port") + 1])))
