"""Who may join a session or a payment channel, what the join tells, and who else hears of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_join, with_topic
from reference_server.membership import role_of
from reference_server.outcome import Outcome
from reference_server.records import Resource
from specs.model import Role

if TYPE_CHECKING:
    from reference_server.assembly import Assembly

_REFUSED = Outcome("error", {"reason": "unauthorized"})


def _waits_for_first(server: Assembly, family: str, first: str) -> None:
    """Refuse every other role until the first one has joined a topic."""
    begun: set[str] = set()

    def join(honest: Any, self: Any, channel: Any, payload: Any) -> Any:
        if channel.family.name != family:
            return honest(self, channel, payload)
        role = role_of(self.store, channel.family, channel.identity, channel.topic)
        if role == first:
            begun.add(channel.topic)
        return honest(self, channel, payload) if channel.topic in begun else _REFUSED

    server.application = around(server.application, "join", join)


@deviation("negotiation/participants-join", shows="The provider cannot join a session before the client.")
def lets_client_join_first(server: Assembly) -> None:
    """Begin a session with the join of its client."""
    _waits_for_first(server, "negotiation", "client")


@deviation("payment/parties-join", shows="Party b cannot join a channel before party a.")
def lets_party_a_join_first(server: Assembly) -> None:
    """Begin a channel with the join of party a."""
    _waits_for_first(server, "payment", "a")


def _admits_everybody(server: Assembly, family: str) -> None:
    topic = server.api.topics[family]
    observer = Role("observer", "any", "Whoever wants to look on.")
    server.api = with_topic(
        server.api,
        family,
        roles={**topic.roles, observer.name: observer},
        join=replace(topic.join, roles=(*topic.join.roles, observer.name)),
    )


@deviation("negotiation/join-participants-only", shows="Every agent can join a session and listen.")
def lets_everybody_watch_negotiation(server: Assembly) -> None:
    """Admit agents without a part in a session as observers."""
    _admits_everybody(server, "negotiation")


@deviation("payment/join-parties-only", shows="Every agent can join a payment channel and listen.")
def lets_everybody_watch_payments(server: Assembly) -> None:
    """Admit agents without a part in a channel as observers."""
    _admits_everybody(server, "payment")


def _makes_what_is_joined(server: Assembly, family: str) -> None:
    """Make the resource of an unknown topic; whoever joins first has its first role."""

    def join(honest: Any, self: Any, channel: Any, payload: Any) -> Any:
        topic = channel.family
        if topic.name == family and self.store.resource_by_topic(channel.topic) is None:
            data = self._effects.creations[family](None, topic.fixture.values)
            roles = {next(iter(topic.roles)): channel.identity.agent_id}
            variable = topic.variable_of(channel.topic)
            made = Resource(
                family,
                variable,
                channel.topic,
                topic.initial_state,
                roles,
                self._now(),
                data,
            )
            with self.store.transaction():
                self.store.put_resource(made)
        return honest(self, channel, payload)

    server.application = around(server.application, "join", join)


@deviation("negotiation/unknown-session-refused", shows="A session that does not exist can be joined.")
def makes_session_that_is_joined(server: Assembly) -> None:
    """Make an unknown session for the agent that joins it."""
    _makes_what_is_joined(server, "negotiation")


@deviation("payment/unknown-channel-refused", shows="A payment channel that does not exist can be joined.")
def makes_channel_that_is_joined(server: Assembly) -> None:
    """Make an unknown payment channel for the agent that joins it."""
    _makes_what_is_joined(server, "payment")


@deviation("negotiation/join-reply-state", shows="The reply to a join does not tell how the session stands.")
def joins_session_without_status(server: Assembly) -> None:
    """Tell the id of a session and nothing else."""
    around_join(server, "negotiation", lambda _honest, ctx: {"session": {"id": ctx.resource.id}})


@deviation("payment/join-reply-state", shows="The reply to a join does not tell the balances.")
def joins_channel_without_balances(server: Assembly) -> None:
    """Tell the id and the status of a channel and nothing else."""

    def join(_honest: Any, ctx: Any) -> Any:
        return {"channel": {"id": ctx.resource.id, "status": ctx.resource.state}}

    around_join(server, "payment", join)


def _lets_refused_hear(server: Assembly, family: str) -> None:
    """Subscribe whoever joins a topic before the join is refused."""

    def admit(honest: Any, self: Any, channel: Any, message: Any) -> Any:
        outcome = honest(self, channel, message)
        is_refused = outcome is not None and outcome.status != "ok"
        if is_refused and channel.family.name == family:
            self._broker.subscribe(channel, self)
        return outcome

    server.connection = around(server.connection, "_admit", admit)


@deviation(
    "negotiation/no-relay-to-outsider",
    shows="An agent whose join of a session was refused hears its offers.",
)
def tells_refused_agents_of_offers(server: Assembly) -> None:
    """Subscribe an outsider to a session before looking who it is."""
    _lets_refused_hear(server, "negotiation")


@deviation(
    "payment/no-relay-to-outsider",
    shows="An agent whose join of a payment channel was refused hears its transfers.",
)
def tells_refused_agents_of_transfers(server: Assembly) -> None:
    """Subscribe an outsider to a payment channel before looking who it is."""
    _lets_refused_hear(server, "payment")
