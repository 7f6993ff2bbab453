"""The HTTP request that opens a socket: what is let in, what is kept out, and with which status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.client.plain_http import ACCEPT, KEY, UPGRADE
from conformance.faults import CannotTell, Violation
from conformance.verbs.handshakes import (
    FORBIDDEN,
    SWITCHING_PROTOCOLS,
    agent_socket,
    checked,
    control,
    credentials,
    http_answer,
    kept_out,
    let_in,
    url_of,
)
from conformance.verbs.observations import phoenix_case

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.client.plain_http import HttpAnswer
    from conformance.fixtures.lab import Lab
    from conformance.verbs.handshakes import Params

_V2 = ("vsn", "2.0.0")
_UNSUPPORTED = (
    *("3.0.0", "123.1.1", "1.1.0", "1.9.9", "2.1.0", "2.0.0-rc.1"),
    *("", "2", "2.0", "9", "abc", "v2.0.0", "02.0.0", " 2.0.0"),
)
"""Other majors and minors, a pre-release, and what is no full version."""


def _valid(lab: Lab) -> list[tuple[str, str]]:
    """Return the parameters of a fresh agent, which is let in."""
    socket, agent = agent_socket(lab), lab.agent("agent")
    control(lab, socket, agent)
    return credentials(agent, socket)


def _valid_and_checked(lab: Lab) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the credential of a fresh agent, which is let in, and the parameters beside it that are not checked.

    Raises:
        CannotProvision: If the endpoint checks none.

    """
    socket, agent = agent_socket(lab), lab.agent("agent")
    params = credentials(agent, socket)
    names = checked(agent, params)
    control(lab, socket, agent)
    own = [pair for pair in params if pair[0] in names]
    return own, [pair for pair in params if pair[0] not in names]


def _upgraded(lab: Lab, requirement: str, headers: Mapping[str, str] = UPGRADE) -> HttpAnswer:
    """Return the answer to a valid handshake written by hand."""
    socket = agent_socket(lab)
    url = url_of(lab, socket, [*credentials(lab.agent("agent"), socket), _V2])
    answer = http_answer(lab, url, headers=headers)
    if answer is None or answer.status != SWITCHING_PROTOCOLS:
        raise Violation(
            requirement, "a valid handshake is answered with HTTP 101", str(answer or "no answer")
        )
    return answer


@phoenix_case("handshake/upgrade-accepted")
def upgrade_accepted(lab: Lab) -> None:
    """A valid handshake is answered with 101 and the accept token of its key."""
    answer = _upgraded(lab, "handshake/upgrade-accepted")
    token = answer.headers.get("sec-websocket-accept")
    if token != ACCEPT:
        raise Violation(
            "handshake/upgrade-accepted", f"Sec-WebSocket-Accept {ACCEPT} for the key {KEY}", str(token)
        )


@phoenix_case("handshake/no-origin-accepted")
def no_origin(lab: Lab) -> None:
    """A handshake without an Origin is let in, also where it looks like a browser's."""
    for headers in (UPGRADE, {**UPGRADE, "User-Agent": "Mozilla/5.0"}):
        _upgraded(lab, "handshake/no-origin-accepted", headers)


@phoenix_case("handshake/no-subprotocol")
def no_subprotocol(lab: Lab) -> None:
    """The answer to a client that offers no subprotocol names none."""
    _demand_absent(lab, "handshake/no-subprotocol", "sec-websocket-protocol")


@phoenix_case("handshake/no-unoffered-extension")
def no_unoffered_extension(lab: Lab) -> None:
    """The answer to a client that offers no extension names none."""
    _demand_absent(lab, "handshake/no-unoffered-extension", "sec-websocket-extensions")


def _demand_absent(lab: Lab, requirement: str, header: str) -> None:
    named = _upgraded(lab, requirement).headers.get(header)
    if named is not None:
        raise Violation(requirement, f"no {header} header, since none was offered", named)


@phoenix_case("handshake/trailing-slash")
def trailing_slash(lab: Lab) -> None:
    """A slash behind the path makes no difference."""
    socket, params = agent_socket(lab), [*_valid(lab), _V2]
    url = url_of(lab, socket, params, suffix="/")
    let_in(lab, "handshake/trailing-slash", url, "a path with a slash behind it", socket=socket)


@phoenix_case("handshake/other-path-not-upgraded")
def other_path(lab: Lab) -> None:
    """A path with a further segment is not upgraded."""
    url = url_of(lab, agent_socket(lab), [*_valid(lab), _V2], suffix="/further")
    answer = http_answer(lab, url)
    is_upgraded = answer is not None and answer.status == SWITCHING_PROTOCOLS
    lab.demand(
        not is_upgraded,
        "handshake/other-path-not-upgraded",
        "a path with a further segment is not upgraded",
        answer,
    )


# Credentials


@phoenix_case(
    "handshake/bad-credential-refused",
    "handshake/bad-credential-refused",
    "handshake/credential-refusal-is-403",
)
def bad_credential(lab: Lab) -> None:
    """A handshake with a wrong credential is answered with an error status."""
    valid, free = _valid_and_checked(lab)
    for name, value in valid:
        others = [pair for pair in (*free, *valid) if pair[0] != name]
        wrong = {
            f"an unknown {name}": lab.unique("wrong"),
            f"an empty {name}": "",
            f"a {name} with a character too many": f"{value}x",
            f"the first half of a {name}": value[: len(value) // 2],
        }
        lab.transcript.hide(value[: len(value) // 2])
        for what, other in wrong.items():
            _refused_credential(lab, "handshake/bad-credential-refused", [*others, (name, other), _V2], what)


@phoenix_case(
    "handshake/missing-credential-refused",
    "handshake/missing-credential-refused",
    "handshake/credential-refusal-is-403",
)
def missing_credential(lab: Lab) -> None:
    """A handshake without a credential is answered with an error status."""
    _, free = _valid_and_checked(lab)
    what = "a handshake without a credential"
    _refused_credential(lab, "handshake/missing-credential-refused", [*free, _V2], what)


@phoenix_case("handshake/credential-refusal-is-403")
def credential_refusal_status(lab: Lab) -> None:
    """A handshake with a wrong credential is answered with HTTP 403."""
    valid, free = _valid_and_checked(lab)
    wrong = [(name, lab.unique("wrong")) for name, _ in valid]
    _refused_credential(lab, "handshake/bad-credential-refused", [*free, *wrong, _V2], "a wrong credential")


def _refused_credential(lab: Lab, requirement: str, params: Params, what: str) -> None:
    status = kept_out(lab, requirement, url_of(lab, agent_socket(lab), params), what)
    lab.demand(
        status == FORBIDDEN, "handshake/credential-refusal-is-403", f"{what} gets HTTP 403", f"HTTP {status}"
    )


@phoenix_case("handshake/structured-credential-refused")
def structured_credential(lab: Lab) -> None:
    """A credential given as a list is no credential."""
    valid, free = _valid_and_checked(lab)
    params = [*free, *((f"{name}[]", value) for name, value in valid), _V2]
    kept_out(
        lab,
        "handshake/structured-credential-refused",
        url_of(lab, agent_socket(lab), params),
        "a credential in a list",
    )


@phoenix_case("handshake/credential-checked-before-upgrade")
def credential_before_upgrade(lab: Lab) -> None:
    """A plain GET without a credential is answered as a handshake without one."""
    rule = "handshake/credential-checked-before-upgrade"
    _, free = _valid_and_checked(lab)
    url = url_of(lab, agent_socket(lab), [*free, _V2])
    refused, plain = http_answer(lab, url), http_answer(lab, url, headers={})
    if refused is None or refused.status == SWITCHING_PROTOCOLS:
        raise CannotTell(f"a handshake without a credential is not refused: {refused or 'no answer'}")
    is_same = plain is not None and plain.status == refused.status
    lab.demand(is_same, rule, f"{refused}, as a handshake without a credential gets", plain or "no answer")


# The version of the serializer, and the rest of the query


@phoenix_case("handshake/vsn-unsupported-refused")
def vsn_unsupported(lab: Lab) -> None:
    """A handshake whose vsn no serializer accepts is answered with HTTP 403."""
    socket, valid = agent_socket(lab), _valid(lab)
    answers = {vsn: http_answer(lab, url_of(lab, socket, [*valid, ("vsn", vsn)])) for vsn in _UNSUPPORTED}
    wrong = [
        f"{answer or 'no answer'} to vsn {vsn!r}"
        for vsn, answer in answers.items()
        if answer is None or answer.status != FORBIDDEN
    ]
    if wrong:
        raise Violation("handshake/vsn-unsupported-refused", "HTTP 403", "; ".join(wrong))


@phoenix_case("handshake/vsn-patch-level-free")
def vsn_patch_level(lab: Lab) -> None:
    """Any patch level of vsn is let in and speaks the serializer of its major version."""
    socket, valid = agent_socket(lab), _valid(lab)
    for vsn, spoken in (("1.0.9", "1.0.0"), ("2.0.1", "2.0.0"), ("2.0.7", "2.0.0")):
        url = url_of(lab, socket, [*valid, ("vsn", vsn)])
        let_in(lab, "handshake/vsn-patch-level-free", url, f"vsn {vsn}", socket=socket, vsn=spoken)


@phoenix_case("handshake/vsn-absent-is-v1")
def vsn_absent(lab: Lab) -> None:
    """Without vsn the connection speaks serializer 1.0.0."""
    socket = agent_socket(lab)
    url = url_of(lab, socket, _valid(lab))
    let_in(lab, "handshake/vsn-absent-is-v1", url, "a handshake without vsn", socket=socket, vsn=None)


@phoenix_case("handshake/vsn-nonstring-refused")
def vsn_nonstring(lab: Lab) -> None:
    """A vsn given as a list is answered with HTTP 403 or 500."""
    rule = "handshake/vsn-nonstring-refused"
    status = kept_out(
        lab, rule, url_of(lab, agent_socket(lab), [*_valid(lab), ("vsn[]", "2.0.0")]), "a vsn in a list"
    )
    if status not in {FORBIDDEN, 500}:
        raise Violation(rule, "HTTP 403 or 500", f"HTTP {status}")


@phoenix_case("handshake/duplicate-parameter-last-wins")
def duplicate_parameter(lab: Lab) -> None:
    """Of a vsn given twice the last one counts."""
    rule, socket, valid = "handshake/duplicate-parameter-last-wins", agent_socket(lab), _valid(lab)
    for first, last in (("1.0.0", "2.0.0"), ("2.0.0", "1.0.0"), ("3.0.0", "2.0.0")):
        url = url_of(lab, socket, [("vsn", first), *valid, ("vsn", last)])
        let_in(lab, rule, url, f"vsn {first}, then vsn {last}", socket=socket, vsn=last)
    kept_out(lab, rule, url_of(lab, socket, [_V2, *valid, ("vsn", "3.0.0")]), "vsn 2.0.0, then vsn 3.0.0")


@phoenix_case("handshake/invalid-query-refused")
def invalid_query(lab: Lab) -> None:
    """A query with invalid UTF-8 behind a percent sign is answered with an error status."""
    socket, valid = agent_socket(lab), _valid(lab)
    for raw in (*(f"{name}=%ff" for name, _ in valid[:1]), "other=%ff"):
        url = url_of(lab, socket, [*valid, _V2], raw=raw)
        kept_out(lab, "handshake/invalid-query-refused", url, f"a query that ends in {raw}")


# The upgrade


@phoenix_case("handshake/invalid-upgrade-refused")
def invalid_upgrade(lab: Lab) -> None:
    """A GET with a valid credential but no valid upgrade headers is answered with HTTP 400 or 426."""
    url = url_of(lab, agent_socket(lab), [*_valid(lab), _V2])
    no_key = {name: value for name, value in UPGRADE.items() if name != "Sec-WebSocket-Key"}
    for what, headers in {
        "a plain GET": {},
        "an upgrade without a key": no_key,
        "an upgrade to version 8": {**UPGRADE, "Sec-WebSocket-Version": "8"},
    }.items():
        answer = http_answer(lab, url, headers=headers)
        if answer is None or answer.status not in {400, 426}:
            raise Violation(
                "handshake/invalid-upgrade-refused",
                f"{what} gets HTTP 400 or 426",
                str(answer or "no answer"),
            )


@phoenix_case("handshake/post-refused")
def post(lab: Lab) -> None:
    """A POST to the WebSocket path is answered with HTTP 400."""
    url = url_of(lab, agent_socket(lab), [*_valid(lab), _V2])
    for what, headers in {"a POST": {}, "a POST with upgrade headers": UPGRADE}.items():
        answer = http_answer(lab, url, method="POST", headers=headers)
        if answer is None or answer.status != 400:
            raise Violation("handshake/post-refused", f"{what} gets HTTP 400", str(answer or "no answer"))


@phoenix_case("handshake/no-hello")
def no_hello(lab: Lab) -> None:
    """The server sends no message before the client has sent one."""
    socket, agent = agent_socket(lab), lab.agent("agent")
    peer = lab.connect(agent, socket=socket.name)
    peer.wire.ping(b"anything?")
    if not peer.wait_pong(b"anything?"):
        raise CannotTell("a WebSocket ping is not answered")
    hello = peer.wire.receive(lab.deadline.cap(0))
    if hello is not None:
        raise Violation(
            "handshake/no-hello", "no message until the client has sent one", f"{hello.data[:200]!r}"
        )
