"""The channel side of the server: who may connect and join, and what an event does.

The documents decide nearly all of it (`enforcement`); the modules of `handlers` add the effects that data cannot say. Each
join and each event is one transaction: a refused one leaves no trace.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import reference_server.handlers  # noqa: F401 - its modules enter their effects in the registry
from reference_server import registry
from reference_server.context import Context, Refused, Surroundings
from reference_server.enforcement import Enforcement, follow_up
from reference_server.identifiers import Identifiers, credential_digest
from reference_server.limits import Limits
from reference_server.membership import OPERATOR, needs_resource, role_of
from reference_server.outcome import Broadcast, Channel, Identity, Outcome
from reference_server.plain_events import PlainEvents, rules_of
from reference_server.presence import PRESENCE_DIFF, PRESENCE_STATE, PresenceTracker
from reference_server.records import Agent, Resource
from reference_server.store import MemoryStore, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from specs.model import Api, Event, Socket, Topic

UNAUTHORIZED = "unauthorized"
_utc_now = partial(datetime.now, UTC)


class Application:
    """The channels of an API over a store.

    Args:
        api: The protocol.
        store: Where records are kept; a new one in memory when None.
        seed: Makes ids and credentials reproducible; None makes them unpredictable.
        run: Label of the run; with one seed, another label gives other ids and credentials.
        control_token: What an operator must show; None refuses every operator.
        now: The clock, in UTC.
        effects: What joins and events do; what `handlers` have entered by default.
        enforcement: Enforces the documents.
        presence: Tracks who is where.
        limits: How much may be kept; what the documents say when None.

    """

    def __init__(
        self,
        api: Api,
        *,
        store: Store | None = None,
        seed: int | None = None,
        run: str = "",
        control_token: str | None = None,
        now: Callable[[], datetime] = _utc_now,
        effects: registry.Effects = registry.REGISTERED,
        enforcement: type[Enforcement] = Enforcement,
        presence: type[PresenceTracker] = PresenceTracker,
        limits: Limits | None = None,
    ) -> None:
        self.api = api
        self.store: Store = MemoryStore() if store is None else store
        self._identifiers = Identifiers(seed, run)
        self._control_token = control_token
        self._now = now
        self._effects = effects
        self._enforcement = enforcement(api)
        is_honest = type(self) is Application and enforcement is Enforcement
        rules = rules_of(api, effects.events, self._enforcement.fits) if is_honest else {}
        self.plain_events = PlainEvents(rules, self.store.resource_by_topic)
        self._presence = presence(self._identifiers)
        self._surroundings = Surroundings(
            api,
            self.store,
            self._identifiers,
            self._enforcement.check_params,
            effects.creations,
            limits or Limits.of(api),
        )

    def authenticate(self, socket: Socket, params: Mapping[str, str]) -> Identity | None:
        """Return who connects with these query parameters; None refuses the connection.

        Every complete set of credentials that is given must name the same agent (`reading.md` section 2).
        """
        given = [names for names in socket.credentials if all(name in params for name in names)]
        if socket.identity == OPERATOR:
            is_operator = any(self._is_control_token(params[name]) for names in given for name in names)
            return Identity(socket, OPERATOR) if is_operator else None
        agents = {self._credited_agent(names, params) for names in given}
        agent_id = agents.pop() if len(agents) == 1 else None
        return None if agent_id is None else Identity(socket, agent_id)

    def join(self, channel: Channel, payload: Any) -> Outcome:
        """Admit a channel, setting its role, or refuse it with the same answer for unknown topics and outsiders."""
        family = channel.family
        role = role_of(self.store, family, channel.identity, channel.topic)
        if role is None:
            return Outcome("error", {"reason": UNAUTHORIZED})
        channel.role = role
        effect = self._effects.joins.get(family.name)
        try:
            ctx = self._context(channel, self._enforcement.check_join_payload(family, payload))
            with self.store.transaction():
                response = effect(ctx) if effect else None
        except Refused as refusal:
            return Outcome("error", refusal.response)
        late = self._arrival(ctx) if family.presence else ()
        return self._outcome(ctx, response, late)

    def handle(self, channel: Channel, event: str, payload: Any) -> Outcome:
        """Carry out one event: enforce the documents, run its effect, relay it, move the state, answer it."""
        told = self.plain_events.told(channel, event, payload)
        if told is not None:
            return Outcome(broadcasts=told)
        try:
            known = self._enforcement.event_of(channel.family, event)
            ctx = self._context(
                channel, self._enforcement.check_payload(channel.family, known, payload), known
            )
            with self.store.transaction():
                response = self._carry_out(ctx, known)
        except Refused as refusal:
            return Outcome("error", refusal.response)
        return self._outcome(ctx, response, self._presence_update(ctx))

    def leave(self, channel: Channel) -> tuple[Broadcast, ...]:
        """Forget a channel that has ended for whatever reason; returns what the others are told."""
        diff = self._presence.untrack(channel)
        return () if diff is None else (Broadcast(channel.topic, PRESENCE_DIFF, diff),)

    def _carry_out(self, ctx: Context, event: Event) -> Mapping[str, Any] | None:
        self._enforcement.check(ctx, event)
        effect = self._effects.events.get((ctx.family.name, event.event))
        response = None
        if effect is not None:
            response = effect(ctx)
        else:
            for name in event.broadcasts:
                ctx.broadcast(name, ctx.payload)
        follow_up(ctx, event)
        if event.relay is not None and ctx.is_relayed:
            relayed = ctx.payload
            if event.relay.add:
                relayed = {**relayed, **dict.fromkeys(event.relay.add, ctx.agent_id)}
            ctx.broadcasts.insert(0, Broadcast(ctx.channel.topic, event.event, relayed, exclude=ctx.channel))
        return response

    def _context(self, channel: Channel, payload: Mapping[str, Any], event: Event | None = None) -> Context:
        now = self._now()
        resource = self._resource(channel.family, channel.topic, now)
        return Context(self._surroundings, now, channel, payload, resource, event)

    def _resource(self, family: Topic, topic: str, now: datetime) -> Resource:
        resource = self.store.resource_by_topic(topic)
        if resource is None and needs_resource(family):
            raise Refused(UNAUTHORIZED)
        if resource is None:
            variable = family.variable_of(topic) or ""
            return Resource(family.name, variable, topic, family.initial_state, {}, now)
        return resource

    def _outcome(
        self, ctx: Context, response: Mapping[str, Any] | None, late_broadcasts: tuple[Broadcast, ...]
    ) -> Outcome:
        if ctx.assigns:
            ctx.channel.assigns.update(ctx.assigns)
        return Outcome(
            response={} if response is None else response,
            broadcasts=tuple(ctx.broadcasts),
            pushes=tuple(ctx.pushes),
            late_broadcasts=late_broadcasts,
            disconnect=frozenset(ctx.disconnects),
        )

    def _arrival(self, ctx: Context) -> tuple[Broadcast, ...]:
        agent = self.store.agent(ctx.agent_id)
        meta = {
            "online_at": int(ctx.now.timestamp()),
            "metadata": agent.metadata if agent else {},
            "status": agent.status if agent else "online",
        }
        diff = self._presence.track(ctx.channel, ctx.agent_id, meta)
        ctx.push(PRESENCE_STATE, self._presence.state(ctx.channel.topic))
        return (Broadcast(ctx.channel.topic, PRESENCE_DIFF, diff),)

    def _presence_update(self, ctx: Context) -> tuple[Broadcast, ...]:
        diff = self._presence.update(ctx.channel, ctx.presence_changes) if ctx.presence_changes else None
        return () if diff is None else (Broadcast(ctx.channel.topic, PRESENCE_DIFF, diff),)

    def _is_control_token(self, token: str) -> bool:
        is_same = _is_same(token, self._control_token or "")
        return is_same and bool(self._control_token)

    def _credited_agent(self, names: frozenset[str], params: Mapping[str, str]) -> str | None:
        finder = _FINDERS.get(names)
        agent = None if finder is None else finder(self.store, params)
        return None if agent is None else agent.id


def _is_same(given: str, expected: str) -> bool:
    # The comparison takes the time of its lengths, so what it is given always has the same.
    return hmac.compare_digest(credential_digest(given), credential_digest(expected))


def _by_api_key(store: Store, params: Mapping[str, str]) -> Agent | None:
    agent = store.agent_by_api_key(params["api_key"])
    return _if_same(params["api_key"], agent, "" if agent is None else agent.api_key)


def _by_session_token(store: Store, params: Mapping[str, str]) -> Agent | None:
    agent = store.agent_by_session_token(params["session_token"])
    return _if_same(params["session_token"], agent, "" if agent is None else agent.session_token)


def _by_id_and_token(store: Store, params: Mapping[str, str]) -> Agent | None:
    agent = store.agent(params["agent_id"])
    return _if_same(params["token"], agent, "" if agent is None else agent.session_token)


def _if_same(given: str, agent: Agent | None, expected: str) -> Agent | None:
    # Compared for an agent that does not exist as well: how long it takes does not tell.
    is_same = _is_same(given, expected)
    return agent if is_same and expected else None


_FINDERS: dict[frozenset[str], Callable[[Store, Mapping[str, str]], Agent | None]] = {
    frozenset({"api_key"}): _by_api_key,
    frozenset({"session_token"}): _by_session_token,
    frozenset({"agent_id", "token"}): _by_id_and_token,
}
