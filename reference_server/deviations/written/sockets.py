"""The agent socket and the user socket: where they are, whom they let in, and whom they take a connection for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_decide
from reference_server.handshake import Refuse
from reference_server.outcome import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_AGENT, _USER = "agent", "user"


def _authenticates(server: Assembly, socket_name: str, found: Callable[..., Identity | None]) -> None:
    """Replace who connects to one socket by `found(honest, application, socket, params)`."""

    def authenticate(honest: Any, self: Any, socket: Any, params: Any) -> Any:
        if socket.name != socket_name:
            return honest(self, socket, params)
        return found(lambda others: honest(self, socket, others), self, socket, params)

    server.application = around(server.application, "authenticate", authenticate)


def _routes(server: Assembly, from_socket: str, to_socket: str) -> None:
    """Let connections of one socket join the topics of another as well."""

    def family(honest: Any, self: Any, topic: Any) -> Any:
        found = honest(self, topic)
        if found is not None or self.identity.socket.name != from_socket or not isinstance(topic, str):
            return found
        return self._api.route(to_socket, topic)

    server.connection = around(server.connection, "_family", family)


# The agent socket


@deviation(
    "sockets/agent-path", shows="A handshake with a session_token gets HTTP 404 at the agent socket's path."
)
def serves_session_tokens_elsewhere(server: Assembly) -> None:
    """Know no session tokens at the path of the agent socket."""

    def decide(honest: Any, request: Any, policy: Any) -> Any:
        return Refuse(404) if "session_token=" in request.path else honest(request, policy)

    around_decide(server, decide)


@deviation(
    "sockets/agent-api-key-connects",
    shows="The api_key of an agent is refused once it has connected with its session_token.",
)
def spends_api_key_on_session_token(server: Assembly) -> None:
    """Let a session token take the place of the api_key for good."""
    exchanged: set[str] = set()

    def found(honest: Any, _self: Any, _socket: Any, params: Any) -> Identity | None:
        identity: Identity | None = honest(params)
        if identity is None or ("api_key" in params and identity.agent_id in exchanged):
            return None
        if "session_token" in params:
            exchanged.add(identity.agent_id)
        return identity

    _authenticates(server, _AGENT, found)


@deviation("sockets/agent-session-token-connects", shows="A session_token is refused with HTTP 403.")
def refuses_session_token(server: Assembly) -> None:
    """Take an api_key alone."""
    _authenticates(
        server, _AGENT, lambda honest, _self, _socket, params: honest(params) if "api_key" in params else None
    )


@deviation(
    "sockets/agent-both-credentials-agree",
    shows="An api_key is let in with the session_token of another agent.",
)
def looks_at_api_key_alone(server: Assembly) -> None:
    """Pass over the session_token where there is an api_key."""

    def found(honest: Any, _self: Any, _socket: Any, params: Any) -> Any:
        return honest({"api_key": params["api_key"]} if "api_key" in params else params)

    _authenticates(server, _AGENT, found)


@deviation(
    "sockets/agent-identity-authorizes",
    shows="An agent that names another agent_id in the query is taken for it.",
)
def trusts_agent_id_of_query(server: Assembly) -> None:
    """Believe whoever has any valid credential who it is."""

    def found(honest: Any, _self: Any, socket: Any, params: Any) -> Any:
        identity = honest(params)
        return Identity(socket, params["agent_id"]) if identity and "agent_id" in params else identity

    _authenticates(server, _AGENT, found)


@deviation(
    "sockets/disconnect-closes-all-of-agent",
    shows="A disconnect closes only the oldest connection of an agent.",
)
def disconnects_one_socket(server: Assembly) -> None:
    """Disconnect the first connection with a socket id."""

    def disconnect(_honest: Any, self: Any, socket_id: str) -> None:
        for receiver in tuple(self._sockets.get(socket_id, ()))[:1]:
            receiver.disconnect()

    server.broker = around(server.broker, "disconnect", disconnect)


@deviation(
    "sockets/disconnect-spares-others", shows="A disconnect of one agent closes the connections of all."
)
def disconnects_everybody(server: Assembly) -> None:
    """Disconnect whoever has a socket id."""

    def disconnect(honest: Any, self: Any, _socket_id: str) -> None:
        for socket_id in tuple(self._sockets):
            honest(self, socket_id)

    server.broker = around(server.broker, "disconnect", disconnect)


# The user socket


@deviation("sockets/user-path", shows="The user socket is not where the page says: HTTP 404.")
def serves_user_socket_elsewhere(server: Assembly) -> None:
    """Mount the user socket at another path."""
    moved = replace(server.api.sockets[_USER], paths=("/messages/websocket",))
    server.api = replace(server.api, sockets={**server.api.sockets, _USER: moved})


@deviation("sockets/user-credentials-connect", shows="A session token is refused on the user socket.")
def demands_api_key_on_user_socket(server: Assembly) -> None:
    """Take an api_key for the token of the user socket."""

    def found(_honest: Any, application: Any, socket: Any, params: Any) -> Any:
        agent = application.store.agent_by_api_key(params.get("token", ""))
        is_own = agent is not None and agent.id == params.get("agent_id")
        return Identity(socket, agent.id) if is_own else None

    _authenticates(server, _USER, found)


@deviation(
    "sockets/user-foreign-token-refused", shows="An agent_id is let in with the token of any other agent."
)
def takes_token_of_any_agent(server: Assembly) -> None:
    """Ask of a token only that it is somebody's."""

    def found(_honest: Any, application: Any, socket: Any, params: Any) -> Any:
        is_known = application.store.agent_by_session_token(params.get("token", "")) is not None
        return Identity(socket, params["agent_id"]) if is_known and "agent_id" in params else None

    _authenticates(server, _USER, found)


@deviation("sockets/user-needs-both", shows="A token is let in without an agent_id on the user socket.")
def lets_in_by_token_alone(server: Assembly) -> None:
    """Find the agent by its token where it does not say who it is."""

    def found(honest: Any, application: Any, socket: Any, params: Any) -> Any:
        if "agent_id" in params or "token" not in params:
            return honest(params)
        agent = application.store.agent_by_session_token(params["token"])
        return None if agent is None else Identity(socket, agent.id)

    _authenticates(server, _USER, found)


# Which topics they take


@deviation(
    "sockets/user-single-topic", shows="The topics of the agent socket can be joined on the user socket."
)
def takes_all_topics_on_user_socket(server: Assembly) -> None:
    """Route the topics of the agent socket on the user socket, too."""
    _routes(server, _USER, _AGENT)


@deviation("sockets/sockets-separate", shows="messages:{agent_id} can be joined on the agent socket.")
def takes_messages_on_agent_socket(server: Assembly) -> None:
    """Route the topic of the user socket on the agent socket, too."""
    _routes(server, _AGENT, _USER)
