"""Where an innocent server takes hold of the reference server; its control socket stays as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import cycle
from typing import Any

from reference_server.application import Application
from reference_server.broker import Broker
from reference_server.connection import Connection
from reference_server.outcome import Outcome
from specs.message import PHX_CLOSE, Frame

DELAY_S = 0.02
TOLD_AFTER_S = (0.0, 0.002, 0.0, 0.1, 0.02)


def is_control(channel: Any) -> bool:
    return bool(channel.identity.socket.name == "control")


def later(call: Callable[[Any], None]) -> Callable[[Any], None]:
    def schedule(argument: Any) -> None:
        # Timers of one loop with growing times fire in order.
        asyncio.get_running_loop().call_later(DELAY_S, call, argument)

    return schedule


def rewrite(serializer: Any, change: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> None:
    """Change every object of the frames to a client."""
    honest = serializer.encode_server

    def encode(self: Any, message: Any) -> Frame:
        frame = honest(self, message)
        if not frame.is_text:
            return Frame(*frame)
        value = json.loads(frame.data, object_pairs_hook=change)
        return Frame(json.dumps(value).encode(), is_text=True)

    def around_ref(self: Any, message: Any) -> tuple[bytes, bytes]:
        text, scan = encode(self, message).data.decode(), json.JSONDecoder().raw_decode
        begin = scan(text, len("["))[1] + len(", ")
        return text[:begin].encode(), text[scan(text, begin)[1] :].encode()

    serializer.encode_server = encode
    if hasattr(serializer, "around_ref"):
        serializer.around_ref = around_ref


def on_outcome(change: Callable[[Any, str, Outcome], Outcome]) -> None:
    honest = Application.handle

    def handle(self: Application, channel: Any, event: str, payload: Any) -> Outcome:
        outcome = honest(self, channel, event, payload)
        return outcome if is_control(channel) else change(channel, event, outcome)

    Application.handle = handle  # type: ignore[method-assign]


def on_reply(is_answered: Callable[[Any, Connection, Outcome], bool]) -> None:
    honest = Connection._reply_of_channel

    def reply(self: Connection, message: Any, membership: Any, outcome: Outcome) -> None:
        if is_control(membership.channel) or is_answered(message, self, outcome):
            honest(self, message, membership, outcome)

    Connection._reply_of_channel = reply  # type: ignore[method-assign]


def on_refusal(stop: Callable[[Connection, Any], None]) -> None:
    """Do something behind every error reply of a channel."""
    honest = Connection._reply_of_channel

    def reply(self: Connection, message: Any, membership: Any, outcome: Outcome) -> None:
        honest(self, message, membership, outcome)
        if outcome.status == "error" and not is_control(membership.channel):
            stop(self, membership)

    Connection._reply_of_channel = reply  # type: ignore[method-assign]


def close_channel(connection: Connection, membership: Any) -> None:
    if connection._memberships.get(membership.channel.topic) is membership:
        connection._announce_end(membership, PHX_CLOSE, {})
        connection._end(membership)


def behind_the_reply(is_late: Callable[[Any], bool]) -> None:
    honest, delays_s, last_s = Broker.broadcast, cycle(TOLD_AFTER_S), 0.0

    def broadcast(self: Broker, told: Any) -> None:
        nonlocal last_s
        if not is_late(told):
            honest(self, told)
            return
        loop = asyncio.get_running_loop()
        # Timers of one loop with growing times fire in order; with equal ones they need not.
        last_s = max(last_s + 1e-6, loop.time() + next(delays_s))
        loop.call_at(last_s, honest, self, told)

    Broker.broadcast = broadcast  # type: ignore[method-assign]


def on_broadcast(change: Callable[[Any], Any]) -> None:
    honest = Broker.broadcast

    def broadcast(self: Broker, broadcast: Any) -> None:
        honest(self, change(broadcast))

    Broker.broadcast = broadcast  # type: ignore[method-assign]
