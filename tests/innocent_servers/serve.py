"""Honest servers that use the freedom that the source leaves them, as processes: `python serve.py NAME [options of serve]`.

Each name is a claim about what the server does differently from the reference server, and may do. The control socket, which
is no part of the protocol, stays as it is.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import timedelta
from inspect import isfunction
from itertools import count
from typing import Any

from hooks import (
    behind_the_reply,
    close_channel,
    is_control,
    later,
    on_broadcast,
    on_outcome,
    on_refusal,
    on_reply,
    rewrite,
)

import wireproof
from reference_server.application import Application
from reference_server.broker import Broker
from reference_server.connection import Connection
from reference_server.enforcement import Enforcement
from reference_server.handlers import analytics
from reference_server.outcome import Broadcast, Outcome, Push
from reference_server.presence import PresenceTracker
from specs import json_text
from specs.serializer import V1, V2

FEW_AGENTS = 6


def refuses_in_silence() -> None:
    """A refused event is not answered at all."""
    on_reply(lambda _message, _connection, outcome: outcome.status == "ok")


def crashes_on_malformed_payload() -> None:
    """The channel crashes where no clause of it matches the event or its payload (M-6, M-7)."""

    def crash(_channel: Any, _event: str, outcome: Outcome) -> Outcome:
        if outcome.status == "error" and outcome.response["reason"] in {"invalid_payload", "unknown_event"}:
            raise RuntimeError("no function clause matches")
        return outcome

    on_outcome(crash)


def closes_behind_an_error_reply() -> None:
    """The channel stops in order with every refusal: error reply, then phx_close (L-6)."""
    on_refusal(close_channel)


def closes_late_behind_an_error_reply() -> None:
    """The channel stops with every refusal, and its socket hears of it 2 ms later: what is pushed until then is lost (L-4)."""
    stopped: set[int] = set()
    honest = Connection._push

    def push(self: Connection, message: Any, membership: Any) -> None:
        if membership.channel.number not in stopped:
            honest(self, message, membership)

    def stop(connection: Connection, membership: Any) -> None:
        stopped.add(membership.channel.number)
        asyncio.get_running_loop().call_later(0.002, close_channel, connection, membership)

    Connection._push = push  # type: ignore[method-assign]
    Connection._is_plain_push = lambda *_arguments: False  # type: ignore[method-assign]
    on_refusal(stop)


def echoes_to_sender() -> None:
    """What is relayed goes to its sender, too."""
    on_broadcast(lambda broadcast: replace(broadcast, exclude=None))


def echoes_to_sender_behind_the_reply() -> None:
    """What is relayed goes to the connections of its sender, too, but 2 ms later: behind the reply, as intercepted (BC-3)."""
    honest = Broker.broadcast

    def broadcast(self: Broker, told: Any) -> None:
        sender = told.exclude
        if sender is None:
            honest(self, told)
            return
        honest(self, replace(told, only=frozenset(sender.family.roles) - {sender.role}))
        echo = replace(told, exclude=None, only=frozenset({sender.role}))
        asyncio.get_running_loop().call_later(0.002, honest, self, echo)

    Broker.broadcast = broadcast  # type: ignore[method-assign]


def relays_behind_the_reply() -> None:
    """What is relayed leaves at once or up to 100 ms after the reply to its push, in order: as intercepted (BC-3)."""
    behind_the_reply(lambda told: told.exclude is not None)


def broadcasts_behind_the_reply() -> None:
    """So does what is broadcast, but for presence: as intercepted, too (BC-3)."""
    behind_the_reply(lambda told: told.event != "presence_diff")


def relays_to_the_other_role_only() -> None:
    """What is relayed goes to no connection of its sender's, be it on the topic as well."""

    def narrow(broadcast: Any) -> Any:
        sender = broadcast.exclude
        if sender is None:
            return broadcast
        return replace(broadcast, only=frozenset(sender.family.roles) - {sender.role})

    on_broadcast(narrow)


def adds_members_to_relays() -> None:
    """A relayed payload has members that the sender did not write."""

    def add(broadcast: Any) -> Any:
        if broadcast.exclude is None:
            return broadcast
        return replace(broadcast, payload={**broadcast.payload, "relayed_at": "2026-11-22T10:00:00Z"})

    on_broadcast(add)


def uses_other_reasons() -> None:
    """Refusals have reasons in words of their own, and every response has members of its own."""

    def reword(_channel: Any, _event: str, outcome: Outcome) -> Outcome:
        return _reworded(outcome)

    on_outcome(reword)
    honest = Application.join

    def join(self: Application, channel: Any, payload: Any) -> Outcome:
        outcome = honest(self, channel, payload)
        return outcome if is_control(channel) else _reworded(outcome)

    Application.join = join  # type: ignore[method-assign]


def answers_slowly() -> None:
    """Whatever is sent to a client leaves 20 ms later, in the same order."""
    honest = Connection.__init__

    def init(self: Connection, backend: Any, identity: Any, serializer: Any, send: Any, close: Any) -> None:
        if identity.socket.name != "control":
            send, close = later(send), later(close)
        honest(self, backend, identity, serializer, send, close)

    Connection.__init__ = init  # type: ignore[method-assign]


def pushes_extra_events() -> None:
    """Every third accepted event is followed by an event that the documents do not have."""
    numbers = count(1)

    def push(_channel: Any, _event: str, outcome: Outcome) -> Outcome:
        if outcome.status != "ok" or next(numbers) % 3:
            return outcome
        return replace(outcome, pushes=(*outcome.pushes, Push("server_notice", {"text": "thank you"})))

    on_outcome(push)


def sends_presence_state_first() -> None:
    """A newcomer gets the snapshot before the diff about itself."""
    honest = Connection._after_join

    def after_join(self: Connection, channel: Any, outcome: Outcome) -> None:
        membership = self._memberships.get(channel.topic)
        if membership is not None:
            self._push_all(membership, outcome)
        honest(self, channel, replace(outcome, pushes=()))

    Connection._after_join = after_join  # type: ignore[method-assign]


def sends_presence_state_twice() -> None:
    """A newcomer gets the snapshot once more."""
    honest = Application._arrival

    def arrival(self: Application, ctx: Any) -> Any:
        diffs = honest(self, ctx)
        ctx.pushes.extend(tuple(ctx.pushes))
        return diffs

    Application._arrival = arrival  # type: ignore[method-assign]


def makes_few_agents() -> None:
    """Refuse to make more than six agents, as an operator's quota does."""
    made = count()
    honest = Application.handle

    def handle(self: Application, channel: Any, event: str, payload: Any) -> Outcome:
        if event == "create_agent" and next(made) >= FEW_AGENTS:
            return Outcome("error", {"reason": "quota_exceeded"})
        return honest(self, channel, event, payload)

    Application.handle = handle  # type: ignore[method-assign]


def reorders_json_keys() -> None:
    """The members of every object stand in the opposite order."""
    for serializer in (V1, V2):
        rewrite(serializer, lambda pairs: dict(reversed(pairs)))


def replies_nothing_to_ok_events() -> None:
    """An accepted event that has a relay or a broadcast shows by that alone."""

    def is_answered(message: Any, connection: Connection, outcome: Outcome) -> bool:
        family = connection._family(message.topic)
        event = None if family is None else family.events.get(message.event)
        return outcome.status != "ok" or event is None or not (event.relay or event.broadcasts)

    on_reply(is_answered)


def replies_to_every_other_announcement() -> None:
    """Every other accepted announcement shows by its broadcast alone."""
    numbers = count(1)
    on_reply(lambda message, _connection, _outcome: message.event != "announce" or bool(next(numbers) % 2))


def writes_whole_numbers_as_decimals() -> None:
    """A whole number in a payload is written with a decimal point: 1.0 for 1, the same number in JSON."""

    def written(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: float(value) if type(value) is int else value for name, value in pairs}

    rewrite(V2, written)


def says_when_it_tells() -> None:
    """Messages and metrics have a member more, which says when they were sent: another one each time."""
    numbers = count(1)

    def told(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        is_told = {"inserted_at", "tasks_completed"} & members.keys()
        return {**members, "told_at": next(numbers)} if is_told else members

    for serializer in (V1, V2):
        rewrite(serializer, told)


def takes_first_of_repeated_members() -> None:
    """Of a member that is named twice the first value counts, as Phoenix reads it, signed or not."""
    Enforcement.check_members_once = lambda _self, _payload: None  # type: ignore[method-assign]


def takes_last_of_repeated_members() -> None:
    """Of a member that is named twice the last value counts, as most parsers read it."""
    json_text.decode_first_wins = json_text.decode


def closes_on_repeated_members() -> None:
    """JSON that names a member twice is no JSON."""

    def decode(text: bytes | str) -> Any:
        return json_text.decode_strict(text)

    json_text.decode_first_wins = decode


def tells_figures_late() -> None:
    """What has happened shows in the figures of the analytics 60 ms later, in those of longer periods later still."""
    honest = analytics._counts

    def counts(ctx: Any, period: Any) -> Any:
        until = ctx.now - timedelta(milliseconds=60 * (1 + list(analytics.PERIODS).index(period)))
        return [count for count in honest(ctx, period) if count.happening.at <= until]

    analytics._counts = counts


def sends_presence_state_before_tracking() -> None:
    """A newcomer is not in its own snapshot, but in the diff behind it; another agent has been there all the time."""
    resident = {"metas": [{"phx_ref": "resident", "online_at": 1, "metadata": {}, "status": "online"}]}
    honest = Application._arrival

    def arrival(self: Application, ctx: Any) -> Any:
        before = self._presence.state(ctx.channel.topic)
        diffs = honest(self, ctx)
        ctx.pushes[-1] = Push("presence_state", {**before, "resident": resident})
        return diffs

    Application._arrival = arrival  # type: ignore[method-assign]
    sends_presence_state_first()


def sends_presence_diffs_late() -> None:
    """Diffs come 150 ms later, as from another node; a meta tells the version of what an agent says of itself, not the words."""
    honest, track, update = Broker.broadcast, PresenceTracker.track, PresenceTracker.update
    versions = count(1)

    def broadcast(self: Broker, told: Any) -> None:
        if told.event == "presence_diff":
            asyncio.get_running_loop().call_later(0.15, honest, self, told)
        else:
            honest(self, told)

    def shown(meta: Any) -> dict[str, Any]:
        told = {name: value for name, value in meta.items() if name != "metadata"}
        return {**told, "version": next(versions)} if "metadata" in meta else told

    Broker.broadcast = broadcast  # type: ignore[method-assign]
    PresenceTracker.track = lambda self, channel, key, meta: track(self, channel, key, shown(meta))  # type: ignore[method-assign]
    PresenceTracker.update = lambda self, channel, changes: update(self, channel, shown(changes))  # type: ignore[method-assign]


def changes_presence_late() -> None:
    """What an agent changes of its presence shows 150 ms after the reply, as on another node."""
    brokers: list[Broker] = []
    init = Broker.__init__

    def begin(self: Broker, *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options)
        brokers.append(self)

    def change(self: Application, channel: Any, changes: Any) -> None:
        diff = self._presence.update(channel, changes)
        for broker in brokers if diff is not None else ():
            broker.broadcast(Broadcast(channel.topic, "presence_diff", diff))

    def update(self: Application, ctx: Any) -> tuple[()]:
        if ctx.presence_changes:
            changes = dict(ctx.presence_changes)
            asyncio.get_running_loop().call_later(0.15, change, self, ctx.channel, changes)
        return ()

    Broker.__init__ = begin  # type: ignore[method-assign]
    Application._presence_update = update  # type: ignore[method-assign,assignment]


def _reworded(outcome: Outcome) -> Outcome:
    if not isinstance(outcome.response, dict):
        return outcome
    response = {**outcome.response, "request_id": "r-1"}
    if outcome.status == "error":
        response["reason"] = f"sorry: {outcome.response['reason'].replace('_', ' ')}"
    return replace(outcome, response=response)


WAYS = {
    name.replace("_", "-"): way
    for name, way in tuple(vars().items())
    if isfunction(way) and way.__module__ == __name__ and not name.startswith("_")
}

if __name__ == "__main__":
    WAYS[sys.argv[1]]()
    sys.argv[1:] = ["serve", *sys.argv[2:]]
    wireproof.main()
