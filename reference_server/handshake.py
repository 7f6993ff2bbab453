"""Whether a request becomes a WebSocket: a pure decision, in the order in which Phoenix takes it.

Path, method, query, origin, `vsn`, authentication, and only then the upgrade headers (`phoenix-wire.md` HS-1 to HS-9): who
connects is asked even for a request that is no valid upgrade (HS-7).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, unquote_to_bytes, urlsplit

from websockets.http11 import Request, Response

from reference_server.redaction import describe_exception
from reference_server.structured_log import log_event
from specs.serializer import SERIALIZERS, V1, V2, choose_version

if TYPE_CHECKING:
    from websockets.datastructures import Headers

    from reference_server.outcome import Application, Identity
    from reference_server.versions import PhoenixVersion
    from specs.model import Socket

Query = Mapping[str, str | None]
"""Parameters by name; None is one that is no string (`name[]=x`)."""

_log = logging.getLogger("reference_server.handshake")
_HEX = frozenset("0123456789abcdefABCDEF")
_KEY_BYTES = 16
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class MalformedQuery(ValueError):
    """The query has a percent sign without two hex digits behind it."""


class QueryNotUnicode(ValueError):
    """What the query's percent signs stand for is not UTF-8."""


@dataclass(frozen=True, slots=True)
class Accept:
    """The request becomes a WebSocket."""

    identity: Identity
    serializer: V1 | V2
    key: str
    """Its Sec-WebSocket-Key."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request is answered with this status and body."""

    status: int
    body: str = ""
    retry_after_s: int | None = None
    """When it may be tried again; None where that would change nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """All that the decision depends on besides the request."""

    sockets: Sequence[Socket]
    application: Application
    version: PhoenixVersion
    origins: tuple[str, ...] = ()
    """Origins let in besides the server's own host and loopback: `https://a.x`, `//a.x`, `//*.a.x`; `*` lets all in."""
    serializers: Mapping[str, V1 | V2] = field(default_factory=lambda: SERIALIZERS)
    """By the version that the handshake names."""


def decide(request: Request, policy: Policy) -> Accept | Refuse:
    """Decide on a request.

    Source:
        `phoenix-wire.md` HS-1 to HS-9, section 17.

    """
    path, _, query_text = request.path.partition("?")
    candidates = [socket for socket in policy.sockets if _serves(socket, path)]
    if not candidates:
        return Refuse(404, "Not Found")
    if request.method != "GET":
        return Refuse(400)
    try:
        query = parse_query(query_text)
    except MalformedQuery:
        return Refuse(400)
    except QueryNotUnicode:
        # As recorded from real Phoenix (`phoenix-wire.md` section 17).
        return Refuse(500)
    if not _is_origin_allowed(request.headers, policy.origins):
        return Refuse(403)
    serializer = _serializer(query, policy)
    if isinstance(serializer, Refuse):
        return serializer
    identity = _authenticated(choose_socket(candidates, query), query, policy.application)
    if isinstance(identity, Refuse):
        return identity
    fault = upgrade_fault(request)
    if fault is not None:
        # Cowboy, which answers 426 by itself, gives no text.
        status = policy.version.bad_upgrade_status
        return Refuse(status, fault if status == 400 else "")
    return Accept(identity, serializer, request.headers["Sec-WebSocket-Key"])


def parse_query(text: str) -> Query:
    """Read a query; the last of several parameters of one name wins (HS-5).

    Raises:
        MalformedQuery: If a percent sign has no two hex digits behind it.
        QueryNotUnicode: If it is not UTF-8.

    Example:
        >>> parse_query("vsn=1.0.0&vsn=2.0.0&api_key[]=x")
        {'vsn': '2.0.0', 'api_key': None}

    """
    query: dict[str, str | None] = {}
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            name, value = _decoded(name), _decoded(value)
            base, bracket, _ = name.partition("[")
            query[base] = None if bracket else value
    return query


def choose_socket(candidates: Sequence[Socket], query: Query) -> Socket:
    """Choose among sockets that share a path: the first whose credential parameters are all there, else the first."""

    def has_credentials(socket: Socket) -> bool:
        return any(names <= query.keys() for names in socket.credentials)

    return next(filter(has_credentials, candidates), candidates[0])


def upgrade_fault(request: Request) -> str | None:
    """Say what keeps a GET from being a WebSocket upgrade by RFC 6455 section 4.2.1; None for nothing."""
    if request.protocol != "HTTP/1.1":
        return f"HTTP version {request.protocol.removeprefix('HTTP/')} unsupported"
    for name, wanted in (("connection", "upgrade"), ("upgrade", "websocket")):
        got = request.headers.get_all(name)
        if wanted not in _tokens(got):
            return f"'{name}' header must contain '{wanted}', got {_shown(got)}"
    keys = request.headers.get_all("Sec-WebSocket-Key")
    if not keys:
        return "'sec-websocket-key' header is absent"
    if len(keys) > 1 or not _is_key(keys[0]):
        return f"'sec-websocket-key' header must be the base64 of {_KEY_BYTES} bytes"
    versions = request.headers.get_all("Sec-WebSocket-Version")
    if versions != ["13"]:
        return f"'sec-websocket-version' header must equal '13', got {_shown(versions)}"
    return None


def is_origin_allowed(origin: str, host: str, allowed: Iterable[str]) -> bool:
    """Tell whether a page of this origin may connect (HS-9).

    Args:
        origin: Value of the Origin header.
        host: Value of the Host header; its port does not count.
        allowed: Entries as in `Policy.origins`.

    """
    entries = tuple(allowed)
    if "*" in entries:
        return True
    page = _split(origin)
    if page is None or not page.hostname:
        return False
    own = _split(f"//{host}")
    return (
        (own is not None and page.hostname == own.hostname)
        or _is_loopback(page.hostname)
        or any(_matches(page, entry) for entry in entries)
    )


def _is_origin_allowed(headers: Headers, allowed: Iterable[str]) -> bool:
    hosts = [*headers.get_all("Host"), ""]
    return all(is_origin_allowed(origin, hosts[0], allowed) for origin in headers.get_all("Origin"))


def _matches(page: SplitResult, entry: str) -> bool:
    wanted = _split(entry)
    if wanted is None or not wanted.hostname or not page.hostname:
        return False
    if wanted.scheme and wanted.scheme != page.scheme:
        return False
    if wanted.port is not None and wanted.port != (page.port or _DEFAULT_PORTS.get(page.scheme)):
        return False
    parent = wanted.hostname.removeprefix("*.")
    is_sub = wanted.hostname.startswith("*.") and page.hostname.endswith(f".{parent}")
    return page.hostname == parent or is_sub


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _serves(socket: Socket, path: str) -> bool:
    asked = _segments(path)
    return any(asked == _segments(own) for own in socket.paths)


def _segments(path: str) -> list[str]:
    return [unquote(segment) for segment in path.split("/") if segment]


def _serializer(query: Query, policy: Policy) -> V1 | V2 | Refuse:
    if "vsn" in query and query["vsn"] is None:
        return Refuse(policy.version.non_string_vsn_status)
    chosen = choose_version(query.get("vsn"))
    return Refuse(403) if chosen is None else policy.serializers[chosen]


def _authenticated(socket: Socket, query: Query, application: Application) -> Identity | Refuse:
    strings = {name: value for name, value in query.items() if value is not None}
    try:
        return application.authenticate(socket, strings) or Refuse(403)
    except Exception as exc:  # noqa: BLE001 - as Phoenix answers when connect raises (HS-6)
        log_event(
            _log,
            logging.ERROR,
            "authentication_crashed",
            socket=socket.name,
            exception=describe_exception(exc),
        )
        return Refuse(500)


def _decoded(text: str) -> str:
    for piece in text.split("%")[1:]:
        if len(piece) < 2 or not _HEX.issuperset(piece[:2]):
            raise MalformedQuery("percent sign without two hex digits")
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise QueryNotUnicode("not UTF-8") from None


def _tokens(values: Iterable[str]) -> set[str]:
    return {token.strip().lower() for value in values for token in value.split(",")}


def _shown(values: list[str]) -> str:
    return json.dumps(values)


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False


OnRequest = Callable[[Request], Accept | Refuse | Response]
"""Decides on a request; a response is sent as it stands."""
