"""Who may join a session or a payment channel, what the join tells, and who else hears of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around
from reference_server.membership import role_of
from reference_server.outcome import Outcome

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
