"""The HTTP request that opens a socket: path, method, query, credentials, version, origin and upgrade."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from websockets.datastructures import Headers
from websockets.frames import Opcode

from reference_server.deviations.deviation import deviation
from reference_server.deviations.replacing import around, around_decide, around_wire
from reference_server.handshake import Accept, Refuse, upgrade_fault
from reference_server.membership import OPERATOR
from reference_server.outcome import Identity
from specs.serializer import SERIALIZERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_server.assembly import Assembly

_VSN = re.compile(r"(?<=[?&])vsn=([^&]*)")
_LIST_OF_CREDENTIALS = re.compile(r"((?:api_key|session_token|token))(?:\[\]|%5B%5D)=", re.IGNORECASE)
_LIST_OF_VSN = re.compile(r"&?vsn(?:\[\]|%5B%5D)=[^&]*", re.IGNORECASE)
_NOT_ASCII = re.compile(r"%[89a-f][0-9a-f]", re.IGNORECASE)
_SOCKET_PATH = re.compile(r"(/websocket)/[^?]*")
_KEY_LINE = 3
_UPGRADED = 101


def _asks(server: Assembly, change: Callable[[Any], Any]) -> None:
    """Alter requests before they are decided on."""
    around_decide(server, lambda honest, request, policy: honest(change(request), policy))


def _paths(server: Assembly, change: Callable[[str], str]) -> None:
    """Alter path and query of requests before they are decided on."""
    _asks(server, lambda request: replace(request, path=change(request.path)))


def _names(server: Assembly, header: str, value: str) -> None:
    """Put a header into the answer that upgrades."""

    def send_response(honest: Any, self: Any, response: Any) -> None:
        if response.status_code == _UPGRADED:
            response.headers[header] = value
        honest(self, response)

    around_wire(server, "send_response", send_response)


# The upgrade


@deviation(
    "handshake/upgrade-accepted",
    shows="Sec-WebSocket-Accept is wrong where the key is not the fourth header of the request.",
)
def takes_key_by_position(server: Assembly) -> None:
    """Take the fourth header for the key, as it is with most clients."""

    def decide(honest: Any, request: Any, policy: Any) -> Accept | Refuse:
        decision: Accept | Refuse = honest(request, policy)
        values = [value for _, value in request.headers.raw_items()]
        if isinstance(decision, Refuse) or len(values) <= _KEY_LINE:
            return decision
        return replace(decision, key=values[_KEY_LINE])

    around_decide(server, decide)


@deviation("handshake/invalid-upgrade-refused", shows="A WebSocket of any version is accepted.")
def takes_any_websocket_version(server: Assembly) -> None:
    """Do not look at Sec-WebSocket-Version."""

    def change(request: Any) -> Any:
        headers = Headers(request.headers.raw_items())
        if "Sec-WebSocket-Version" in headers:
            del headers["Sec-WebSocket-Version"]
            headers["Sec-WebSocket-Version"] = "13"
        return replace(request, headers=headers)

    _asks(server, change)


@deviation("handshake/post-refused", shows="A POST with upgrade headers is upgraded.")
def upgrades_post(server: Assembly) -> None:
    """Do not look at the method."""
    _asks(server, lambda request: replace(request, method="GET"))


@deviation(
    "handshake/credential-checked-before-upgrade",
    shows="A plain GET without a credential is answered as an invalid upgrade.",
)
def checks_upgrade_before_credential(server: Assembly) -> None:
    """Look at the upgrade headers of what is refused for its credential."""

    def decide(honest: Any, request: Any, policy: Any) -> Accept | Refuse:
        decision: Accept | Refuse = honest(request, policy)
        if decision == Refuse(403) and upgrade_fault(request) is not None:
            return Refuse(policy.version.bad_upgrade_status)
        return decision

    around_decide(server, decide)


@deviation("handshake/no-subprotocol", shows="The answer names a subprotocol that was not offered.")
def names_unoffered_subprotocol(server: Assembly) -> None:
    """Name the subprotocol of Phoenix whatever was offered."""
    _names(server, "Sec-WebSocket-Protocol", "phoenix")


@deviation("handshake/no-unoffered-extension", shows="The answer names an extension that was not offered.")
def names_unoffered_extension(server: Assembly) -> None:
    """Announce compression whatever was offered, and do without."""
    _names(server, "Sec-WebSocket-Extensions", "permessage-deflate")


@deviation(
    "handshake/no-hello", shows="A WebSocket ping before the first message is answered by a greeting, too."
)
def greets_on_first_ping(server: Assembly) -> None:
    """Greet a client on the first sign of life, if that is no message yet."""

    def recv_frame(honest: Any, self: Any, frame: Any) -> None:
        honest(self, frame)
        if frame.opcode is not Opcode.PING:
            self.has_spoken = True
        elif not getattr(self, "has_spoken", False):
            self.send_text(b'[null,null,"phoenix","hello",{}]')

    around_wire(server, "recv_frame", recv_frame)


# The path


@deviation("handshake/trailing-slash", shows="A slash behind the path leads to HTTP 404.")
def refuses_trailing_slash(server: Assembly) -> None:
    """Compare paths as they are written."""

    def decide(honest: Any, request: Any, policy: Any) -> Any:
        has_slash = request.path.partition("?")[0].endswith("/")
        return Refuse(404, "Not Found") if has_slash else honest(request, policy)

    around_decide(server, decide)


@deviation("handshake/other-path-not-upgraded", shows="Every path below that of a socket is upgraded.")
def serves_paths_below_socket(server: Assembly) -> None:
    """Take a path by its beginning."""
    _paths(server, lambda path: _SOCKET_PATH.sub(r"\1", path))


# Credentials


@deviation("handshake/bad-credential-refused", shows="An api_key with a character too many is let in.")
def ignores_end_of_api_key(server: Assembly) -> None:
    """Compare only as many characters as a key has."""

    def authenticate(honest: Any, self: Any, socket: Any, params: Any) -> Any:
        found = honest(self, socket, params)
        if found is None and "api_key" in params:
            return honest(self, socket, {**params, "api_key": params["api_key"][:-1]})
        return found

    server.application = around(server.application, "authenticate", authenticate)


@deviation("handshake/missing-credential-refused", shows="A handshake without a credential is let in.")
def lets_in_without_credential(server: Assembly) -> None:
    """Take whoever says nothing for a guest of the agent socket."""

    def authenticate(honest: Any, self: Any, socket: Any, params: Any) -> Any:
        is_complete = any(names <= params.keys() for names in socket.credentials)
        is_guest = socket.name == "agent" and not is_complete
        return Identity(socket, "guest") if is_guest else honest(self, socket, params)

    server.application = around(server.application, "authenticate", authenticate)


@deviation("handshake/credential-refusal-is-403", shows="A wrong credential is answered with HTTP 500.")
def crashes_on_wrong_credential(server: Assembly) -> None:
    """Raise where nobody is found."""

    def authenticate(honest: Any, self: Any, socket: Any, params: Any) -> Any:
        found = honest(self, socket, params)
        if found is None and socket.identity != OPERATOR:
            raise LookupError("nobody has these credentials")
        return found

    server.application = around(server.application, "authenticate", authenticate)


@deviation("handshake/structured-credential-refused", shows="A credential in a list (api_key[]) is let in.")
def takes_credential_from_list(server: Assembly) -> None:
    """Take the last member of a list for the parameter."""
    _paths(server, lambda path: _LIST_OF_CREDENTIALS.sub(r"\1=", path))


# The version of the serializer, and the rest of the query


@deviation(
    "handshake/vsn-unsupported-refused",
    shows="vsn 2.1.0 is taken for 2.0.0, and so is every other minor version.",
)
def takes_other_minor_versions(server: Assembly) -> None:
    """Look at the major version alone."""
    _paths(server, lambda path: re.sub(r"(?<=[?&])vsn=([12])\.\d+\.\d+(?=&|$)", r"vsn=\1.0.0", path))


@deviation("handshake/vsn-patch-level-free", shows="vsn 2.0.1 is refused with HTTP 403.")
def demands_exact_vsn(server: Assembly) -> None:
    """Know only the first patch level of each version."""

    def decide(honest: Any, request: Any, policy: Any) -> Any:
        asked = _VSN.findall(request.path)
        return Refuse(403) if asked and asked[-1] not in SERIALIZERS else honest(request, policy)

    around_decide(server, decide)


@deviation("handshake/vsn-absent-is-v1", shows="Without vsn the connection speaks serializer 2.0.0.")
def speaks_v2_without_vsn(server: Assembly) -> None:
    """Take the newest version where none is asked for."""
    _paths(server, lambda path: path if "vsn" in path else f"{path}{'&' if '?' in path else '?'}vsn=2.0.0")


@deviation(
    "handshake/vsn-nonstring-refused", shows="vsn[] is ignored, and the connection speaks serializer 1.0.0."
)
def ignores_vsn_in_list(server: Assembly) -> None:
    """Pass over a version that is no string."""
    _paths(server, lambda path: _LIST_OF_VSN.sub("", path))


@deviation("handshake/duplicate-parameter-last-wins", shows="Of a vsn given twice the first one counts.")
def takes_first_of_two_vsn(server: Assembly) -> None:
    """Read the version that comes first."""

    def change(path: str) -> str:
        asked = _VSN.findall(path)
        return _VSN.sub(f"vsn={asked[0]}", path) if asked else path

    _paths(server, change)


@deviation("handshake/invalid-query-refused", shows="What is not UTF-8 in a query is passed over.")
def ignores_invalid_utf8_in_query(server: Assembly) -> None:
    """Read a query without the bytes that are not UTF-8."""

    def decide(honest: Any, request: Any, policy: Any) -> Any:
        decision = honest(request, policy)
        if decision != Refuse(500):
            return decision
        return honest(replace(request, path=_NOT_ASCII.sub("", request.path)), policy)

    around_decide(server, decide)


@deviation(
    "handshake/no-origin-accepted", shows="A browser without an Origin header is refused with HTTP 403."
)
def demands_origin_of_browsers(server: Assembly) -> None:
    """Refuse a browser that does not say which page it shows."""

    def decide(honest: Any, request: Any, policy: Any) -> Any:
        is_browser = "Mozilla" in request.headers.get("User-Agent", "")
        is_refused = is_browser and "Origin" not in request.headers
        return Refuse(403) if is_refused else honest(request, policy)

    around_decide(server, decide)
