"""The verbs for what opens a socket: URLs with any query, what is let in, and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from conformance.client.plain_http import UPGRADE, HttpAnswer, ask
from conformance.client.steps import Asked
from conformance.client.wire import HandshakeRefused, Unreachable
from conformance.faults import CannotProvision, CannotTell, Violation
from conformance.verbs.observations import naming

if TYPE_CHECKING:
    from conformance.client.peer import Peer
    from conformance.endpoint import Endpoint
    from conformance.fixtures.lab import Lab
    from conformance.fixtures.provision import Agent
    from specs.model import Socket

SWITCHING_PROTOCOLS = 101
FORBIDDEN = 403

Params = Sequence[tuple[str, str]]
"""Query parameters by their names in the documents, in order; `name[]` is a list member of that name."""


def agent_socket(lab: Lab) -> Socket:
    """Return the first socket of the documents on which agents connect."""
    return next(socket for socket in lab.api.sockets.values() if socket.identity == "agent")


def credentials(agent: Agent, socket: Socket) -> list[tuple[str, str]]:
    """Return what opens a socket for an agent, of the first kind that the socket takes and the agent has."""
    return list(agent.opening(socket).items())


def checked(agent: Agent, params: Params) -> frozenset[str]:
    """Return the names of those of an agent's parameters that the endpoint checks.

    Raises:
        CannotProvision: If there are none.

    """
    names = frozenset(name for name, _ in params) if agent.params is None else agent.checked
    if not names:
        raise CannotProvision("the endpoint file names no credential that the endpoint checks")
    return names


def url_of(lab: Lab, socket: Socket, params: Params, *, suffix: str = "", raw: str = "") -> str:
    """Return a handshake URL.

    Args:
        lab: The means of the attempt.
        socket: The socket; its path is what the profile says.
        params: The query, parameters named as in the documents.
        suffix: What follows the path.
        raw: What is put behind the query as it stands.

    """
    endpoint = lab.bench.endpoint
    query = "&".join(part for part in (urlencode(_renamed(endpoint, params)), raw) if part)
    path = endpoint.socket_url(lab.api, socket.name) + suffix
    return f"{path}?{query}" if query else path


def _renamed(endpoint: Endpoint, params: Params) -> list[tuple[str, str]]:
    renamed = []
    for name, value in params:
        base, bracket, rest = name.partition("[")
        renamed.append((endpoint.profile.params.get(base, base) + bracket + rest, value))
    return renamed


def http_answer(
    lab: Lab, url: str, *, method: str = "GET", headers: Mapping[str, str] = UPGRADE
) -> HttpAnswer | None:
    """Ask for a URL by hand, with valid upgrade headers or others, and note it in the transcript.

    Returns:
        The answer; None when none came.

    Raises:
        CannotTell: If no connection can be made.

    """
    lab.bench.restraint.wait()
    lab.transcript.add("http", "sent", f"{method} {url} with {', '.join(headers) or 'no headers'}")
    try:
        answer = ask(url, headers, timeout_s=_timeout_s(lab), method=method, ca=lab.bench.endpoint.ca)
    except Unreachable as exc:
        raise CannotTell(str(exc)) from exc
    lab.transcript.add("http", "received", str(answer or "no answer"))
    lab.transcript.took(Asked(method, url, headers, None if answer is None else answer.status))
    return answer


def _timeout_s(lab: Lab) -> float:
    return lab.bench.endpoint.profile.timeouts.connect_s


def let_in(
    lab: Lab, requirement: str, url: str, what: str, *, socket: Socket, vsn: str | None = "2.0.0"
) -> Peer:
    """Demand that a handshake is accepted and that the connection speaks the serializer of `vsn`.

    Args:
        lab: The means of the attempt.
        requirement: What a refusal breaks.
        url: The whole URL.
        what: What is special about it, in words.
        socket: The socket of the documents.
        vsn: The serializer that must be spoken, by its first version; None for 1.0.0.

    Returns:
        The connection, whose heartbeat has been answered.

    """
    expected = f"{what} is let in"
    try:
        peer = lab.peer(lab.open(url, "handshake"), socket=socket.name, vsn=vsn)
    except (HandshakeRefused, Unreachable) as exc:
        raise Violation(requirement, expected, str(exc)) from exc
    spoken = f"{what} speaks serializer {peer.serializer.vsn}"
    # A frame of the other serializer says which one was chosen.
    with naming(requirement, "frames/v2-five-elements", "frames/v1-object-keys"):
        answer = peer.sync()
    if answer.kind != "ok":
        raise Violation(requirement, spoken, f"{answer} to a heartbeat")
    return peer


def kept_out(lab: Lab, requirement: str, url: str, what: str) -> int:
    """Demand that a handshake is answered with an error status, and return it.

    Raises:
        Violation: If it is upgraded, or answered with a status below 400, or not at all.

    """
    answer = http_answer(lab, url)
    if answer is None or answer.status < 400:
        raise Violation(
            requirement, f"{what} is answered with an HTTP error status", str(answer or "no answer")
        )
    return answer.status


def control(lab: Lab, socket: Socket, agent: Agent) -> None:
    """Make sure that the agent is let in with what is right.

    Raises:
        CannotTell: If it is not; a refusal of what is wrong then shows nothing.

    """
    answer = lab.connect(agent, socket=socket.name).sync()
    if answer.kind != "ok":
        raise CannotTell(f"a valid connection to the {socket.name} socket is not answered: {answer}")
