"""Tests of `reference_server.handshake`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from reference_server.handshake import (
    Accept,
    MalformedQuery,
    Policy,
    QueryNotUnicode,
    Refuse,
    decide,
    is_origin_allowed,
    parse_query,
)
from reference_server.outcome import Identity
from reference_server.versions import PhoenixVersion
from specs.model import Socket

if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT = Socket(
    "agent",
    "",
    ("/socket/websocket",),
    (frozenset({"api_key"}), frozenset({"session_token"})),
    "agent",
    None,
    "",
    {},
)
USER = Socket(
    "user",
    "",
    ("/user_socket", "/socket/websocket"),
    (frozenset({"agent_id", "token"}),),
    "agent",
    None,
    "",
    {},
)
UPGRADE = {
    "Host": "server.test:4000",
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "WebSocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


class Doorkeeper:
    """Lets in whoever has the key `good`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def authenticate(self, socket: Socket, params: Mapping[str, str]) -> Identity | None:
        self.asked.append((socket.name, params))
        if params.get("api_key") == "crash":
            raise RuntimeError
        return Identity(socket, "a") if "good" in params.values() else None

    def join(self, *_: Any) -> Any:
        raise NotImplementedError

    handle = leave = join


@pytest.fixture
def doorkeeper() -> Doorkeeper:
    return Doorkeeper()


@pytest.fixture
def ask(doorkeeper: Doorkeeper) -> Any:
    def asked(
        target: str = "/socket/websocket?api_key=good",
        *,
        method: str = "GET",
        protocol: str = "HTTP/1.1",
        version: str = "1.8",
        origins: tuple[str, ...] = (),
        **changes: str | None,
    ) -> Accept | Refuse:
        headers = Headers()
        for name, value in {
            **UPGRADE,
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }.items():
            if value is not None:
                headers[name] = value
        policy = Policy((AGENT, USER), doorkeeper, PhoenixVersion.parse(version), origins)
        return decide(Request(target, headers, method, protocol), policy)

    return asked


def test_good_request_is_accepted(ask: Any) -> None:
    """Path, credentials and upgrade headers in order give an identity and the key to answer."""
    accepted = ask()
    assert isinstance(accepted, Accept)
    assert (accepted.identity.agent_id, accepted.key) == ("a", UPGRADE["Sec-WebSocket-Key"])


@pytest.mark.parametrize("path", ["/socket/websocket/", "//socket/websocket", "/socket/%77ebsocket"])
def test_path_is_compared_by_segments(ask: Any, path: str) -> None:
    """Trailing slashes do not matter (HS-1)."""
    assert isinstance(ask(f"{path}?api_key=good"), Accept)


@pytest.mark.parametrize(
    "path", ["/", "/socket", "/socket/websocket/extra", "/nope/websocket", "/socket%2Fwebsocket"]
)
def test_unknown_path_is_404(ask: Any, doorkeeper: Doorkeeper, path: str) -> None:
    """Other paths are not found, and nobody is asked who connects (HS-1)."""
    assert ask(f"{path}?api_key=good") == Refuse(404, "Not Found")
    assert doorkeeper.asked == []


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "PUT", "CONNECT"])
def test_other_methods_are_400_with_empty_body(ask: Any, method: str) -> None:
    """Only GET opens a WebSocket (HS-8)."""
    assert ask(method=method) == Refuse(400, "")


@pytest.mark.parametrize("query", ["api_key=%", "api_key=%4", "%zz=1"])
def test_malformed_query_is_400(ask: Any, query: str) -> None:
    """A query whose percent signs have no hex digits is refused before anything else (HS-5, HS-7)."""
    with pytest.raises(MalformedQuery):
        parse_query(query)
    assert ask(f"/socket/websocket?{query}", Origin="http://evil.test") == Refuse(400, "")


@pytest.mark.parametrize("query", ["api_key=%ff", "x=%c3%28", "%ff=1"])
def test_query_that_is_not_utf8_is_500(ask: Any, query: str) -> None:
    """A query that is not UTF-8 is refused before anything else, as recorded (section 17)."""
    with pytest.raises(QueryNotUnicode):
        parse_query(query)
    assert ask(f"/socket/websocket?{query}", Origin="http://evil.test") == Refuse(500, "")


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("", {}),
        ("a=1&&b", {"a": "1", "b": ""}),
        ("a=1&a=2", {"a": "2"}),
        ("a+b=%C3%A4+%2B", {"a b": "ä +"}),
        ("a=b=c", {"a": "b=c"}),
        ("a[]=1", {"a": None}),
        ("a[]=1&a=2", {"a": "2"}),
        ("a%5Bx%5D=1", {"a": None}),
    ],
)
def test_query_is_read_as_plug_reads_it(query: str, params: dict[str, str | None]) -> None:
    """The last of several wins, nested parameters are no strings (HS-5)."""
    assert parse_query(query) == params


@pytest.mark.parametrize(
    ("vsn", "serializer"), [(None, "1.0.0"), ("1.0.9", "1.0.0"), ("2.0.0", "2.0.0"), ("2.0.7", "2.0.0")]
)
def test_vsn_chooses_the_serializer(ask: Any, vsn: str | None, serializer: str) -> None:
    """Without a vsn it is 1.0.0 (HS-3)."""
    accepted = ask("/socket/websocket?api_key=good" + (f"&vsn={vsn}" if vsn else ""))
    assert accepted.serializer.vsn == serializer


@pytest.mark.parametrize("vsn", ["", "2", "2.0", "3.0.0", "2.1.0", "2.0.0-rc.1", "abc"])
def test_unsupported_vsn_is_403_before_anybody_is_asked(ask: Any, doorkeeper: Doorkeeper, vsn: str) -> None:
    """A refused vsn has an empty body and comes before `connect` (HS-3)."""
    assert ask(f"/socket/websocket?api_key=good&vsn={vsn}") == Refuse(403, "")
    assert doorkeeper.asked == []


@pytest.mark.parametrize(("version", "status"), [("1.8.5", 500), ("1.8.6", 403)])
def test_vsn_that_is_no_string_depends_on_the_version(ask: Any, version: str, status: int) -> None:
    """`vsn[]=` crashed older releases (HS-4)."""
    assert ask("/socket/websocket?api_key=good&vsn[]=2.0.0", version=version) == Refuse(status)


@pytest.mark.parametrize("query", ["", "api_key=", "api_key=bad", "api_key[]=good", "agent_id=x&token=bad"])
def test_wrong_credentials_are_403_with_empty_body(ask: Any, query: str) -> None:
    """Whoever is not known is refused without a word (HS-6)."""
    assert ask(f"/socket/websocket?{query}") == Refuse(403, "")


def test_crash_in_authentication_is_500(ask: Any) -> None:
    """An exception in `connect` is the server's fault (HS-6)."""
    assert ask("/socket/websocket?api_key=crash") == Refuse(500)


@pytest.mark.parametrize(
    ("target", "socket"),
    [
        ("/socket/websocket?session_token=good", "agent"),
        ("/socket/websocket?agent_id=a&token=good", "user"),
        ("/socket/websocket?agent_id=good", "agent"),
        ("/user_socket?api_key=good", "user"),
        ("/socket/websocket?api_key=good&agent_id=a&token=t", "agent"),
    ],
)
def test_sockets_of_one_path_are_told_apart_by_credentials(
    ask: Any, doorkeeper: Doorkeeper, target: str, socket: str
) -> None:
    """The first socket whose parameters are all there is asked, else the first of the path."""
    ask(target)
    assert [name for name, _ in doorkeeper.asked] == [socket]


def test_all_parameters_reach_authentication(ask: Any, doorkeeper: Doorkeeper) -> None:
    """Also `vsn`; what is no string does not (HS-5)."""
    ask("/socket/websocket?api_key=good&vsn=2.0.0&x[]=1")
    assert doorkeeper.asked == [("agent", {"api_key": "good", "vsn": "2.0.0"})]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"Connection": None}, "'connection' header must contain 'upgrade', got []"),
        ({"Upgrade": "h2c"}, "'upgrade' header must contain 'websocket', got [\"h2c\"]"),
        ({"Sec_WebSocket_Key": None}, "'sec-websocket-key' header is absent"),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, "'sec-websocket-key' header must be the base64 of 16 bytes"),
        ({"Sec_WebSocket_Key": "ä" * 24}, "'sec-websocket-key' header must be the base64 of 16 bytes"),
        ({"Sec_WebSocket_Version": "8"}, "'sec-websocket-version' header must equal '13', got [\"8\"]"),
        ({"protocol": "HTTP/1.0"}, "HTTP version 1.0 unsupported"),
    ],
)
def test_get_without_valid_upgrade_is_400_with_a_text(ask: Any, change: dict[str, Any], text: str) -> None:
    """The text names the header (HS-8); releases before 1.7.10 answer 426."""
    assert ask(**change) == Refuse(400, text)
    assert ask(**change, version="1.7.9") == Refuse(426, "")


def test_who_connects_is_asked_before_the_upgrade_is_checked(ask: Any, doorkeeper: Doorkeeper) -> None:
    """A wrong credential outweighs a missing upgrade header (HS-7)."""
    assert ask("/socket/websocket?api_key=bad", Connection=None) == Refuse(403)
    assert len(doorkeeper.asked) == 1


@pytest.mark.parametrize(
    ("origin", "allowed", "expected"),
    [
        ("http://server.test", (), True),
        ("https://SERVER.test:9", (), True),
        ("http://localhost:3000", (), True),
        ("http://127.0.0.1:3000", (), True),
        ("http://[::1]:3000", (), True),
        ("http://evil.test", (), False),
        ("http://server.test.evil.test", (), False),
        ("null", (), False),
        ("file://", (), False),
        ("", (), False),
        ("http://[", (), False),
        ("http://a.test:x", (), False),
        ("http://evil.test", ("*",), True),
        ("null", ("*",), True),
        ("https://a.test", ("https://a.test",), True),
        ("http://a.test", ("https://a.test",), False),
        ("https://a.test:8443", ("//a.test",), True),
        ("https://a.test:8443", ("https://a.test:443",), False),
        ("https://a.test", ("https://a.test:443",), True),
        ("https://x.a.test", ("//*.a.test",), True),
        ("https://a.test", ("//*.a.test",), True),
        ("https://prefix-a.test", ("//*.a.test",), False),
    ],
)
def test_origin_is_compared_by_its_parts(origin: str, allowed: tuple[str, ...], expected: bool) -> None:
    """The own host and loopback always pass; entries compare scheme, host and port where given (HS-9)."""
    assert is_origin_allowed(origin, "server.test:4000", allowed) is expected


def test_origin_is_checked_only_where_there_is_one_and_before_vsn(ask: Any, doorkeeper: Doorkeeper) -> None:
    """A foreign page is refused with an empty body before anybody is asked (HS-7, HS-9)."""
    assert ask("/socket/websocket?api_key=good&vsn[]=1", Origin="http://evil.test", version="1.7") == Refuse(
        403
    )
    assert doorkeeper.asked == []
    assert isinstance(ask(Origin="http://server.test"), Accept)
    assert isinstance(ask(Origin="http://evil.test", origins=("//evil.test",)), Accept)
