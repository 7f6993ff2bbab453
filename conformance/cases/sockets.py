"""The agent socket and the user socket: where they are, whom they let in, whom they take a connection for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.case import PHOENIX
from conformance.client.wire import HandshakeRefused, Unreachable
from conformance.faults import CannotProvision, CannotTell, Violation
from conformance.verbs.conversation import conversation, is_restricted
from conformance.verbs.expectations import join_refused
from conformance.verbs.handshakes import (
    FORBIDDEN,
    control,
    credentials,
    http_answer,
    kept_out,
    let_in,
    url_of,
)
from conformance.verbs.observations import phoenix_case
from conformance.written import case

if TYPE_CHECKING:
    from conformance.client.peer import Peer
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.provision import Agent
    from conformance.verbs.handshakes import Params
    from specs.model import Topic

_V2 = ("vsn", "2.0.0")
_AGENT, _USER = "agent", "user"
_NOT_FOUND = 404


def _url(lab: Lab, socket: str, params: Params) -> str:
    return url_of(lab, lab.api.sockets[socket], [*params, _V2])


def _connects(lab: Lab, requirement: str, socket: str, params: Params, what: str) -> Peer:
    return let_in(lab, requirement, _url(lab, socket, params), what, socket=lab.api.sockets[socket])


def _user_params(agent: Agent, token: Agent | None = None) -> list[tuple[str, str]]:
    pairs = agent.credentials(frozenset({"agent_id", "token"}))
    return list({**pairs, "token": (token or agent).session_token}.items())


def _own(agent: Agent, *names: str) -> list[tuple[str, str]]:
    return list(agent.credentials(frozenset(names)).items())


# The agent socket


@phoenix_case("sockets/agent-path")
def agent_path(lab: Lab) -> None:
    """The agent socket is where the page says, or where the profile says that it is, for each credential."""
    rule, agent = "sockets/agent-path", lab.agent("agent")
    _connects(lab, rule, _AGENT, _own(agent, "api_key"), "an agent at the agent socket's path")
    # Whether the credential is taken is another question.
    answer = http_answer(lab, _url(lab, _AGENT, _own(agent, "session_token")))
    is_there = answer is None or answer.status != _NOT_FOUND
    lab.demand(is_there, rule, "the agent socket's path is found with a session_token", answer)


@phoenix_case("sockets/agent-api-key-connects")
def agent_api_key(lab: Lab) -> None:
    """An agent connects with its api_key, also after it has connected with its session_token."""
    rule, agent = "sockets/agent-api-key-connects", lab.agent("agent")
    own = _own(agent, "api_key")
    _connects(lab, rule, _AGENT, own, "an agent with its api_key").wire.close()
    # Whether a session_token is let in is another question.
    http_answer(lab, _url(lab, _AGENT, _own(agent, "session_token")))
    _connects(lab, rule, _AGENT, own, "an agent with its api_key after its session_token")


@phoenix_case("sockets/agent-session-token-connects")
def agent_session_token(lab: Lab) -> None:
    """An agent connects with its session_token."""
    agent = lab.agent("agent")
    params = _own(agent, "session_token")
    _connects(lab, "sockets/agent-session-token-connects", _AGENT, params, "an agent with its session_token")


@phoenix_case("sockets/agent-both-credentials-agree")
def both_credentials(lab: Lab) -> None:
    """Both credentials of one agent are let in, those of two agents are not."""
    rule = "sockets/agent-both-credentials-agree"
    one, other = lab.agent("one"), lab.agent("other")
    for token, is_right in ((one, True), (other, False)):
        params = [*_own(one, "api_key"), *_own(token, "session_token")]
        is_in = _is_let_in(lab, _url(lab, _AGENT, params))
        whose = "one agent" if is_right else "two agents"
        expected = f"an api_key and a session_token of {whose} are {'let in' if is_right else 'refused'}"
        lab.demand(is_in is is_right, rule, expected, "let in" if is_in else "refused")


def _is_let_in(lab: Lab, url: str) -> bool:
    try:
        lab.open(url, "both credentials")
    except HandshakeRefused:
        return False
    except Unreachable as exc:
        raise CannotTell(str(exc)) from exc
    return True


@phoenix_case("sockets/agent-identity-authorizes")
def identity_authorizes(lab: Lab) -> None:
    """A stranger that names a participant, in the query and in the join, is authorized as itself."""
    rule = "sockets/agent-identity-authorizes"
    talk = conversation(lab, wants=_is_made_for_its_cast)
    member, stranger = talk.stage.agents[talk.by], lab.agent("stranger")
    claim = ("agent_id", member.agent_id)
    control(lab, lab.api.sockets[_AGENT], stranger)
    try:
        wire = lab.open(
            _url(lab, _AGENT, [*credentials(stranger, lab.api.sockets[_AGENT]), claim]), "stranger"
        )
    except HandshakeRefused:
        # To refuse the claim at the door is as good.
        return
    except Unreachable as exc:
        raise CannotTell(str(exc)) from exc
    peer = lab.peer(wire, socket=_AGENT)
    for payload in ({}, dict([claim])):
        answer = peer.join(talk.topic, payload)
        if answer.kind == "silence":
            raise CannotTell(f"the join of {talk.topic} by a stranger is not answered")
        if answer.kind != "error":
            raise Violation(rule, f"a stranger that names {talk.by} may not join {talk.topic}", str(answer))


def _is_made_for_its_cast(family: Topic) -> bool:
    return family.socket == _AGENT and family.fixture.create == "resource" and is_restricted(family)


@phoenix_case(
    "sockets/disconnect-closes-all-of-agent",
    "sockets/disconnect-closes-all-of-agent",
    "sockets/disconnect-spares-others",
)
def disconnect_closes_all(lab: Lab) -> None:
    """A disconnect closes every connection of the agent, with and without a joined channel."""
    rule = "sockets/disconnect-closes-all-of-agent"
    talk = conversation(lab)
    agent = talk.stage.agents[talk.by]
    idle = [talk.connect(talk.by, f"{talk.by} idle {number}") for number in (1, 2)]
    for peer in idle:
        peer.sync()
    _disconnect(lab, agent)
    for peer in (talk.peer, *idle):
        if peer.wait_closed() is None:
            raise Violation(rule, f"{peer.name} is closed by a disconnect of its agent", "it stays open")
    control(lab, lab.api.sockets[_AGENT], agent)


@phoenix_case("sockets/disconnect-spares-others")
def disconnect_spares_others(lab: Lab) -> None:
    """A disconnect of one agent leaves the connections of others open, and their channels joined."""
    rule = "sockets/disconnect-spares-others"
    talk = conversation(lab)
    agent, other = lab.agent("agent"), lab.agent("other")
    gone, spared = (lab.connect(who, socket=_AGENT) for who in (agent, other))
    _disconnect(lab, agent)
    if gone.wait_closed() is None:
        raise CannotTell("a disconnect does not close the agent's own connection")
    for peer in (spared, *talk.stage.peers.values()):
        answer = peer.sync()
        if answer.kind != "ok":
            raise Violation(
                rule, f"{peer.name} stays connected when another agent is disconnected", str(answer)
            )
    talk.demand_taken(rule, "the channel of another agent goes on")


def _disconnect(lab: Lab, agent: Agent) -> None:
    lab.bench.provisioner.request("disconnect_agent", {"agent_id": agent.agent_id})


# The user socket


@phoenix_case("sockets/user-path")
def user_path(lab: Lab) -> None:
    """The user socket is where the page says, or where the profile says that it is."""
    _connects(
        lab,
        "sockets/user-path",
        _USER,
        _user_params(lab.agent("agent")),
        "an agent at the user socket's path",
    )


@phoenix_case("sockets/user-credentials-connect")
def user_credentials(lab: Lab) -> None:
    """An agent connects to the user socket with its agent_id and its session token."""
    params = _user_params(lab.agent("agent"))
    _connects(lab, "sockets/user-credentials-connect", _USER, params, "an agent with agent_id and token")


@phoenix_case(
    "sockets/user-foreign-token-refused",
    "sockets/user-foreign-token-refused",
    "handshake/credential-refusal-is-403",
)
def user_foreign_token(lab: Lab) -> None:
    """The token of another agent is refused on the user socket."""
    one, other = lab.agent("one"), lab.agent("other")
    for agent in (one, other):
        control(lab, lab.api.sockets[_USER], agent)
    _refused(
        lab,
        "sockets/user-foreign-token-refused",
        _user_params(one, other),
        "an agent_id with another's token",
    )


@phoenix_case("sockets/user-needs-both", "sockets/user-needs-both", "handshake/credential-refusal-is-403")
def user_needs_both(lab: Lab) -> None:
    """A connection to the user socket without agent_id or without token is refused."""
    agent = lab.agent("agent")
    control(lab, lab.api.sockets[_USER], agent)
    params = _user_params(agent)
    for left, what in (
        (params[:1], "an agent_id alone"),
        (params[1:], "a token alone"),
        ([], "neither of both"),
    ):
        _refused(lab, "sockets/user-needs-both", left, what)


@case(
    "handshake/bad-credential-refused/user-socket",
    "handshake/bad-credential-refused",
    "handshake/credential-refusal-is-403",
    topic=PHOENIX,
)
def user_wrong_token(lab: Lab) -> None:
    """A wrong token is refused on the user socket."""
    agent = lab.agent("agent")
    control(lab, lab.api.sockets[_USER], agent)
    for wrong in ("", lab.unique("wrong"), f"{agent.session_token}x"):
        params = [("agent_id", agent.agent_id), ("token", wrong)]
        _refused(lab, "handshake/bad-credential-refused", params, "a wrong token")


def _refused(lab: Lab, requirement: str, params: Params, what: str) -> None:
    status = kept_out(lab, requirement, _url(lab, _USER, params), what)
    lab.demand(
        status == FORBIDDEN, "handshake/credential-refusal-is-403", f"{what} gets HTTP 403", f"HTTP {status}"
    )


# Which topics they take


def _demand_two_paths(lab: Lab) -> None:
    """Go on only where the two sockets can be told apart.

    Raises:
        CannotProvision: If the deployment serves both on one path.

    """
    endpoint = lab.bench.endpoint
    if endpoint.socket_url(lab.api, _AGENT) == endpoint.socket_url(lab.api, _USER):
        raise CannotProvision("the deployment serves both sockets on one path")


@phoenix_case("sockets/user-single-topic")
def user_single_topic(lab: Lab) -> None:
    """The user socket takes its own topic and refuses every topic of the agent socket."""
    rule = "sockets/user-single-topic"
    _demand_two_paths(lab)
    talk = conversation(lab, wants=lambda family: family.socket == _AGENT)
    member = talk.stage.agents[talk.by]
    peer = lab.connect(member, socket=_USER, name="user socket")
    own = peer.join(_messages(lab).topic_of(member.agent_id))
    if own.kind != "ok":
        raise CannotTell(f"the user socket's own topic cannot be joined: {own}")
    topics = [family.topic_of(member.agent_id) for family in lab.api.topics_of(_AGENT)]
    for topic in [talk.topic, *topics, lab.unique("wireproof:")]:
        join_refused(peer, topic, rule, "a connection of the user socket")


@phoenix_case("sockets/sockets-separate")
def sockets_separate(lab: Lab) -> None:
    """The agent socket does not take the topic of the user socket."""
    rule, agent = "sockets/sockets-separate", lab.agent("agent")
    _demand_two_paths(lab)
    topic = _messages(lab).topic_of(agent.agent_id)
    if lab.connect(agent, socket=_USER, name="user socket").join(topic).kind != "ok":
        raise CannotTell(f"{topic} cannot be joined on the user socket")
    answer = lab.connect(agent, socket=_AGENT, name="agent socket").join(topic)
    lab.demand(answer.kind == "error", rule, f"the join of {topic} on the agent socket is refused", answer)


def _messages(lab: Lab) -> Topic:
    families = lab.api.topics_of(_USER)
    if not families:
        raise CannotProvision("the documents have no topic on the user socket")
    return families[0]
